# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.onebox.stack.plugins.filter.tuning import DOCUMENTATION, FilterModule
from ansible_collections.onebox.stack.plugins.module_utils import _tuning

tuning = FilterModule().filters()["tuning"]


@pytest.mark.parametrize(
    ("limit", "engine", "facts", "some"),
    [
        (
            512,
            "mysql",
            {"flavor": "mariadb", "connections": 24},
            {"innodb_buffer_pool_size": "262M", "max_connections": 24, "sort_buffer_size": "512K"},
        ),
        (
            512,
            "postgresql",
            {"connections": 30, "cpus": 2},
            {
                "shared_buffers": "128MB",
                "work_mem": "2762kB",
                "max_connections": 30,
                "maintenance_work_mem": "32MB",
            },
        ),
        (
            128,
            "redis",
            {"eviction_policy": "noeviction"},
            {"maxmemory": "50mb", "maxmemory-policy": "noeviction", "appendonly": "yes", "save": '""'},
        ),
        (
            416,
            "php_fpm",
            {"worker_mib": 60},
            {"pm": "dynamic", "pm.max_children": 3, "memory_limit": "128M", "opcache.memory_consumption": 128},
        ),
        (256, "node", {}, {"NODE_OPTIONS": "--max-old-space-size=160"}),
    ],
)
def test_the_settings_of_the_documentation_are_the_ones_that_are_derived(
    limit: int, engine: str, facts: dict[str, Any], some: dict[str, Any]
) -> None:
    settings = tuning(limit, engine, **facts)
    assert {name: settings[name] for name in some} == some


def test_an_error_is_one_of_ansible_s_and_says_where_it_is_from() -> None:
    with pytest.raises(AnsibleFilterError, match=r"\Atuning: unknown engine 'mysqll'; did you mean 'mysql'\?\Z"):
        tuning(512, "mysqll")


def test_the_documentation_has_every_engine_and_every_fact_with_its_default() -> None:
    options = yaml.safe_load(DOCUMENTATION)["options"]
    assert options["engine"]["choices"] == list(_tuning.ENGINES)
    facts: dict[str, dict[str, Any]] = {}
    for name, engine in _tuning.ENGINES.items():
        for fact, default in engine.facts.items():
            facts.setdefault(fact, {})[name] = default
    assert set(options) == {"_input", "engine", *facts}
    for fact, defaults in facts.items():
        described = options[fact]
        told = str(described["description"])
        same = all(default == next(iter(defaults.values())) for default in defaults.values())
        for engine_name, default in defaults.items():
            assert f"O(engine={engine_name})" in told, fact
            first = default[0] if isinstance(default, tuple) else default
            if same:
                assert described.get("default") == first, fact
            else:
                assert str(first) in told, fact
            if isinstance(default, tuple):
                assert all(f"V({choice})" in told or choice in described["choices"] for choice in default), fact
