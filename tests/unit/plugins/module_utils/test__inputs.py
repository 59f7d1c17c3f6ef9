# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils import _inputs

ROLES = pathlib.Path(__file__).parents[4] / "roles"
KNOWN = {"redis": {"redis_tag", "redis_eviction_policy"}, "onebox": {"onebox_project", "onebox_services"}}


def test_the_variables_of_a_role_are_the_top_level_keys_of_its_defaults(tmp_path: pathlib.Path) -> None:
    defaults = tmp_path / "redis/defaults/main.yml"
    defaults.parent.mkdir(parents=True)
    defaults.write_text("---\n# redis_old: 1\nredis_tag: '8'\nredis_map:\n  redis_inner: 1\n__redis_private: 1\n")
    (tmp_path / "nginx/tasks").mkdir(parents=True)
    assert _inputs.role_variables(tmp_path) == {"redis": {"redis_tag", "redis_map"}}


def test_the_collection_s_own_roles_are_read() -> None:
    known = _inputs.role_variables(ROLES)
    assert {"onebox_apps", "onebox_services"} <= known["onebox"]
    assert all(names for names in known.values())


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("redis_evicton_policy", ["redis_evicton_policy: not a variable of onebox.stack; did you mean "
                                  "'redis_eviction_policy'? Rename it"]),
        ("onebox_service", ["onebox_service: not a variable of onebox.stack; did you mean 'onebox_services'? "
                            "Rename it"]),
        ("redis_tag", []),
        ("redis_exporter_port", []),
        ("mysite_tag", []),
        ("ansible_host", []),
    ],
)  # fmt: skip
def test_only_a_variable_that_is_nearly_a_role_s_is_taken_for_a_mistake(variable: str, expected: list[str]) -> None:
    assert _inputs.misspelt([variable, "redis_tag"], KNOWN) == expected


@pytest.mark.parametrize("name", ["redis_cache_password", "mysql_root_password", "shop_mysql_password"])
def test_a_vaulted_secret_is_no_mistake(name: str) -> None:
    assert _inputs.misspelt([name], _inputs.role_variables(ROLES)) == []


def test_services_are_added_to_the_profile_and_taken_out_of_it() -> None:
    services = {"nginx": False, "redis_cache": True, "mysql": True}
    assert _inputs.enabled_services(["nginx", "mysql", "redis"], services) == ["mysql", "redis", "redis_cache"]


@pytest.mark.parametrize(
    ("profile", "services", "expected"),
    [
        ("small-prod", {"redis": False}, []),
        ("", {}, []),
        ("small_prod", {}, ["onebox_profile: 'small_prod' is unknown; did you mean 'small-prod'?"]),
        ("x", {"redsi": True, "redis": "yes"}, [
            "onebox_profile: 'x' is unknown; there is small-prod",
            "onebox_services.redsi: unknown; did you mean 'redis'?",
            "onebox_services.redis: true or false is needed, not 'yes'",
        ]),
        ("", ["redis"], ["onebox_services: a dictionary is needed, such as {mysql: true}, not ['redis']"]),
    ],
)  # fmt: skip
def test_a_wrong_profile_or_service_is_named(profile: str, services: Any, expected: list[str]) -> None:
    profiles = {"": [], "small-prod": ["nginx", "redis"]}
    assert _inputs.services_problems(profile, profiles, services, ["nginx", "mysql", "redis"]) == expected


def test_a_service_that_no_role_runs_yet_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "redis/tasks").mkdir(parents=True)
    table = {name: {"tuning": {"engine": engine}} for name, engine in {
        "redis": "redis", "redis_cache": "redis", "search": "meilisearch",
    }.items()}  # fmt: skip
    assert _inputs.without_role(["redis", "redis_cache"], table, tmp_path) == []
    assert _inputs.without_role(["search", "redis"], table, tmp_path) == [
        "onebox_services.search: its memory can be planned, but onebox.stack has no role yet that runs it; take it out"
    ]
