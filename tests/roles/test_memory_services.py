# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of what each backing service asks of the memory plan, beside the roles that run them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils import _tuning
from ansible_collections.onebox.stack.plugins.module_utils._inputs import role_variables
from ansible_collections.onebox.stack.plugins.module_utils._memory import ideals

from rendering import ROLES, load

TABLE = load(ROLES / "onebox/defaults/main.yml")["onebox_memory_services"]
READ_ELSEWHERE = sorted(set(re.findall(r"\b((?!onebox_)[a-z]+_\w+) \| default\(", str(TABLE))))


@pytest.mark.parametrize("cpus", [1, 2, 4])
@pytest.mark.parametrize("role", sorted({entry["tuning"]["engine"] for entry in TABLE.values()}))
def test_where_an_operator_says_nothing_the_table_and_the_role_take_the_same(
    role: str, cpus: int, value: Callable[..., Any]
) -> None:
    host = {"cpus": cpus}
    # Where the role runs, its own defaults are seen; elsewhere those in the table.
    elsewhere = value("onebox", "onebox_memory_services", onebox_host=host)
    assert value(role, "onebox_memory_services", onebox_host=host) == elsewhere


@pytest.mark.parametrize("variable", READ_ELSEWHERE)
def test_a_variable_that_the_table_reads_is_one_of_its_role_s_once_there_is_the_role(variable: str) -> None:
    role = variable.partition("_")[0]
    assert role in {entry["tuning"]["engine"] for entry in TABLE.values()}
    assert variable in role_variables(ROLES).get(role, {variable})


@pytest.mark.parametrize(
    ("variables", "service", "facts"),
    [
        ({"mysql_flavor": "mysql"}, "mysql", {"flavor": "mysql"}),
        ({"mysql_max_connections": 90}, "mysql", {"connections": 90}),
        ({"postgresql_max_connections": 90}, "postgresql", {"connections": 90}),
        ({"redis_flavor": "redis"}, "redis", {"flavor": "redis", "eviction_policy": "noeviction"}),
        ({"redis_eviction_policy": "volatile-ttl"}, "redis", {"flavor": "valkey", "eviction_policy": "noeviction"}),
        ({"redis_eviction_policy": "volatile-ttl"}, "redis_cache", {"eviction_policy": "volatile-ttl"}),
        ({"minio_flavor": "rustfs"}, "minio", {"flavor": "rustfs"}),
        ({"nginx_cpus": 1}, "nginx", {"cpus": 1}),
        ({"onebox_host": {"cpus": 8}}, "meilisearch", {"cpus": 8}),
    ],
)
def test_what_the_operator_says_reaches_the_engine(
    variables: dict[str, Any], service: str, facts: dict[str, Any], value: Callable[..., Any]
) -> None:
    tuning = value("onebox", "onebox_memory_services", **variables)[service]["tuning"]
    assert {name: str(tuning[name]) for name in facts} == {name: str(fact) for name, fact in facts.items()}


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_every_service_asks_for_at_least_its_floor_and_can_use_more(flavor: str, value: Callable[..., Any]) -> None:
    table = value("onebox", "onebox_memory_services", mysql_flavor=flavor)
    for name, service in ideals(table)["services"].items():
        floor = _tuning.floor_mib(**table[name]["tuning"])
        assert floor <= int(table[name]["ideal_mib"]) < table[name]["ceiling_mib"], name
        assert (service["floor_mib"], service["limit_mib"]) == (floor, int(table[name]["ideal_mib"]))


def test_a_limit_in_force_of_a_database_is_kept_before_that_of_any_other_service_and_theirs_before_an_app_s(
    value: Callable[..., Any],
) -> None:
    table = value("onebox", "onebox_memory_services")
    assert {name for name, entry in table.items() if entry["keep"] == 2} == {"mysql", "postgresql"}
    assert {entry["keep"] for entry in table.values()} == {1, 2}


def test_a_profile_has_only_services_that_a_role_runs() -> None:
    profiles = load(ROLES / "onebox/defaults/main.yml")["onebox_profiles"]
    services = {service for profile in profiles.values() for service in profile}
    assert services <= TABLE.keys()
    assert all((ROLES / TABLE[service]["tuning"]["engine"] / "tasks").is_dir() for service in services)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_a_role_on_its_own_gets_its_ideal(name: str, value: Callable[..., Any]) -> None:
    service = value("onebox", "onebox_memory_plan")["services"][name]
    assert service["limit_mib"] == service["ideal_mib"]


def test_the_connections_of_a_database_follow_from_the_apps_unless_the_operator_says(value: Callable[..., Any]) -> None:
    web = {"kind": "http", "port": 80, "runtime": "node", "replicas": 4}
    apps = {"onebox_apps": {"api": {"uses": ["mysql"], "processes": {"web": web}}}}
    assert int(value("mysql", "mysql_max_connections")) == 20
    assert int(value("mysql", "mysql_max_connections", **apps)) == 60
    assert "60 connections" in value("mysql", "onebox_memory_plan", **apps)["services"]["mysql"]["summary"]
    own = value("onebox", "onebox_memory_plan", **apps, mysql_max_connections=25)["services"]["mysql"]
    assert own["settings"]["max_connections"] == 25
