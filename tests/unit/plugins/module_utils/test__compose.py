# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils._compose import (
    ComposeError,
    build,
    check_model,
    group_of,
    inputs,
    limit_of,
    merge,
)

NETWORKS: dict[str, dict[str, Any]] = {"edge": {}, "data": {"internal": True}}


def stack(text_model: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return what `build` makes of a role's Compose file."""
    given: dict[str, Any] = {
        "name": "redis",
        "project": "demo",
        "memory_mib": 64,
        "networks": NETWORKS,
        "secrets": ["redis_password", "users.acl"],
    }
    return build(text_model, **{**given, **changes})


def one(own: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the only service of a Compose file, as it is built."""
    service: dict[str, Any] = stack({"services": {"redis": {"image": "r:1", **own}}}, **changes)["services"]["redis"]
    return service


# -- the policy --------------------------------------------------------------------------------------------------------


def test_a_service_that_says_nothing_gets_the_whole_policy() -> None:
    service = one({})
    limits = service["deploy"]["resources"]["limits"]
    assert service["restart"] == "unless-stopped"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert 1024 < service["ulimits"]["nofile"]["soft"] <= service["ulimits"]["nofile"]["hard"]
    assert sorted(service["logging"]["options"]) == ["max-file", "max-size"]
    assert limits["pids"] > 0
    assert limits["memory"] == "64M"
    assert service["deploy"]["resources"]["reservations"] == {"memory": "64M"}
    assert service["labels"] == {"onebox.service": "redis", "onebox.digest": "@digest:redis@"}


def test_a_service_for_single_commands_has_no_digest() -> None:
    assert one({"profiles": ["release"]})["labels"] == {"onebox.service": "redis"}


@pytest.mark.parametrize(
    ("own", "field", "expected"),
    [
        ({"restart": "no"}, "restart", "no"),
        ({"read_only": False}, "read_only", False),
        ({"cap_drop": []}, "cap_drop", None),
        ({"logging": {"driver": "none"}}, "logging", {**one({})["logging"], "driver": "none"}),
        (
            {"labels": {"own": "x"}},
            "labels",
            {"own": "x", "onebox.service": "redis", "onebox.digest": "@digest:redis@"},
        ),
    ],
)
def test_a_role_s_own_word_wins_over_the_policy(own: dict[str, Any], field: str, expected: Any) -> None:
    assert one(own).get(field) == expected


def test_a_role_cannot_overrule_the_planned_memory_but_may_say_how_many_replicas() -> None:
    deploy = one({"deploy": {"replicas": 3, "resources": {"limits": {"memory": "9G", "pids": 9}}}})["deploy"]
    assert deploy["resources"] == {"limits": {"pids": 9, "memory": "64M"}, "reservations": {"memory": "64M"}}
    assert deploy["replicas"] == 3


def test_a_health_check_gets_the_common_timing_unless_it_says_otherwise_or_there_is_none() -> None:
    common = one({"healthcheck": {"test": ["CMD", "x"]}})["healthcheck"]
    assert sorted(common) == ["interval", "retries", "start_interval", "start_period", "test", "timeout"]
    assert one({"healthcheck": {"test": ["CMD", "y"], "retries": 9}})["healthcheck"] == {
        **common,
        "test": ["CMD", "y"],
        "retries": 9,
    }
    assert one({"healthcheck": {"disable": True}})["healthcheck"] == {"disable": True}


def test_every_container_is_kept_from_swapping_unless_its_role_says_otherwise() -> None:
    model = stack(
        {"services": {"web": {"image": "a"}, "worker": {"image": "a", "memswap_limit": "128M"}}},
        memory_mib={"web": 72, "worker": 64},
    )
    assert model["services"]["web"]["memswap_limit"] == "72M"
    assert model["services"]["worker"]["memswap_limit"] == "128M"


def test_each_container_can_have_a_limit_of_its_own() -> None:
    model = stack(
        {"services": {"web": {"image": "a"}, "worker": {"image": "a"}}}, memory_mib={"web": 128, "worker": 96}
    )
    assert {key: limit_of(service) for key, service in model["services"].items()} == {"web": 128, "worker": 96}


def test_what_is_only_for_the_author_of_the_file_is_left_out_and_the_rest_kept() -> None:
    model = stack({"x-app": {"image": "r:1"}, "services": {"redis": {"image": "r:1"}}, "volumes": {"data": {}}})
    assert sorted(model) == ["services", "volumes"]


def test_what_is_given_is_not_changed() -> None:
    given = {"services": {"redis": {"image": "r:1", "networks": ["edge"], "labels": {"a": "b"}}}, "volumes": {"d": {}}}
    before = copy.deepcopy(given)
    model = stack(given)
    again = copy.deepcopy(model)
    model["volumes"]["d"]["x"] = 1
    model["services"]["redis"]["ulimits"]["nofile"]["soft"] = 1
    assert given == before
    assert stack(given) == again


def test_mappings_are_merged_and_anything_else_is_replaced() -> None:
    base = {"a": {"b": 1, "c": [1]}, "d": 1}
    assert merge(base, {"a": {"c": [2], "e": {"f": 1}}, "d": {"g": 1}}) == {
        "a": {"b": 1, "c": [2], "e": {"f": 1}},
        "d": {"g": 1},
    }


# -- networks and secrets ----------------------------------------------------------------------------------------------


def test_clients_reach_a_container_by_the_project_and_its_key() -> None:
    text_model = {"services": {"redis_cache": {"image": "r:1", "networks": ["data"]}}}
    model = stack(text_model)
    assert model["services"]["redis_cache"]["networks"] == {"data": {"aliases": ["demo-redis-cache"]}}
    assert model["networks"] == {"data": {"internal": True}}


def test_a_network_may_have_options() -> None:
    networks = one({"networks": {"edge": None, "data": {"priority": 1}}})["networks"]
    assert networks == {
        "edge": {"aliases": ["demo-redis"]},
        "data": {"aliases": ["demo-redis"], "priority": 1},
    }


def test_on_a_network_that_others_use_too_the_key_itself_carries_the_project() -> None:
    shared = {"edge": {"name": "public", "external": True}, "data": {"internal": True}}
    model = stack({"services": {"redis": {"image": "r:1", "networks": ["edge", "data"]}}}, networks=shared)
    service = model["services"]["demo-redis"]
    assert list(model["services"]) == ["demo-redis"]
    assert service["networks"] == {"edge": {}, "data": {"aliases": ["demo-redis"]}}
    assert service["labels"]["onebox.digest"] == "@digest:demo-redis@"
    assert model["networks"]["edge"] == {"name": "public", "external": True}


def test_a_secret_is_the_service_s_own_file_and_only_those_mounted_are_named() -> None:
    model = stack({"services": {"redis": {"image": "r:1", "secrets": ["redis_password"]}}})
    assert model["services"]["redis"]["secrets"] == [{"source": "redis-redis_password", "target": "redis_password"}]
    assert model["secrets"] == {"redis-redis_password": {"file": "../../secrets/redis/redis_password"}}


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text_model", "changes", "error"),
    [
        ({}, {}, "the Compose file of 'redis' has no 'services'"),
        ({"services": []}, {}, "the Compose file of 'redis' has no 'services'"),
        ({"services": {"redis": None}}, {}, "'redis' has no image in the Compose file of 'redis'"),
        ({"services": {"redis": {"command": "x"}}}, {}, "'redis' has no image in the Compose file of 'redis'"),
        (
            {"services": {"a": {"image": "x"}, "b": {"image": "x"}}},
            {"memory_mib": {"a": 1, "b": 1, "c": 1}},
            "memory_mib names 'c', but the Compose file has only a, b",
        ),
        (
            {"services": {"a": {"image": "x"}, "b": {"image": "x"}}},
            {"memory_mib": {"a": 1}},
            "memory_mib has no limit for 'b'",
        ),
        (
            {"services": {"redis": {"image": "x", "networks": ["dat"]}}},
            {},
            "'redis' wants the network 'dat'; the stack has data, edge",
        ),
        (
            {"services": {"redis": {"image": "x", "secrets": ["token"]}}},
            {},
            "'redis' mounts the secret 'token', which is not among those given to 'redis'",
        ),
    ],
)
def test_a_compose_file_that_cannot_be_used_is_refused(
    text_model: dict[str, Any], changes: dict[str, Any], error: str
) -> None:
    with pytest.raises(ComposeError, match=rf"\A{re.escape(error)}\Z"):
        stack(text_model, **changes)


# -- what a container mounts, and as whom ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("volumes", "expected"),
    [
        ([], []),
        (["data:/data", "/srv/x:/x"], []),
        (["./a.conf:/etc/a.conf:ro"], ["a.conf"]),
        (["./conf.d:/etc/conf.d:ro"], ["conf.d/x.conf", "conf.d/y.conf"]),
        (["./conf.d/:/etc/conf.d:ro"], ["conf.d/x.conf", "conf.d/y.conf"]),
        ([{"type": "bind", "source": "./conf.d/x.conf", "target": "/x"}], ["conf.d/x.conf"]),
        ([{"type": "volume", "source": "data", "target": "/x"}, {"type": "tmpfs", "target": "/y"}], []),
    ],
)
def test_the_files_that_a_container_mounts_are_found(volumes: list[Any], expected: list[str]) -> None:
    files = ["a.conf", "conf.d/x.conf", "conf.d/y.conf", "conf.dump", "compose.yaml"]
    assert inputs({"volumes": volumes}, files) == expected


@pytest.mark.parametrize(("user", "group"), [("999:1000", 1000), ("0:33", 33)])
def test_secrets_belong_to_the_group_of_the_container_s_user(user: Any, group: int) -> None:
    assert group_of({"user": user}) == group


def test_secrets_of_a_container_without_a_user_belong_to_root() -> None:
    assert group_of({}) == 0


@pytest.mark.parametrize("user", ["redis", "999:redis", "999:", "999", 33])
def test_a_user_by_name_or_without_a_group_is_refused(user: Any) -> None:
    error = f"user: '{user}' must be given in numbers, as '999:999', so that its secrets can be its own"
    with pytest.raises(ComposeError, match=rf"\A{re.escape(error)}\Z"):
        group_of({"user": user})


# -- the vendor's checker ----------------------------------------------------------------------------------------------


def test_a_checker_has_the_files_and_rights_of_the_service_and_nothing_that_it_could_harm() -> None:
    model = stack(
        {
            "services": {
                "redis": {
                    "image": "r:1",
                    "user": "999:1000",
                    "tmpfs": ["/tmp"],
                    "environment": {"A": "1"},
                    "networks": ["data"],
                    "ports": ["80:80"],
                    "secrets": ["users.acl"],
                    "volumes": [
                        "./redis.conf:/etc/redis.conf:ro",
                        {"type": "bind", "source": "./conf.d", "target": "/etc/conf.d"},
                        "data:/data",
                        {"type": "volume", "source": "more", "target": "/more"},
                        "../shop/public:/srv:ro",
                        "/var/run/x:/x",
                    ],
                    "healthcheck": {"test": ["CMD", "x"]},
                    "deploy": {"replicas": 2},
                }
            },
            "volumes": {"data": {}},
        }
    )
    service = model["services"]["redis"]
    check = check_model(service, "redis", ["redis-server", "--check", "x"], model["secrets"])
    assert check == {
        "services": {
            "redis": {
                "image": "r:1",
                "user": "999:1000",
                "read_only": True,
                "cap_drop": ["ALL"],
                "security_opt": ["no-new-privileges:true"],
                "tmpfs": ["/tmp", "/data", "/more"],
                "ulimits": service["ulimits"],
                "memswap_limit": "64M",
                "environment": {"A": "1"},
                "secrets": [{"source": "redis-users.acl", "target": "users.acl"}],
                "volumes": [
                    "./redis.conf:/etc/redis.conf:ro",
                    {"type": "bind", "source": "./conf.d", "target": "/etc/conf.d"},
                    "../shop/public:/srv:ro",
                ],
                "entrypoint": ["redis-server"],
                "command": ["--check", "x"],
                "network_mode": "none",
                "deploy": {"resources": {"limits": service["deploy"]["resources"]["limits"]}},
            }
        },
        "secrets": {"redis-users.acl": {"file": "../../secrets/redis/users.acl"}},
    }


def test_a_checker_mounts_only_the_secrets_of_its_container() -> None:
    model = stack(
        {
            "services": {
                "a": {"image": "x", "secrets": ["users.acl"]},
                "b": {"image": "x", "secrets": ["redis_password"]},
            }
        }
    )
    check = check_model(model["services"]["a"], "a", ["true"], model["secrets"])
    assert list(check["secrets"]) == ["redis-users.acl"]
    assert "secrets" not in check_model(one({}), "redis", ["true"], {})
