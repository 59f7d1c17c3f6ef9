# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role writes for each flavour, and for an operator's own settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml


@pytest.fixture
def settings(render: Callable[..., str]) -> Callable[..., dict[str, str]]:
    """The settings as the server reads them, the last of a name in force: `settings(mysql_flavor="mysql")`."""

    def settings(**variables: object) -> dict[str, str]:
        text = render("mysql", "onebox.cnf.j2", mysql_memory_mib=640, **variables)
        lines = [line.partition(" = ") for line in text.splitlines() if not line.startswith("#")]
        return {name: value for name, _, value in lines}

    return settings


@pytest.mark.parametrize(
    ("variables", "image"),
    [
        ({}, "mariadb:11.8.8-noble"),
        ({"mysql_tag": "12.3.2-noble"}, "mariadb:12.3.2-noble"),
        ({"mysql_flavor": "mysql"}, "mysql:8.4.11-oraclelinux9"),
        ({"mysql_flavor": "mysql", "mysql_tag": "9.7.2-oraclelinux9"}, "mysql:9.7.2-oraclelinux9"),
        (
            {"mysql_flavor": "mysql", "mysql_image": "registry.example.com/mysql"},
            "registry.example.com/mysql:8.4.11-oraclelinux9",
        ),
    ],
)
def test_the_image_follows_from_the_flavour_unless_the_operator_says(
    render: Callable[..., str], variables: dict[str, Any], image: str
) -> None:
    assert yaml.safe_load(render("mysql", "compose.yaml.j2", **variables))["services"]["mysql"]["image"] == image


@pytest.mark.parametrize(("flavor", "other"), [("mariadb", "mysql"), ("mysql", "mariadb")])
def test_the_two_servers_differ_in_the_same_things(value: Callable[..., Any], flavor: str, other: str) -> None:
    flavors = value("mysql", "__mysql_flavors")
    assert flavors[flavor].keys() == flavors[other].keys()
    assert value("mysql", "__mysql_flavor", mysql_flavor=flavor) == flavors[flavor]


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_no_commit_is_given_up_for_speed_unless_the_operator_says(
    settings: Callable[..., dict[str, str]], flavor: str
) -> None:
    name = "innodb_flush_log_at_trx_commit"
    assert settings(mysql_flavor=flavor)[name] == "1"
    assert settings(mysql_flavor=flavor, mysql_settings={name: 2})[name] == "2"


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_an_operator_s_own_settings_win_over_the_plan_and_the_role(
    settings: Callable[..., dict[str, str]], flavor: str
) -> None:
    own = {"innodb_buffer_pool_size": "64M", "slow_query_log_file": "/var/tmp/other.log", "sql_mode": "ANSI"}
    before, found = settings(mysql_flavor=flavor), settings(mysql_flavor=flavor, mysql_settings=own)
    assert own.items() <= found.items()
    assert not own.items() & before.items()
    assert {name: found[name] for name in before if name not in own} == {
        name: before[name] for name in before if name not in own
    }


def test_mysql_s_own_extras_are_off(settings: Callable[..., dict[str, str]]) -> None:
    wanted = {"skip_log_bin": "ON", "mysqlx": "OFF", "innodb_numa_interleave": "OFF", "local_infile": "OFF"}
    assert wanted.items() <= settings(mysql_flavor="mysql").items()
    assert not {"skip_log_bin", "mysqlx", "plugin_load_add"} & settings().keys()


@pytest.mark.parametrize(
    ("flavor", "plugin", "health_users"), [("mariadb", "unix_socket", 0), ("mysql", "auth_socket", 1)]
)
def test_a_new_server_and_one_that_runs_are_told_of_the_same_users_of_the_stack_s_own(
    render: Callable[..., str], flavor: str, plugin: str, health_users: int
) -> None:
    new = render("mysql", "administration.sql.j2", mysql_flavor=flavor)
    assert new in render("mysql", "databases.sql.j2", mysql_flavor=flavor)
    assert f"CREATE USER IF NOT EXISTS mysql@localhost IDENTIFIED WITH {plugin};" in new
    assert new.count("healthcheck@localhost") == health_users
