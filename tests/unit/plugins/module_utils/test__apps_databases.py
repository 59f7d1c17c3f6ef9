# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What follows for an app from its use of a SQL server."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils import _apps


def app(*uses: str) -> dict[str, Any]:
    return {"image": "jobs", "tag": "1", "uses": list(uses), "processes": {"worker": {"command": ["work"]}}}


def problems(name: str, *uses: str) -> list[str]:
    return _apps.problems({name: app(*uses)}, ["mysql", "postgresql"], ["mysql", "postgresql"])


def test_an_app_has_a_database_a_user_and_a_secret_of_its_own() -> None:
    apps = {"news-letter": app("postgresql"), "shop": app("mysql"), "jobs": app()}
    assert _apps.databases(apps, "postgresql") == [
        {"name": "news_letter", "user": "news_letter", "secret": "news_letter_postgresql_password"}
    ]
    assert _apps.secret_names(apps["news-letter"], "news-letter") == ["news_letter_postgresql_password"]


def test_the_environment_says_where_the_database_is_and_where_its_password() -> None:
    environment = _apps.environment(app("postgresql"), "news-letter", "demo")
    assert {name: value for name, value in environment.items() if name.startswith("DB_")} == {
        "DB_CONNECTION": "pgsql",
        "DB_HOST": "demo-postgresql",
        "DB_PORT": "5432",
        "DB_DATABASE": "news_letter",
        "DB_USERNAME": "news_letter",
        "DB_PASSWORD_FILE": "/run/secrets/news_letter_postgresql_password",
    }


@pytest.mark.parametrize(
    ("engine", "names"),
    [
        ("mysql", ["shop", "postgres", "public", "mysql-shop", "my-root", "system", "backup", "test"]),
        ("postgresql", ["shop", "postgres2", "my-postgres", "pgadmin", "root", "sys", "backup"]),
    ],
)
def test_a_name_that_is_nobody_s_in_the_server_is_fine(engine: str, names: list[str]) -> None:
    assert {name: problems(name, engine) for name in names} == {name: [] for name in names}


@pytest.mark.parametrize(
    ("engine", "server", "name"),
    [
        ("mysql", "MySQL", "root"),
        ("mysql", "MySQL", "sys"),
        ("mysql", "MySQL", "information-schema"),
        ("mysql", "MySQL", "performance-schema"),
        ("mysql", "MySQL", "healthcheck"),
        ("mysql", "MySQL", "onebox-backup"),
        ("postgresql", "PostgreSQL", "postgres"),
        ("postgresql", "PostgreSQL", "template1"),
        ("postgresql", "PostgreSQL", "public"),
        ("postgresql", "PostgreSQL", "none"),
        ("postgresql", "PostgreSQL", "pg-admin"),
        ("postgresql", "PostgreSQL", "onebox-backup"),
    ],
)
def test_a_name_that_the_server_has_for_itself_is_refused_where_the_app_uses_it(
    engine: str, server: str, name: str
) -> None:
    database = name.replace("-", "_")
    error = f"onebox_apps.{name}: {server} has '{database}' for itself; give the app another name"
    assert problems(name, engine) == [error]
    assert problems(name) == []


def test_an_app_called_mysql_is_refused_both_as_a_service_and_as_a_database() -> None:
    assert problems("mysql", "mysql") == [
        "onebox_apps.mysql: this is the name of a service; give the app another",
        "onebox_apps.mysql: MySQL has 'mysql' for itself; give the app another name",
    ]


@pytest.mark.parametrize(
    ("engine", "server", "name"),
    [("mysql", "MySQL", "sys"), ("mysql", "MySQL", "onebox_backup"), ("postgresql", "PostgreSQL", "pg_monitor")],
)
def test_a_name_that_the_server_has_for_itself_is_neither_declared_nor_dropped(
    engine: str, server: str, name: str
) -> None:
    error = f"{engine}_databases: {server} has '{name}' for itself; give another name"
    for declared in ({"name": name}, {"name": "reports", "user": name}):
        with pytest.raises(ValueError, match=re.escape(error)):
            _apps.databases({}, engine, [declared])
    assert _apps.absent_problems([], engine, [name, "reports"]) == [
        f"{engine}_absent_databases: '{name}' cannot be the name of a database made here"
    ]


def test_two_databases_of_one_app_are_refused() -> None:
    assert problems("shop", "postgresql", "mysql") == [
        "onebox_apps.shop.uses: mysql and postgresql would both be the app's DB_HOST; take one of them out"
    ]
