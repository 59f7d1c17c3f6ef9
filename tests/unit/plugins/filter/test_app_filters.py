# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

APPS = {
    "my-shop": {
        "uses": ["mysql", "redis"],
        "domains": ["shop.example.com"],
        "processes": {"web": {"kind": "http", "port": 3000, "runtime": "node", "health": ["x"]}},
    }
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            "apps | onebox.stack.app_databases('mysql')",
            [{"name": "my_shop", "user": "my_shop", "secret": "my_shop_mysql_password"}],
        ),
        ("apps | onebox.stack.app_databases(engine='postgresql')", []),
        (
            "apps | onebox.stack.app_redis_users('redis')",
            [{"name": "my-shop", "secret": "my_shop_redis_password"}],
        ),
        ("apps | onebox.stack.app_redis_users(engine='redis_cache')", []),
        ("(apps['my-shop'] | onebox.stack.app_environment('my-shop', project='demo')).DB_HOST", "demo-mysql"),
        ("(apps['my-shop'] | onebox.stack.app_model(name='my-shop')).front", "my-shop-web"),
        ("apps['my-shop'] | onebox.stack.app_secrets('my-shop')", ["my_shop_mysql_password", "my_shop_redis_password"]),
        (
            "apps | onebox.stack.app_databases('mysql', managed={'mysql': {'apps': {'my-shop': {'user': 'rw'}}}})",
            [{"name": "my_shop", "user": "rw", "secret": "my_shop_mysql_password"}],
        ),
        (
            "(apps['my-shop'] | onebox.stack.app_environment('my-shop', 'demo', {'mysql': {'host': 'db'}})).DB_HOST",
            "db",
        ),
        (
            "(apps['my-shop'] | onebox.stack.app_model('my-shop', {'mysql': {'host': 'db'}})).given_passwords",
            ["my_shop_mysql_password"],
        ),
        (
            "apps['my-shop'] | onebox.stack.app_secrets('my-shop', {'mysql': {'host': 'db'}})",
            ["my_shop_redis_password"],
        ),
        ("apps | onebox.stack.app_connections", {"mysql": 30, "postgresql": 20}),
        (
            "apps | onebox.stack.app_connections({'my-shop-web': {'weight': 2}}, cpus=4)",
            {"mysql": 30, "postgresql": 20},
        ),
        (
            "apps['my-shop'] | onebox.stack.app_settings('my-shop', {'my-shop-web': '256'}, cpus=2)",
            {"my-shop-web": {"NODE_OPTIONS": "--max-old-space-size=160"}},
        ),
        ("apps | onebox.stack.app_vhosts(project='demo') | map(attribute='upstream')", ["demo-my-shop-web:3000"]),
    ],
)
def test_a_template_calls_the_filter_as_it_is_documented(
    inventory: Callable[[str], dict[str, Any]], expression: str, expected: Any
) -> None:
    variables = inventory(json.dumps({"apps": APPS, "result": f"{{{{ {expression} }}}}"}))
    assert Templar(loader=DataLoader(), variables=variables).template(variables["result"]) == expected
