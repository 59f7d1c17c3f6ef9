# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every engine: bounds, floors, growth, errors, summaries."""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils import _tuning
from ansible_collections.onebox.stack.plugins.module_utils._tuning import floor_mib, summary, tuning, worst_case_mib
from ansible_collections.onebox.stack.plugins.module_utils._tuning.engine import Engine, kib
from hypothesis import given, settings
from hypothesis import strategies as st

Facts = dict[str, Any]

LARGEST_MIB = 65536

# Every engine and flavour with its defaults, and facts that change its formula.
FLOORS: list[tuple[str, Facts, int]] = [
    ("mysql", {}, 264),
    ("mysql", {"performance_schema": True}, 368),
    ("mysql", {"connections": 60}, 448),
    ("mysql", {"flavor": "mysql"}, 360),
    ("mysql", {"flavor": "mysql", "performance_schema": True}, 536),
    ("mysql", {"flavor": "mysql", "connections": 250}, 1056),
    ("postgresql", {}, 232),
    ("postgresql", {"connections": 60}, 576),
    ("postgresql", {"cpus": 4}, 288),
    ("redis", {}, 48),
    ("redis", {"eviction_policy": "allkeys-lru"}, 48),
    ("soketi", {}, 160),
    ("minio", {}, 160),
    ("minio", {"flavor": "minio"}, 160),
    ("minio", {"flavor": "rustfs"}, 152),
    ("meilisearch", {}, 192),
    ("nginx", {}, 96),
    ("nginx", {"cpus": 1}, 56),
    ("nginx", {"cpus": 4}, 184),
    ("php_fpm", {"worker_mib": 40}, 192),
    ("php_fpm", {}, 232),
    ("php_fpm", {"worker_mib": 80}, 272),
    ("php_fpm", {"workers": 6}, 480),
    ("php_fpm", {"jit_mib": 64}, 296),
    ("octane", {}, 216),
    ("octane", {"workers": 3}, 344),
    ("octane", {"server": "swoole"}, 248),
    ("node", {}, 160),
    ("puma", {}, 184),
    ("puma", {"worker_mib": 300}, 336),
    ("sidekiq", {}, 192),
    ("gotenberg", {}, 384),
]

FLAGS = st.sampled_from([None, False, True])
CPUS = st.integers(1, 16)
FACTS = {
    "mysql": st.fixed_dictionaries(
        {
            "flavor": st.sampled_from(["mariadb", "mysql"]),
            "connections": st.integers(1, 500),
            "performance_schema": FLAGS,
            "cpus": CPUS,
        }
    ),
    "postgresql": st.fixed_dictionaries({"connections": st.integers(1, 500), "cpus": CPUS}),
    "redis": st.fixed_dictionaries({"eviction_policy": st.sampled_from(["noeviction", "allkeys-lru", "volatile-ttl"])}),
    "soketi": st.just({}),
    "minio": st.fixed_dictionaries({"flavor": st.sampled_from(["silo", "minio", "rustfs"])}),
    "meilisearch": st.fixed_dictionaries({"cpus": CPUS}),
    "nginx": st.fixed_dictionaries({"cpus": CPUS}),
    "php_fpm": st.fixed_dictionaries(
        {
            "worker_mib": st.integers(10, 300),
            "workers": st.integers(1, 20),
            "jit_mib": st.sampled_from([0, 32, 100]),
        }
    ),
    "octane": st.fixed_dictionaries(
        {
            "server": st.sampled_from(["frankenphp", "swoole"]),
            "worker_mib": st.integers(10, 300),
            "workers": st.integers(1, 20),
            "cpus": CPUS,
        }
    ),
    "node": st.just({}),
    "puma": st.fixed_dictionaries({"worker_mib": st.integers(50, 1000), "cpus": CPUS}),
    "sidekiq": st.just({}),
    "gotenberg": st.just({}),
}
CASES = st.sampled_from(sorted(FACTS)).flatmap(lambda engine: st.tuples(st.just(engine), FACTS[engine]))
# Small distances from the floor, where every rounding shows, and large ones up to 64 GiB.
DISTANCES = st.one_of(st.integers(0, 900), st.integers(0, LARGEST_MIB))

thorough = settings(max_examples=400, deadline=None)
quick = settings(max_examples=60, deadline=None)


def exactly(message: str) -> str:
    return rf"\A{re.escape(message)}\Z"


@functools.cache
def amount(value: int | str) -> int:
    """A setting as something that grows: a size in KiB, another number as it is, a switch as 0 or 1."""
    text = str(value)
    if re.fullmatch(r"\d+([kKmM]i?[bB]?)", text):
        return kib(text)
    digits = re.search(r"\d+", text)
    words = {"ondemand": 0, "dynamic": 1, "OFF": 0, "ON": 1}
    return int(digits[0]) if digits else words.get(text, 0)


def shrunk(small: dict[str, Any], large: dict[str, Any]) -> list[str]:
    assert small.keys() == large.keys()
    return [f"{name}: {small[name]} -> {large[name]}" for name in small if amount(small[name]) > amount(large[name])]


def test_every_engine_is_tested_here() -> None:
    assert {engine for engine, _, _ in FLOORS} == set(FACTS) == set(_tuning.ENGINES)


@pytest.mark.parametrize(("engine", "facts", "floor"), FLOORS)
def test_from_its_floor_to_64_gib_an_engine_stays_under_its_limit_and_no_setting_shrinks(
    engine: str, facts: Facts, floor: int
) -> None:
    before = tuning(floor, engine, **facts)
    for limit in range(floor, LARGEST_MIB + 1, 8):
        now = tuning(limit, engine, **facts)
        assert worst_case_mib(engine, now, **facts) <= limit, limit
        assert not shrunk(before, now), limit
        assert len(summary(engine, now)) <= 30
        before = now


@thorough
@given(CASES, DISTANCES)
def test_the_worst_case_is_never_more_than_the_limit(case: tuple[str, Facts], more: int) -> None:
    engine, facts = case
    limit = min(floor_mib(engine, **facts) + more, LARGEST_MIB)
    assert worst_case_mib(engine, tuning(limit, engine, **facts), **facts) <= limit


@thorough
@given(CASES, DISTANCES, st.integers(1, 300))
def test_no_setting_shrinks_as_the_limit_grows(case: tuple[str, Facts], more: int, growth: int) -> None:
    engine, facts = case
    limit = floor_mib(engine, **facts) + more
    assert not shrunk(tuning(limit, engine, **facts), tuning(limit + growth, engine, **facts))


@thorough
@given(CASES, DISTANCES)
def test_a_summary_has_at_most_30_characters(case: tuple[str, Facts], more: int) -> None:
    engine, facts = case
    limit = min(floor_mib(engine, **facts) + more, LARGEST_MIB)
    assert 5 < len(summary(engine, tuning(limit, engine, **facts))) <= 30


@quick
@given(CASES)
def test_every_floor_is_a_multiple_of_8_and_the_smallest(case: tuple[str, Facts]) -> None:
    engine, facts = case
    floor = floor_mib(engine, **facts)
    assert floor % 8 == 0
    tuning(floor, engine, **facts)
    with pytest.raises(ValueError, match=rf"{floor - 8} MiB is too little for {engine}: .*; give it {floor} MiB or"):
        tuning(floor - 8, engine, **facts)


@pytest.mark.parametrize(("engine", "facts", "floor"), FLOORS)
def test_the_floor_is_the_smallest_limit_that_is_of_use(engine: str, facts: Facts, floor: int) -> None:
    assert floor_mib(engine, **facts) == floor


def test_a_floor_takes_a_few_tries_and_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def derive(limit_mib: int, **facts: Any) -> dict[str, Any]:
        tried.append(limit_mib)
        return _tuning.ENGINES["nginx"].settings(limit_mib, **facts)

    nginx = _tuning.ENGINES["nginx"]
    monkeypatch.setitem(_tuning.ENGINES, "other", Engine(nginx.facts, derive, nginx.worst_kib, nginx.summary))
    assert [floor_mib("other", cpus=3) for _ in range(50)] == [144] * 50
    assert len(tried) <= 14


def test_settings_that_are_changed_are_not_those_of_the_next() -> None:
    tuning(512, "mysql").clear()
    assert tuning(512, "mysql")["max_connections"] == 20


@pytest.mark.parametrize(
    ("engine", "given_facts", "meant"),
    [
        ("mysql", {"connections": "30", "cpus": "4"}, {"connections": 30, "cpus": 4}),
        ("php_fpm", {"worker_mib": "40", "jit_mib": "0"}, {"worker_mib": 40, "jit_mib": 0}),
    ],
)
def test_numbers_may_be_their_digits(engine: str, given_facts: Facts, meant: Facts) -> None:
    digits: Any = "512"
    derived = tuning(digits, engine, **given_facts)
    assert derived == tuning(512, engine, **meant)
    assert floor_mib(engine, **given_facts) == floor_mib(engine, **meant)
    assert worst_case_mib(engine, derived, **given_facts) == worst_case_mib(engine, derived, **meant)


@pytest.mark.parametrize(
    ("engine", "facts", "text"),
    [
        ("mysql", {}, "pool 278M, 20 connections"),
        ("postgresql", {}, "shared 128M, work_mem 4.7M"),
        ("redis", {}, "225mb, noeviction"),
        ("soketi", {}, "heap 384M"),
        ("minio", {}, "101 requests at once"),
        ("minio", {"flavor": "rustfs"}, "61 reads at once"),
        ("meilisearch", {}, "indexing 256M, threads 1"),
        ("nginx", {}, "2 workers x 1587 connections"),
        ("php_fpm", {}, "5 workers, opcache 128M"),
        ("octane", {}, "frankenphp, 4 workers"),
        ("octane", {"server": "swoole"}, "swoole, 4 workers"),
        ("node", {}, "heap 384M"),
        ("puma", {}, "2 workers x 5 threads"),
        ("puma", {"cpus": 1}, "1 process x 5 threads"),
        ("sidekiq", {}, "10 jobs at once"),
        ("gotenberg", {}, "1 page at a time"),
    ],
)
def test_the_summary_has_the_main_settings(engine: str, facts: Facts, text: str) -> None:
    assert summary(engine, tuning(512, engine, **facts)) == text


@pytest.mark.parametrize(
    ("engine", "limit", "facts", "worst"),
    [
        ("mysql", 512, {}, 486),  # 70 + 24 + 278 x 1.1 + 20 x 3.44 x 1.25
        ("mysql", 512, {"performance_schema": True}, 487),  # 95 more, and a pool of 192
        ("mysql", 512, {"flavor": "mysql"}, 485),  # 174 + 16 + 190 x 1.1 + 32 + 20 x 2.16 x 1.25
        ("postgresql", 512, {}, 454),  # 16 + 128 + 3.8 + 21 x 1.75 + 20 x 0.8 + 40 x 4.7 + 32 + 34
        ("redis", 240, {}, 239),
        ("redis", 240, {"eviction_policy": "allkeys-lru"}, 240),
        ("soketi", 512, {}, 512),
        ("minio", 256, {}, 230),  # Go's limit, where 64 + 50 x 3.03 are live
        ("minio", 256, {"flavor": "rustfs"}, 252),  # 112 + 28 x 5
        ("meilisearch", 512, {}, 491),  # 64 + 256 / 0.6
        ("nginx", 96, {}, 96),
        ("php_fpm", 416, {}, 340),
        ("php_fpm", 416, {"jit_mib": 32, "worker_mib": 40}, 392),
        ("octane", 448, {}, 388),  # 80 + 128 + 3 x 60
        ("octane", 448, {"server": "swoole"}, 416),  # 48 + 128 + (3 + 1) x 60
        ("node", 160, {}, 160),
        ("puma", 512, {}, 374),  # 2 1/3 x 160
        ("puma", 256, {}, 160),
        ("sidekiq", 384, {}, 248),
        ("gotenberg", 640, {}, 384),
    ],
)
def test_the_worst_case_is_the_sum_of_what_the_settings_allow(
    engine: str, limit: int, facts: Facts, worst: int
) -> None:
    assert worst_case_mib(engine, tuning(limit, engine, **facts), **facts) == worst


@pytest.mark.parametrize(
    ("limit", "engine", "facts", "message"),
    [
        (512, "mysqll", {}, "unknown engine 'mysqll'; did you mean 'mysql'?"),
        (
            512,
            "kafka",
            {},
            "unknown engine 'kafka'; there is mysql, postgresql, redis, soketi, minio, meilisearch, nginx, php_fpm, "
            "octane, node, puma, sidekiq, gotenberg",
        ),
        (512, "nginx", {"cpu": 2}, "nginx: unknown fact 'cpu'; did you mean 'cpus'?"),
        (512, "nginx", {"flavor": "x"}, "nginx: unknown fact 'flavor'; there is cpus"),
        (512, "node", {"cpus": 2}, "node: unknown fact 'cpus'; it takes none"),
        (512, "mysql", {"flavor": "percona"}, "mysql: no tuning for flavor 'percona'; there is mariadb, mysql"),
        (512, "redis", {"flavor": "keydb"}, "redis: no tuning for flavor 'keydb'; there is valkey, redis"),
        (512, "minio", {"flavor": ["silo"]}, "minio: no tuning for flavor ['silo']; there is silo, minio, rustfs"),
        (512, "octane", {"server": "apache"}, "octane: no tuning for server 'apache'; there is frankenphp, swoole"),
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
            "mysql: performance_schema must be true, false or none, not 'on'",
        ),
        (512, "php_fpm", {"worker_mib": "60M"}, "php_fpm: worker_mib must be a whole number, 1 or more, not '60M'"),
        (512, "php_fpm", {"workers": "0"}, "php_fpm: workers must be a whole number, 1 or more, not 0"),
        (512, "php_fpm", {"jit_mib": -1}, "php_fpm: jit_mib must be a whole number, 0 or more, not -1"),
        (512, "nginx", {"cpus": True}, "nginx: cpus must be a whole number, 1 or more, not True"),
        ("512M", "nginx", {}, "memory_mib must be a whole number, 1 or more, not '512M'"),
        (
            24,
            "mysql",
            {},
            "24 MiB is too little for mysql: innodb_buffer_pool_size would be 0M and needs 64M; "
            "give it 264 MiB or more",
        ),
        (
            352,
            "mysql",
            {"flavor": "mysql"},
            "352 MiB is too little for mysql: innodb_buffer_pool_size would be 62M and needs 64M; "
            "give it 360 MiB or more",
        ),
        (
            224,
            "postgresql",
            {},
            "224 MiB is too little for postgresql: work_mem would be 1012kB and needs 1024kB; give it 232 MiB or more",
        ),
        (
            40,
            "redis",
            {},
            "40 MiB is too little for redis: maxmemory would be 10mb and needs 12mb; give it 48 MiB or more",
        ),
        (
            128,
            "soketi",
            {},
            "128 MiB is too little for soketi: max-old-space-size would be 32 and needs 64; give it 160 MiB or more",
        ),
        (
            152,
            "minio",
            {},
            "152 MiB is too little for minio: MINIO_API_REQUESTS_MAX would be 29 and needs 30; give it 160 MiB or more",
        ),
        (
            144,
            "minio",
            {"flavor": "rustfs"},
            "144 MiB is too little for minio: RUSTFS_OBJECT_MAX_CONCURRENT_DISK_READS would be 6 and needs 8; "
            "give it 152 MiB or more",
        ),
        (
            128,
            "meilisearch",
            {},
            "128 MiB is too little for meilisearch: MEILI_MAX_INDEXING_MEMORY would be 38MiB and needs 76MiB; "
            "give it 192 MiB or more",
        ),
        (
            40,
            "nginx",
            {},
            "40 MiB is too little for nginx: worker_connections would be 76 and needs 256; give it 96 MiB or more",
        ),
        (
            400,
            "php_fpm",
            {"workers": 6},
            "400 MiB is too little for php_fpm: pm.max_children would be 4 and needs 6; give it 480 MiB or more",
        ),
        (
            200,
            "octane",
            {},
            "200 MiB is too little for octane: OCTANE_WORKERS would be 0 and needs 1; give it 216 MiB or more",
        ),
        (
            128,
            "node",
            {},
            "128 MiB is too little for node: max-old-space-size would be 32 and needs 64; give it 160 MiB or more",
        ),
        (
            160,
            "puma",
            {},
            "160 MiB is too little for puma: worker_mib would be 144 MiB and needs 160 MiB; give it 184 MiB or more",
        ),
        (
            160,
            "sidekiq",
            {},
            "160 MiB is too little for sidekiq: RAILS_MAX_THREADS would be 2 and needs 5; give it 192 MiB or more",
        ),
        (
            376,
            "gotenberg",
            {},
            "376 MiB is too little for gotenberg: CHROMIUM_MAX_CONCURRENCY would be 0 and needs 1; "
            "give it 384 MiB or more",
        ),
    ],
)
def test_what_makes_no_sense_or_is_too_small_is_refused(limit: Any, engine: str, facts: Facts, message: str) -> None:
    with pytest.raises(ValueError, match=exactly(message)):
        tuning(limit, engine, **facts)


def test_an_unknown_engine_has_neither_floor_nor_summary_nor_worst_case() -> None:
    unknown = exactly("unknown engine 'ngin'; did you mean 'nginx'?")
    with pytest.raises(ValueError, match=unknown):
        floor_mib("ngin")
    with pytest.raises(ValueError, match=unknown):
        summary("ngin", {})
    with pytest.raises(ValueError, match=unknown):
        worst_case_mib("ngin", {})


def test_a_floor_that_no_limit_reaches_is_an_error() -> None:
    with pytest.raises(
        ValueError, match=exactly("mysql: no limit up to 65536 MiB is enough for {'connections': 99999}")
    ):
        floor_mib("mysql", connections=99999)


@pytest.mark.parametrize(
    ("size", "expected"),
    [("8M", 8192), ("512K", 512), ("47mb", 48128), ("4681kB", 4681), ("64MiB", 65536), (0, 0), (1, 1), ("2048", 2)],
)
def test_sizes_are_read_as_the_engines_write_them(size: int | str, expected: int) -> None:
    assert kib(size) == expected


@pytest.mark.parametrize("size", ["", "64G", "-1M", "64 M", "64b", "M"])
def test_a_size_that_cannot_be_read_is_an_error(size: str) -> None:
    with pytest.raises(ValueError, match=exactly(f"not a size: {size!r}")):
        worst_case_mib("redis", {"maxmemory": size, "maxmemory-policy": "noeviction"})
