# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils._tuning import floor_mib, tuning, worst_case_mib
from hypothesis import given, settings
from hypothesis import strategies as st

Facts = dict[str, Any]

DEFAULT_FLOORS: list[tuple[str, Facts, int]] = [
    ("mysql", {}, 264),
    ("mysql", {"performance_schema": True}, 368),
    ("mysql", {"connections": 60}, 448),
    ("redis", {}, 48),
    ("redis", {"eviction_policy": "allkeys-lru"}, 48),
    ("nginx", {}, 48),
    ("nginx", {"cpus": 1}, 32),
    ("nginx", {"cpus": 4}, 88),
    ("php_fpm", {"worker_mib": 40}, 192),
    ("php_fpm", {}, 232),
    ("php_fpm", {"worker_mib": 80}, 272),
    ("php_fpm", {"workers": 6}, 480),
    ("php_fpm", {"jit_mib": 64}, 296),
]

# Server sizes and what became of them under load, with the container's limit; peak is None where it was killed.
# MariaDB 11.8.6 with 18 to 40 connections in heavy queries at once; Valkey 8.1.1 rewriting its append-only file.
MEASURED_MARIADB = [
    {"limit": 272, "pool": 72, "connections": 20, "tmp": "2M", "peak": 233},
    {"limit": 512, "pool": 278, "connections": 20, "tmp": "2M", "peak": 453},
    {"limit": 640, "pool": 256, "connections": 40, "tmp": "2M", "peak": 498},
    {"limit": 776, "pool": 516, "connections": 20, "tmp": "2M", "peak": 681},
    {"limit": 1024, "pool": 400, "connections": 40, "tmp": "2M", "peak": 620},
    {"limit": 1024, "pool": 400, "connections": 40, "tmp": "16M", "peak": None},
]
MEASURED_VALKEY = [
    {"limit": 120, "maxmemory": 47, "peak": 104},
    {"limit": 240, "maxmemory": 101, "peak": 212},
    {"limit": 1024, "maxmemory": 200, "peak": 421},
    {"limit": 270, "maxmemory": 200, "peak": None},
    {"limit": 333, "maxmemory": 200, "peak": None},
]


thorough = settings(max_examples=150, deadline=None)
quick = settings(max_examples=40, deadline=None)


def exactly(message: str) -> str:
    return rf"\A{re.escape(message)}\Z"


# MariaDB


@pytest.mark.parametrize(("limit", "pool"), [(264, "64M"), (272, "72M"), (512, "278M"), (776, "506M"), (1536, "1162M")])
def test_the_buffer_pool_gets_what_the_connections_leave(limit: int, pool: str) -> None:
    assert tuning(limit, "mysql")["innodb_buffer_pool_size"] == pool


def test_all_settings_of_mariadb_are_written_as_its_file_takes_them() -> None:
    assert tuning(512, "mysql", flavor="mariadb", connections=30, cpus=8) == {
        "innodb_buffer_pool_size": "240M",
        "innodb_purge_threads": 4,
        "max_connections": 30,
        "key_buffer_size": "8M",
        "aria_pagecache_buffer_size": "8M",
        "innodb_log_buffer_size": "8M",
        "sort_buffer_size": "512K",
        "join_buffer_size": "256K",
        "read_buffer_size": "128K",
        "read_rnd_buffer_size": "256K",
        "thread_stack": "292K",
        "binlog_cache_size": "32K",
        "tmp_table_size": "2M",
        "max_heap_table_size": "2M",
        "query_cache_type": 0,
        "query_cache_size": 0,
        "performance_schema": "OFF",
    }


def test_there_are_never_fewer_than_20_connections() -> None:
    assert tuning(512, "mysql", connections=3) == tuning(512, "mysql", connections=20)


def test_the_performance_schema_is_paid_for_by_the_pool() -> None:
    on = tuning(512, "mysql", performance_schema=True)
    assert (on["performance_schema"], on["innodb_buffer_pool_size"]) == ("ON", "192M")


@pytest.mark.parametrize("case", MEASURED_MARIADB)
def test_the_bound_of_mariadb_agrees_with_what_was_measured(case: dict[str, Any]) -> None:
    sizes = {
        **tuning(case["limit"], "mysql"),
        "innodb_buffer_pool_size": f"{case['pool']}M",
        "max_connections": case["connections"],
        "tmp_table_size": case["tmp"],
    }
    worst = worst_case_mib("mysql", sizes)
    if case["peak"] is None:
        assert worst > case["limit"]
    else:
        assert case["peak"] <= worst <= case["limit"]


def mysqltuner_mib(sizes: dict[str, Any]) -> Fraction:
    """What MySQLTuner 2.9.1 calls the maximum possible memory usage of a MariaDB server."""

    def mib(*names: str) -> Fraction:
        units = {"K": Fraction(1, 1024), "M": Fraction(1)}
        return sum((int(sizes[name][:-1]) * units[sizes[name][-1]] for name in names), Fraction(0))

    server = mib("key_buffer_size", "innodb_buffer_pool_size", "innodb_log_buffer_size", "aria_pagecache_buffer_size")
    thread = mib(
        "read_buffer_size",
        "read_rnd_buffer_size",
        "sort_buffer_size",
        "thread_stack",
        "join_buffer_size",
        "binlog_cache_size",
        "tmp_table_size",
    )
    schema = 95 if sizes["performance_schema"] == "ON" else 0
    return server + schema + sizes["max_connections"] * thread


@pytest.mark.parametrize(
    ("limit", "pool", "log", "connections", "percent"), [(640, 256, 16, 40, 66.51), (272, 72, 8, 20, 60.6)]
)
def test_the_sum_here_is_the_one_that_mysqltuner_prints(
    limit: int, pool: int, log: int, connections: int, percent: float
) -> None:
    sizes = {
        **tuning(limit, "mysql"),
        "innodb_buffer_pool_size": f"{pool}M",
        "innodb_log_buffer_size": f"{log}M",
        "max_connections": connections,
    }
    assert float(mysqltuner_mib(sizes) / limit * 100) == pytest.approx(percent, abs=0.05)


@quick
@given(st.integers(0, 65536), st.integers(1, 500), st.booleans())
def test_mysqltuner_never_warns(more: int, connections: int, schema: bool) -> None:
    facts: Facts = {"connections": connections, "performance_schema": schema}
    limit = min(floor_mib("mysql", **facts) + more, 65536)
    assert mysqltuner_mib(tuning(limit, "mysql", **facts)) <= limit * Fraction(85, 100)


# Redis and Valkey


@pytest.mark.parametrize("flavor", ["valkey", "redis"])
def test_what_must_stay_is_kept_in_an_append_only_file_and_leaves_room_to_rewrite_it(flavor: str) -> None:
    assert tuning(240, "redis", flavor=flavor, eviction_policy="noeviction") == {
        "maxmemory": "101mb",
        "maxmemory-policy": "noeviction",
        "appendonly": "yes",
        "save": '""',
    }


def test_a_cache_has_more_and_nothing_on_disk() -> None:
    assert tuning(240, "redis", eviction_policy="allkeys-lru") == {
        "maxmemory": "179mb",
        "maxmemory-policy": "allkeys-lru",
        "appendonly": "no",
        "save": '""',
    }


@pytest.mark.parametrize("case", MEASURED_VALKEY)
def test_the_bound_of_valkey_agrees_with_what_was_measured(case: dict[str, Any]) -> None:
    sizes = {**tuning(case["limit"], "redis"), "maxmemory": f"{case['maxmemory']}mb"}
    worst = worst_case_mib("redis", sizes)
    if case["peak"] is None:
        assert worst > case["limit"]
    else:
        assert case["peak"] <= worst <= case["limit"]


# nginx


@pytest.mark.parametrize(
    ("limit", "cpus", "connections"), [(48, 2, 256), (64, 2, 384), (96, 2, 640), (96, 1, 1312), (512, 2, 2048)]
)
def test_nginx_has_a_worker_a_cpu_and_connections_for_the_rest(limit: int, cpus: int, connections: int) -> None:
    assert tuning(limit, "nginx", cpus=cpus) == {"worker_processes": cpus, "worker_connections": connections}


# PHP-FPM


@pytest.mark.parametrize(
    ("limit", "worker", "children", "opcache", "memory_limit", "manager"),
    [
        (240, 60, 2, 64, "128M", "ondemand"),
        (240, 40, 2, 64, "128M", "ondemand"),
        (256, 40, 2, 128, "128M", "dynamic"),
        (288, 60, 2, 64, "128M", "dynamic"),
        (296, 60, 2, 128, "128M", "dynamic"),
        (416, 60, 3, 128, "128M", "dynamic"),
        (416, 40, 5, 128, "128M", "dynamic"),
        (1024, 60, 13, 128, "128M", "dynamic"),
        (1024, 80, 10, 128, "160M", "dynamic"),
        (1024, 200, 4, 128, "256M", "dynamic"),
    ],
)
def test_php_gets_the_workers_that_fit(
    limit: int, worker: int, children: int, opcache: int, memory_limit: str, manager: str
) -> None:
    given = tuning(limit, "php_fpm", worker_mib=worker)
    names = ("pm.max_children", "opcache.memory_consumption", "memory_limit", "pm")
    assert tuple(given[name] for name in names) == (children, opcache, memory_limit, manager)


def test_all_settings_of_php_are_written_as_its_files_take_them() -> None:
    assert tuning(1024, "php_fpm", jit_mib=64) == {
        "pm": "dynamic",
        "pm.max_children": 12,
        "pm.start_servers": 3,
        "pm.min_spare_servers": 3,
        "pm.max_spare_servers": 6,
        "pm.max_requests": 500,
        "memory_limit": "128M",
        "opcache.memory_consumption": 128,
        "opcache.jit": "tracing",
        "opcache.jit_buffer_size": "64M",
    }


# Errors


@pytest.mark.parametrize(
    ("limit", "engine", "facts", "message"),
    [
        (512, "mysqll", {}, "unknown engine 'mysqll'; did you mean 'mysql'?"),
        (512, "oracle", {}, "unknown engine 'oracle'; there is mysql, redis, nginx, php_fpm"),
        (512, "nginx", {"cpu": 2}, "nginx: unknown fact 'cpu'; did you mean 'cpus'?"),
        (512, "nginx", {"flavor": "x"}, "nginx: unknown fact 'flavor'; there is cpus"),
        (512, "mysql", {"flavor": "mysql"}, "mysql: no tuning for flavor 'mysql'; there is mariadb"),
        (512, "redis", {"flavor": "keydb"}, "redis: no tuning for flavor 'keydb'; there is valkey, redis"),
        (
            512,
            "redis",
            {"eviction_policy": "lru"},
            "redis: no tuning for eviction_policy 'lru'; there is noeviction, allkeys-lru, allkeys-lfu, "
            "allkeys-random, volatile-lru, volatile-lfu, volatile-random, volatile-ttl",
        ),
        (
            512,
            "mysql",
            {"performance_schema": "on"},
            "mysql: performance_schema must be true or false, not 'on'",
        ),
        (512, "php_fpm", {"worker_mib": "60"}, "php_fpm: worker_mib must be a whole number, 1 or more, not '60'"),
        (512, "php_fpm", {"jit_mib": -1}, "php_fpm: jit_mib must be a whole number, 0 or more, not -1"),
        ("512", "nginx", {}, "memory_mib must be a whole number, 1 or more, not '512'"),
        (
            24,
            "mysql",
            {},
            "24 MiB is too little for mysql: innodb_buffer_pool_size would be 0M and needs 64M; "
            "give it 264 MiB or more",
        ),
        (
            40,
            "redis",
            {},
            "40 MiB is too little for redis: maxmemory would be 10mb and needs 12mb; give it 48 MiB or more",
        ),
        (
            40,
            "nginx",
            {},
            "40 MiB is too little for nginx: worker_connections would be 192 and needs 256; give it 48 MiB or more",
        ),
        (
            400,
            "php_fpm",
            {"workers": 6},
            "400 MiB is too little for php_fpm: pm.max_children would be 4 and needs 6; give it 480 MiB or more",
        ),
    ],
)
def test_what_makes_no_sense_or_is_too_small_is_refused(limit: Any, engine: str, facts: Facts, message: str) -> None:
    with pytest.raises(ValueError, match=exactly(message)):
        tuning(limit, engine, **facts)


def test_a_floor_that_no_limit_reaches_is_an_error() -> None:
    with pytest.raises(
        ValueError, match=exactly("mysql: no limit up to 65536 MiB is enough for {'connections': 99999}")
    ):
        floor_mib("mysql", connections=99999)


@pytest.mark.parametrize("size", ["", "64G", "-1M", "64 M"])
def test_a_size_that_cannot_be_read_is_an_error(size: str) -> None:
    with pytest.raises(ValueError, match=exactly(f"not a size: {size!r}")):
        worst_case_mib("redis", {"maxmemory": size, "maxmemory-policy": "noeviction"})


# Properties of every engine


@pytest.mark.parametrize(
    ("engine", "limit", "facts", "worst"),
    [
        ("mysql", 512, {}, 486),  # 70 + 24 + 278 x 1.1 + 20 x 3.44 x 1.25
        ("mysql", 512, {"performance_schema": True}, 487),  # 95 more, and a pool of 192
        ("redis", 240, {}, 239),
        ("redis", 240, {"eviction_policy": "allkeys-lru"}, 240),
        ("nginx", 64, {}, 64),
        ("php_fpm", 416, {}, 340),
        ("php_fpm", 416, {"jit_mib": 32, "worker_mib": 40}, 392),
    ],
)
def test_the_worst_case_is_the_sum_of_what_the_settings_allow(
    engine: str, limit: int, facts: Facts, worst: int
) -> None:
    assert worst_case_mib(engine, tuning(limit, engine, **facts), **facts) == worst


@pytest.mark.parametrize(("engine", "facts", "floor"), DEFAULT_FLOORS)
def test_the_floor_is_the_smallest_limit_that_is_of_use(engine: str, facts: Facts, floor: int) -> None:
    assert floor_mib(engine, **facts) == floor
    tuning(floor, engine, **facts)
    with pytest.raises(ValueError, match=f"give it {floor} MiB or more"):
        tuning(floor - 8, engine, **facts)


FACTS = {
    "mysql": st.fixed_dictionaries(
        {"connections": st.integers(1, 500), "performance_schema": st.booleans(), "cpus": st.integers(1, 16)}
    ),
    "redis": st.fixed_dictionaries({"eviction_policy": st.sampled_from(["noeviction", "allkeys-lru", "volatile-ttl"])}),
    "nginx": st.fixed_dictionaries({"cpus": st.integers(1, 16)}),
    "php_fpm": st.fixed_dictionaries(
        {
            "worker_mib": st.integers(10, 300),
            "workers": st.integers(1, 20),
            "jit_mib": st.sampled_from([0, 32, 100]),
        }
    ),
}
CASES = st.sampled_from(sorted(FACTS)).flatmap(lambda engine: st.tuples(st.just(engine), FACTS[engine]))
# Small distances from the floor, where every rounding shows, and large ones up to 64 GiB.
DISTANCES = st.one_of(st.integers(0, 600), st.integers(0, 65536))


@thorough
@given(CASES, DISTANCES)
def test_the_worst_case_is_never_more_than_the_limit(case: tuple[str, Facts], more: int) -> None:
    engine, facts = case
    limit = min(floor_mib(engine, **facts) + more, 65536)
    assert worst_case_mib(engine, tuning(limit, engine, **facts), **facts) <= limit


def number(value: int | str) -> int:
    """A setting as something that grows: a size without its unit, which is always the same for one setting."""
    words = {"ondemand": 0, "dynamic": 1}
    digits = re.match(r"\d+", str(value))
    return int(digits[0]) if digits else words.get(str(value), 0)


@thorough
@given(CASES, DISTANCES, st.integers(1, 300))
def test_no_setting_shrinks_as_the_limit_grows(case: tuple[str, Facts], more: int, growth: int) -> None:
    engine, facts = case
    limit = floor_mib(engine, **facts) + more
    small, large = tuning(limit, engine, **facts), tuning(limit + growth, engine, **facts)
    assert small.keys() == large.keys()
    assert all(number(small[name]) <= number(large[name]) for name in small)


@quick
@given(CASES)
def test_every_floor_is_a_multiple_of_8_and_the_smallest(case: tuple[str, Facts]) -> None:
    engine, facts = case
    floor = floor_mib(engine, **facts)
    assert floor % 8 == 0
    with pytest.raises(ValueError, match="is too little for"):
        tuning(floor - 8, engine, **facts)


@quick
@given(CASES)
def test_the_numbers_of_php_processes_are_ones_that_it_accepts(case: tuple[str, Facts]) -> None:
    facts = case[1] if case[0] == "php_fpm" else {}
    given_settings = tuning(floor_mib("php_fpm", **facts), "php_fpm", **facts)
    children, start, least, most = (
        int(given_settings[f"pm.{name}"])
        for name in ("max_children", "start_servers", "min_spare_servers", "max_spare_servers")
    )
    assert 1 <= least <= start <= most <= children
