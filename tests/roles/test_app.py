# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a runtime gets for the memory of its container, in the files of the app's role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from ansible_collections.onebox.stack.plugins.module_utils._tuning import tuning

WEB = {"kind": "http", "port": 3000, "health": ["check"]}


@pytest.fixture
def services(render: Callable[..., str]) -> Callable[..., dict[str, Any]]:
    """Render the Compose file of an app with these processes: what it says of each container."""

    def services(processes: dict[str, Any], env: dict[str, Any] | None = None, **variables: Any) -> dict[str, Any]:
        app = {"image": "api", "tag": "1", "processes": processes, "env": env or {}, "public_path": "/srv"}
        text = render("app", "compose.yaml.j2", app_name="api", onebox_apps={"api": app}, **variables)
        found: dict[str, Any] = yaml.safe_load(text)["services"]
        return found

    return services


@pytest.mark.parametrize(
    ("process", "engine", "facts"),
    [
        ({**WEB, "runtime": "node"}, "node", {}),
        ({**WEB, "runtime": "puma", "worker_mib": 100}, "puma", {"worker_mib": 100}),
        ({**WEB, "runtime": "octane", "server": "swoole"}, "octane", {"server": "swoole"}),
        ({"runtime": "sidekiq", "command": ["sidekiq"]}, "sidekiq", {}),
        ({"runtime": "gotenberg", "command": ["gotenberg"]}, "gotenberg", {}),
    ],
)
def test_a_runtime_has_the_settings_for_its_limit_in_its_environment(
    process: dict[str, Any], engine: str, facts: dict[str, Any], services: Callable[..., dict[str, Any]]
) -> None:
    environment = services({"it": process}, app_memory_mib={"api-it": 640})["api-it"]["environment"]
    settings = tuning(640, engine, **facts)
    assert settings
    assert {name: environment[name] for name in settings} == settings
    assert environment["APP_NAME"] == "api"


def test_each_process_has_its_own_and_one_without_a_runtime_none(services: Callable[..., dict[str, Any]]) -> None:
    found = services(
        {
            "web": {**WEB, "runtime": "node"},
            "jobs": {"runtime": "node", "command": ["jobs"]},
            "cron": {"command": ["x"]},
        },
        app_memory_mib={"api-web": 512, "api-jobs": 256, "api-cron": 64},
    )
    options = {key: service["environment"].get("NODE_OPTIONS") for key, service in found.items()}
    assert options == {
        "api-web": "--max-old-space-size=384",
        "api-jobs": "--max-old-space-size=160",
        "api-cron": None,
    }


def test_what_the_app_says_itself_wins(services: Callable[..., dict[str, Any]]) -> None:
    processes = {"web": {**WEB, "runtime": "puma"}}
    environment = services(processes, env={"RAILS_MAX_THREADS": 7}, app_memory_mib={"api-web": 768})["api-web"][
        "environment"
    ]
    assert (environment["RAILS_MAX_THREADS"], environment["MALLOC_ARENA_MAX"]) == ("7", "2")


def test_a_role_on_its_own_plans_with_the_ideal_and_the_host_s_processors(
    services: Callable[..., dict[str, Any]],
) -> None:
    processes = {"web": {**WEB, "runtime": "octane"}}
    one, two = (
        services(processes, onebox_host={"cpus": cpus}, onebox_memory={"api-web": {"limit_mib": 2048}})["api-web"]
        for cpus in (1, 4)
    )
    assert (one["environment"]["OCTANE_WORKERS"], two["environment"]["OCTANE_WORKERS"]) == ("4", "16")
    assert services(processes)["api-web"]["environment"] == {
        "APP_NAME": "api",
        "APP_URL": "",
        **tuning(448, "octane"),
    }


def test_an_app_of_a_database_elsewhere_has_its_ca_and_the_given_password_as_files(
    value: Callable[..., Any], render: Callable[..., str]
) -> None:
    app = {"image": "api", "tag": "1", "uses": ["mysql", "redis"], "processes": {"web": WEB}, "secrets": {"KEY": "k"}}
    variables = {
        "app_name": "api",
        "onebox_apps": {"api": app},
        "onebox_managed": {"mysql": {"host": "db.example.net", "ca": "PEM"}},
        "api_mysql_password": "a 'b' #c",
        "api_redis_password": "generated-elsewhere",
    }
    assert value("app", "__app_secret_files", **variables) == [
        {"path": "KEY", "content": "k", "secret": True},
        {"path": "mysql_ca.pem", "content": "PEM", "secret": True},
        {"path": "api_mysql_password", "content": "a 'b' #c", "secret": True},
    ]
    assert list(value("app", "app_secrets", **variables)) == ["api_redis_password"]
    web = yaml.safe_load(render("app", "compose.yaml.j2", **variables))["services"]["api-web"]
    assert web["secrets"] == ["api_redis_password", "KEY", "mysql_ca.pem", "api_mysql_password"]
    assert web["environment"]["DB_PASSWORD_FILE"] == "/run/secrets/api_mysql_password"
    assert web["environment"]["DB_SSL_CA"] == "/run/secrets/mysql_ca.pem"


def test_php_fpm_has_its_settings_in_files_and_not_in_the_environment(
    services: Callable[..., dict[str, Any]], render: Callable[..., str]
) -> None:
    web = {"kind": "fastcgi", "port": 9000, "health": ["check"], "worker_mib": 40, "jit_mib": 32}
    memory = {"app_memory_mib": {"api-web": 416}}
    assert services({"web": web}, **memory)["api-web"]["environment"] == {"APP_NAME": "api", "APP_URL": ""}
    app = {"image": "api", "tag": "1", "processes": {"web": web}, "public_path": "/srv"}
    wanted = tuning(416, "php_fpm", worker_mib=40, jit_mib=32)
    found = {
        line.split(" = ")[0]: line.split(" = ")[1]
        for template in ("php.ini.j2", "php-fpm.conf.j2")
        for line in render("app", template, app_name="api", onebox_apps={"api": app}, **memory).splitlines()
        if " = " in line
    }
    assert {name: found[name] for name in wanted} == {name: str(setting) for name, setting in wanted.items()}
