# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role writes for each of its instances and servers."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest
import yaml

APP = {"image": "shop", "tag": "1", "processes": {"jobs": {"command": ["work"]}}}


@pytest.fixture
def users(render: Callable[..., str]) -> Callable[..., dict[str, str]]:
    """The rights of each user by name, without the passwords: `users(redis_instance="redis_cache")`."""

    def users(**variables: object) -> dict[str, str]:
        lines = [line.split(maxsplit=2) for line in render("redis", "users.acl.j2", **variables).splitlines()]
        assert {word for word, _, _ in lines} == {"user"}
        return {name: rights.partition(" #")[0] + rights.partition(" #")[2][64:] for _, name, rights in lines}

    return users


def test_each_instance_lets_in_the_apps_that_use_it_and_the_users_that_are_asked_for(
    users: Callable[..., dict[str, str]],
) -> None:
    apps = {"shop": {**APP, "uses": ["redis", "redis_cache"]}, "blog": {**APP, "uses": ["redis_cache"]}}
    asked = {"onebox_apps": apps, "redis_users": ["visitor"]}
    assert list(users(**asked)) == ["default", "onebox", "onebox_backup", "shop", "visitor"]
    assert list(users(**asked, redis_instance="redis_cache")) == ["default", "onebox", "shop", "blog", "visitor"]


def test_the_default_user_is_off_and_the_others_may_do_what_they_are_there_for(
    users: Callable[..., dict[str, str]],
) -> None:
    asked = {"onebox_apps": {"shop": {**APP, "uses": ["redis", "redis_cache"]}}}
    assert users(**asked) == {
        "default": "reset off",
        "onebox": "on ~* &* +@all",
        "onebox_backup": "on -@all +ping +sync +psync +replconf +info",
        "shop": "on ~* &* +@all -@dangerous +info +client|list",
    }
    assert users(**asked, redis_instance="redis_cache")["shop"].split()[-1] == "+flushdb"


def test_a_password_is_taken_from_a_variable_before_it_is_generated_and_is_not_in_the_file_itself(
    render: Callable[..., str],
) -> None:
    password = "of-the-visitor-1234"
    text = render("redis", "users.acl.j2", redis_users=["visitor"], visitor_redis_password=password)
    assert f"user visitor on #{sha256(password.encode()).hexdigest()} " in text
    assert password not in text


@pytest.mark.parametrize("flavor", ["valkey", "redis"])
@pytest.mark.parametrize(("instance", "volumes"), [("redis", 2), ("redis_cache", 1)])
def test_the_durable_instance_has_a_volume_and_the_cache_has_its_data_in_memory(
    render: Callable[..., str], flavor: str, instance: str, volumes: int
) -> None:
    service = yaml.safe_load(render("redis", "compose.yaml.j2", redis_flavor=flavor, redis_instance=instance))
    service = service["services"][instance]
    assert len(service["volumes"]) == volumes
    assert ("/data" in service["tmpfs"]) == (instance == "redis_cache")
    assert f"docker-entrypoint.sh {flavor}-server /etc/redis/redis.conf" in service["command"][-1]


def test_an_operator_s_own_settings_win_over_the_plan_and_the_role(render: Callable[..., str]) -> None:
    own = {"appendfsync": "everysec", "maxmemory": "8mb", "lazyfree-lazy-expire": True}
    lines = render("redis", "redis.conf.j2", redis_memory_mib=64, redis_settings=own).splitlines()
    settings = dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    assert (settings["appendfsync"], settings["maxmemory"], settings["lazyfree-lazy-expire"]) == (
        "everysec",
        "8mb",
        "yes",
    )
