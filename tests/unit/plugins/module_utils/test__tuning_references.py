# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our settings beside those of other calculators, and our bounds beside what was measured.

golden_memory_cases.json has what each tool was given and what it answered, with its source; measured cases say what
became of the server.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils._tuning import floor_mib, tuning, worst_case_mib
from ansible_collections.onebox.stack.plugins.module_utils._tuning.engine import kib
from hypothesis import given, settings
from hypothesis import strategies as st

Case = dict[str, Any]

GOLDEN: list[Case] = json.loads(Path(__file__).with_name("golden_memory_cases.json").read_text())

quick = settings(max_examples=60, deadline=None)


def golden(*starts: str) -> list[Any]:
    found = [case for case in GOLDEN if case["id"].startswith(starts)]
    assert found, starts
    return [pytest.param(case["input"], case["expect"], id=case["id"]) for case in found]


def test_every_golden_case_is_used() -> None:
    used = (
        "pgtune-",
        "tsdb-tune-",
        "innodb-dedicated-",
        "mysqltuner-",
        "mariadb-",
        "valkey-",
        "node",
        "minio-",
    )
    assert [case["id"] for case in GOLDEN if not case["id"].startswith(used)] == []


# -- PostgreSQL: PGTune and timescaledb-tune ---------------------------------------------------------------------------


def pgtune_limit_mib(given_to_it: Case) -> int:
    return int(given_to_it["totalMemory"] * {"MB": 1, "GB": 1024}[given_to_it["unit"]])


@pytest.mark.parametrize(("given_to_it", "expect"), golden("pgtune-"))
def test_where_the_rule_is_pgtune_s_the_result_is(given_to_it: Case, expect: Case) -> None:
    # With fewer connections than PGTune's own: what is compared here does not depend on them.
    derived = tuning(pgtune_limit_mib(given_to_it), "postgresql", connections=20)
    for name in ("shared_buffers", "maintenance_work_mem", "wal_buffers"):
        assert kib(derived[name]) == expect[f"{name}_kB"], name
    assert kib(derived["effective_cache_size"]) < expect["effective_cache_size_kB"]
    assert derived["huge_pages"] == "off"


@pytest.mark.parametrize(("given_to_it", "expect"), golden("pgtune-"))
def test_with_pgtune_s_connections_a_limit_is_bounded_or_refused(given_to_it: Case, expect: Case) -> None:
    limit, connections = pgtune_limit_mib(given_to_it), expect["max_connections"]
    needed = floor_mib("postgresql", connections=connections)
    if needed > limit:
        with pytest.raises(ValueError, match=f"work_mem would be .*; give it {needed} MiB or more"):
            tuning(limit, "postgresql", connections=connections)
        # 4 MB for each of them is what PGTune gives all the same.
        assert expect["work_mem_kB"] == 4096
    else:
        derived = tuning(limit, "postgresql", connections=connections)
        assert worst_case_mib("postgresql", derived) <= limit


@pytest.mark.parametrize(
    ("case", "percent"),
    [
        ("pgtune-256MB-web-cdef", 1000),
        ("pgtune-512MB-web-cdef", 512),
        ("pgtune-1GB-web-cdef", 269),
        ("pgtune-4GB-web-cdef", 100),
    ],
)
def test_pgtune_s_floor_for_work_mem_breaks_its_own_bound_and_ours_never_does(case: str, percent: int) -> None:
    ((given_to_it, expect),) = (param.values for param in golden(case))
    limit = pgtune_limit_mib(given_to_it)
    # PGTune's own divisor: three sorts for each connection and each of 8 worker processes.
    theirs = expect["shared_buffers_kB"] + (expect["max_connections"] + 8) * 3 * expect["work_mem_kB"]
    assert round(theirs / 1024 / limit * 100) == percent
    ours = tuning(max(limit, floor_mib("postgresql")), "postgresql")
    assert worst_case_mib("postgresql", ours) <= limit


@pytest.mark.parametrize(("given_to_it", "expect"), golden("tsdb-tune-"))
def test_timescaledb_tune_shares_our_quarter_but_its_sorts_and_vacuums_do_not_fit_into_the_rest(
    given_to_it: Case, expect: Case
) -> None:
    limit = given_to_it["mem_GiB"] * 1024
    ours = tuning(limit, "postgresql", connections=expect["max_connections"], cpus=given_to_it["cpus"])
    assert kib(ours["shared_buffers"]) == expect["shared_buffers_MiB"] * 1024
    assert kib(ours["maintenance_work_mem"]) * 2 == expect["maintenance_work_mem_MiB"] * 1024
    assert worst_case_mib("postgresql", ours) <= limit
    theirs = {
        **ours,
        "work_mem": f"{expect['work_mem_MiB']}MB",
        "maintenance_work_mem": f"{expect['maintenance_work_mem_MiB']}MB",
        "autovacuum_work_mem": f"{expect['maintenance_work_mem_MiB']}MB",
    }
    assert worst_case_mib("postgresql", theirs) > limit


# PostgreSQL 17.11: all connections but four in sorts, hashes and groupings at once, an ANALYZE and a REINDEX besides;
# the peak of anonymous, shared and kernel memory of its container.
MEASURED_POSTGRESQL = [
    {"limit": 232, "connections": 20, "work": "1138kB", "peak": 208},
    {"limit": 576, "connections": 60, "work": "1025kB", "peak": 420},
    {"limit": 1024, "connections": 100, "work": "1415kB", "peak": 765},
]


@pytest.mark.parametrize("case", MEASURED_POSTGRESQL)
def test_the_bound_of_postgresql_agrees_with_what_was_measured(case: Case) -> None:
    derived = tuning(case["limit"], "postgresql", connections=case["connections"])
    assert_bound_agrees("postgresql", {**derived, "work_mem": case["work"]}, case["limit"], case["peak"])


# -- MySQL and MariaDB: innodb_dedicated_server and MySQLTuner ---------------------------------------------------------


@pytest.mark.parametrize(("given_to_it", "expect"), golden("innodb-dedicated-"))
def test_a_pool_by_the_host_s_memory_does_not_fit_into_a_share_of_it(given_to_it: Case, expect: Case) -> None:
    host = int(given_to_it["server_memory_GiB"] * 1024)
    share = max(host // 5, floor_mib("mysql", flavor="mysql"))
    ours = tuning(share, "mysql", flavor="mysql")
    assert "innodb_dedicated_server" not in ours
    assert worst_case_mib("mysql", ours, flavor="mysql") <= share
    theirs = {**ours, "innodb_buffer_pool_size": f"{expect['innodb_buffer_pool_MiB']}M"}
    # 128 MB, which it takes below 1 GB, may fit by luck.
    if expect["innodb_buffer_pool_MiB"] > 128:
        assert worst_case_mib("mysql", theirs, flavor="mysql") > share


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_the_pool_has_no_step_at_4_gib_as_innodb_dedicated_server_has(flavor: str) -> None:
    at, above = (
        int(str(tuning(limit, "mysql", flavor=flavor)["innodb_buffer_pool_size"])[:-1]) for limit in (4096, 4224)
    )
    assert 0.5 < at / 4096 < 1
    assert above - at <= 128


# MariaDB 11.8 as it comes, as far as MySQLTuner looks at it.
STOCK_MARIADB: Case = {
    "key_buffer_size": "128M",
    "innodb_buffer_pool_size": "128M",
    "innodb_log_buffer_size": "16M",
    "query_cache_size": "1M",
    "aria_pagecache_buffer_size": "128M",
    "sort_buffer_size": "2M",
    "join_buffer_size": "256K",
    "read_buffer_size": "128K",
    "read_rnd_buffer_size": "256K",
    "thread_stack": "292K",
    "binlog_cache_size": "32K",
    "tmp_table_size": "16M",
    "max_connections": 151,
    "performance_schema": "OFF",
}


def tuner_server(sizes: Case) -> Fraction:
    """The MiB that MySQLTuner 2.9.1 calls global buffers; the performance schema comes besides."""
    names = ("key_buffer_size", "innodb_buffer_pool_size", "innodb_log_buffer_size", "query_cache_size")
    aria = sizes.get("aria_pagecache_buffer_size", 0)
    return Fraction(sum(kib(sizes.get(name, 0)) for name in names) + kib(aria), 1024)


def tuner_session(sizes: Case) -> Fraction:
    """The MiB that it calls per-thread buffers, without the temporary table."""
    names = ("read", "read_rnd", "sort", "join")
    buffers = [*(f"{name}_buffer_size" for name in names), "thread_stack", "binlog_cache_size"]
    return Fraction(sum(kib(sizes[name]) for name in buffers), 1024)


def tuner_most(sizes: Case, schema_mib: int) -> Fraction:
    """The MiB that it calls the maximum possible memory usage."""
    connections = int(sizes["max_connections"])
    temporary = Fraction(connections * kib(sizes["tmp_table_size"]), 1024)
    if "temptable_max_ram" in sizes:
        temporary = min(temporary, Fraction(kib(sizes["temptable_max_ram"]), 1024))
    schema = schema_mib if sizes["performance_schema"] == "ON" else 0
    return tuner_server(sizes) + schema + connections * tuner_session(sizes) + temporary


@pytest.mark.parametrize(("given_to_it", "expect"), golden("mysqltuner-"))
def test_the_sum_here_is_the_one_that_mysqltuner_prints(given_to_it: Case, expect: Case) -> None:
    limit = given_to_it["forcemem_MiB"]
    own: Case = {
        "max_connections": given_to_it["max_connections"],
        "innodb_buffer_pool_size": f"{given_to_it['buffer_pool_MiB']}M",
    }
    sizes = {**STOCK_MARIADB, **own}
    if given_to_it.get("other") != "11.8 stock":
        # It was run with the stock log buffer.
        sizes = {**tuning(limit, "mysql"), **own, "innodb_log_buffer_size": "16M"}
    most = tuner_most(sizes, 95)
    assert float(tuner_server(sizes)) == expect["global_MiB"]
    assert float(tuner_session(sizes) + kib(sizes["tmp_table_size"]) / 1024) == pytest.approx(
        expect["per_thread_MiB"], abs=0.05
    )
    assert float(most) == pytest.approx(expect.get("max_possible_MiB", most), abs=0.1)
    assert float(most / limit * 100) == pytest.approx(expect["pct"], abs=0.05)
    assert (most / limit <= Fraction(85, 100)) == (expect["verdict"] == "good")


@quick
@given(
    st.sampled_from(["mariadb", "mysql"]),
    st.integers(0, 65536),
    st.integers(1, 500),
    st.sampled_from([None, False, True]),
)
def test_mysqltuner_never_warns(flavor: str, more: int, connections: int, schema: bool | None) -> None:
    facts: Case = {"flavor": flavor, "connections": connections, "performance_schema": schema}
    limit = min(floor_mib("mysql", **facts) + more, 65536)
    most = tuner_most(tuning(limit, "mysql", **facts), {"mariadb": 95, "mysql": 160}[flavor])
    assert most <= limit * Fraction(85, 100)


def assert_bound_agrees(engine: str, sizes: Case, limit: int, peak: int | None, **facts: Any) -> None:
    """What was killed was over the limit by our sum too; what survived was under it, and its peak under the sum."""
    worst = worst_case_mib(engine, sizes, **facts)
    if peak is None:
        assert worst > limit
    else:
        assert peak <= worst <= limit


@pytest.mark.parametrize(("given_to_it", "expect"), golden("mariadb-", "mysqltuner-planned"))
def test_the_bound_of_mariadb_agrees_with_what_was_measured(given_to_it: Case, expect: Case) -> None:
    limit = given_to_it.get("limit_MiB") or given_to_it["forcemem_MiB"]
    sizes: Case = {
        **tuning(limit, "mysql"),
        "innodb_buffer_pool_size": f"{given_to_it['buffer_pool_MiB']}M",
        "max_connections": given_to_it.get("max_connections") or given_to_it["heavy_connections"],
        "tmp_table_size": f"{given_to_it.get('tmp_table_MiB', 2)}M",
    }
    peak = expect.get("rss_peak_MiB") or expect.get("measured_rss_peak_MiB")
    assert bool(peak) == bool(expect.get("survives") or expect.get("survived"))
    assert_bound_agrees("mysql", sizes, limit, peak)


# MySQL 9.7.4, all connections but two in sorts, groupings and joins at once, over more rows than the pool holds; the
# peak of anonymous memory of its container.
MEASURED_MYSQL = [
    {"limit": 360, "pool": 68, "connections": 20, "schema": False, "peak": 309},
    {"limit": 768, "pool": 404, "connections": 20, "schema": False, "peak": 684},
    {"limit": 768, "pool": 258, "connections": 20, "schema": True, "peak": 674},
    {"limit": 768, "pool": 298, "connections": 60, "schema": False, "peak": 622},
    {"limit": 1064, "pool": 392, "connections": 120, "schema": False, "peak": 795},
]


@pytest.mark.parametrize("case", MEASURED_MYSQL)
def test_the_bound_of_mysql_agrees_with_what_was_measured(case: Case) -> None:
    facts = {"flavor": "mysql", "connections": case["connections"], "performance_schema": case["schema"]}
    sizes = {**tuning(case["limit"], "mysql", **facts), "innodb_buffer_pool_size": f"{case['pool']}M"}
    assert_bound_agrees("mysql", sizes, case["limit"], case["peak"], **facts)


# -- Valkey ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given_to_it", "expect"), golden("valkey-"))
def test_the_bound_of_valkey_separates_what_survived_from_what_was_killed(given_to_it: Case, expect: Case) -> None:
    limit = given_to_it["limit_MiB"]
    sizes = {**tuning(limit, "redis"), "maxmemory": f"{given_to_it['maxmemory_MiB']}mb"}
    assert_bound_agrees("redis", sizes, limit, expect.get("peak_MiB", 421) if expect["survives"] else None)


@pytest.mark.parametrize(("limit", "maxmemory", "peak"), [(120, 47, 104), (240, 101, 212)])
def test_what_is_planned_for_a_queue_survived_its_rewrites(limit: int, maxmemory: int, peak: int) -> None:
    derived = tuning(limit, "redis")
    assert derived["maxmemory"] == f"{maxmemory}mb"
    assert_bound_agrees("redis", derived, limit, peak)


# -- Node --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given_to_it", "expect"), golden("node"))
def test_the_heap_of_node_ends_before_the_kernel_does(given_to_it: Case, expect: Case) -> None:
    limit, default = given_to_it["limit_MiB"], expect["default_heap_limit_MiB"]
    if limit < floor_mib("node"):
        assert expect["oom"] == "SIGKILL 137"
        with pytest.raises(ValueError, match="give it 160 MiB or more"):
            tuning(limit, "node")
        return
    heap = int(str(tuning(limit, "node")["NODE_OPTIONS"]).split("=")[1])
    assert heap + 96 <= limit
    if expect["oom"] == "SIGKILL 137":
        assert heap < default
    else:
        # Where Node's own default is safe, ours is so too, and leaves less of the limit unused.
        assert default < heap


# -- MinIO -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given_to_it", "expect"), golden("minio-"))
def test_requests_are_bounded_as_minio_does_but_in_a_smaller_share(given_to_it: Case, expect: Case) -> None:
    limit = given_to_it["limit_MiB"]
    request = Fraction(3 * 1024 + 32, 1024)
    assert expect["requests_max"] == limit * Fraction(90, 100) // request
    if limit < floor_mib("minio"):
        with pytest.raises(ValueError, match="MINIO_API_REQUESTS_MAX would be 21 and needs 30"):
            tuning(limit, "minio")
        return
    derived = tuning(limit, "minio")
    assert int(derived["MINIO_API_REQUESTS_MAX"]) == limit * Fraction(60, 100) // request
    assert worst_case_mib("minio", {**derived, "MINIO_API_REQUESTS_MAX": str(expect["requests_max"])}) > worst_case_mib(
        "minio", derived
    )
