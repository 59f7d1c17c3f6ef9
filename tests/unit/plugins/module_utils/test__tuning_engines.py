# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each engine's own settings: all of them once, and what decides on them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils._tuning import floor_mib, tuning, worst_case_mib
from hypothesis import given, settings
from hypothesis import strategies as st

quick = settings(max_examples=60, deadline=None)


# -- MariaDB and MySQL -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "pool"), [(264, "64M"), (272, "70M"), (512, "278M"), (776, "506M"), (1536, "1162M")])
def test_the_buffer_pool_gets_what_the_connections_leave(limit: int, pool: str) -> None:
    assert tuning(limit, "mysql")["innodb_buffer_pool_size"] == pool


def test_all_settings_of_mariadb_are_written_as_its_file_takes_them() -> None:
    assert tuning(512, "mysql", flavor="mariadb", connections=30, cpus=8) == {
        "innodb_buffer_pool_size": "238M",
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


def test_all_settings_of_mysql_are_written_as_its_file_takes_them() -> None:
    assert tuning(640, "mysql", flavor="mysql", connections=30, cpus=1) == {
        "innodb_buffer_pool_size": "226M",
        "innodb_buffer_pool_chunk_size": "2M",
        "innodb_buffer_pool_instances": 1,
        "innodb_purge_threads": 1,
        "max_connections": 30,
        "key_buffer_size": "8M",
        "innodb_log_buffer_size": "8M",
        "sort_buffer_size": "512K",
        "join_buffer_size": "256K",
        "read_buffer_size": "128K",
        "read_rnd_buffer_size": "256K",
        "thread_stack": "1M",
        "binlog_cache_size": "32K",
        "tmp_table_size": "2M",
        "max_heap_table_size": "2M",
        "temptable_max_ram": "40M",
        "temptable_max_mmap": 0,
        "table_open_cache": 400,
        "table_definition_cache": 400,
        "performance_schema": "OFF",
    }


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_there_are_never_fewer_than_20_connections(flavor: str) -> None:
    few, least = (tuning(512, "mysql", flavor=flavor, connections=connections) for connections in (3, 20))
    assert few == least
    assert least["max_connections"] == 20


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_the_performance_schema_is_paid_for_by_the_pool(flavor: str) -> None:
    off, on = (tuning(1024, "mysql", flavor=flavor, performance_schema=schema) for schema in (False, True))
    assert (off["performance_schema"], on["performance_schema"]) == ("OFF", "ON")
    assert int(str(on["innodb_buffer_pool_size"])[:-1]) < int(str(off["innodb_buffer_pool_size"])[:-1]) - 80


@pytest.mark.parametrize(
    ("facts", "limit", "schema"),
    [
        ({"flavor": "mariadb"}, 4096, "OFF"),
        ({"flavor": "mariadb", "performance_schema": True}, 512, "ON"),
        ({"flavor": "mysql"}, 760, "OFF"),
        ({"flavor": "mysql"}, 768, "ON"),
        ({"flavor": "mysql", "performance_schema": False}, 4096, "OFF"),
        ({"flavor": "mysql", "performance_schema": True}, 640, "ON"),
        # 768 MiB would have no room for it beside so many connections.
        ({"flavor": "mysql", "connections": 150}, 768, "OFF"),
        ({"flavor": "mysql", "connections": 150}, 1024, "ON"),
    ],
)
def test_mysql_has_its_performance_schema_from_768_mib_and_mariadb_when_asked(
    facts: dict[str, Any], limit: int, schema: str
) -> None:
    assert tuning(limit, "mysql", **facts)["performance_schema"] == schema


def test_the_pool_is_the_same_on_both_sides_of_the_performance_schema() -> None:
    pools = [tuning(limit, "mysql", flavor="mysql")["innodb_buffer_pool_size"] for limit in (664, 760, 768)]
    assert pools == ["258M"] * 3


@quick
@given(st.integers(0, 65000), st.integers(1, 400))
def test_the_pool_of_mysql_is_whole_chunks_of_which_there_are_not_too_many(more: int, connections: int) -> None:
    facts: dict[str, Any] = {"flavor": "mysql", "connections": connections}
    derived = tuning(min(floor_mib("mysql", **facts) + more, 65536), "mysql", **facts)
    names = ("innodb_buffer_pool_size", "innodb_buffer_pool_chunk_size")
    pool, chunk = (int(str(derived[name])[:-1]) for name in names)
    assert pool % chunk == 0
    assert pool // chunk <= 1000


@pytest.mark.parametrize(("limit", "ram"), [(360, "22M"), (512, "32M"), (1024, "64M"), (8192, "64M")])
def test_temporary_tables_of_mysql_have_one_limit_together(limit: int, ram: str) -> None:
    assert tuning(limit, "mysql", flavor="mysql")["temptable_max_ram"] == ram


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


def test_all_settings_of_postgresql_are_written_as_its_file_takes_them() -> None:
    assert tuning(1024, "postgresql", connections=30, cpus=4) == {
        "max_connections": 30,
        "shared_buffers": "256MB",
        "effective_cache_size": "629145kB",
        "work_mem": "6522kB",
        "hash_mem_multiplier": 1,
        "temp_buffers": "800kB",
        "maintenance_work_mem": "64MB",
        "autovacuum_work_mem": "32MB",
        "autovacuum_max_workers": 2,
        "default_statistics_target": 100,
        "wal_buffers": "7864kB",
        "max_parallel_workers": 4,
        "max_parallel_workers_per_gather": 2,
        "max_parallel_maintenance_workers": 2,
        "huge_pages": "off",
        "jit": "off",
    }


def test_more_connections_or_parallel_workers_leave_less_for_each_sort() -> None:
    def work_kb(**facts: int) -> int:
        return int(str(tuning(2048, "postgresql", **facts)["work_mem"])[:-2])

    assert work_kb() > work_kb(cpus=8) > work_kb(cpus=8, connections=100) > 1024


@pytest.mark.parametrize(("cpus", "workers", "each"), [(1, 0, 0), (3, 0, 0), (4, 4, 2), (6, 6, 3), (16, 8, 4)])
def test_parallel_workers_are_as_many_as_cpus_from_4_on_and_never_more_than_the_server_has(
    cpus: int, workers: int, each: int
) -> None:
    derived = tuning(2048, "postgresql", cpus=cpus)
    assert derived["max_parallel_workers"] == workers
    assert derived["max_parallel_workers_per_gather"] == derived["max_parallel_maintenance_workers"] == each


@pytest.mark.parametrize(
    ("limit", "maintenance"), [(232, "14848kB"), (240, "15MB"), (16384, "1024MB"), (65536, "1024MB")]
)
def test_maintenance_has_a_sixteenth_up_to_1_gib(limit: int, maintenance: str) -> None:
    assert tuning(limit, "postgresql")["maintenance_work_mem"] == maintenance


@pytest.mark.parametrize(("limit", "workers"), [(232, 1), (536, 1), (544, 2), (65536, 2)])
def test_a_second_autovacuum_worker_comes_where_an_eighth_is_enough_for_two_analyses(limit: int, workers: int) -> None:
    assert tuning(limit, "postgresql")["autovacuum_max_workers"] == workers


@pytest.mark.parametrize(
    ("changes", "most"),
    [
        ({"hash_mem_multiplier": 2}, 188),  # the default; all processes may hash at once
        ({"default_statistics_target": 300}, 68),
        ({"autovacuum_max_workers": 2}, 36),
        ({"temp_buffers": "8MB"}, 145),  # the default
        ({"max_parallel_workers": 8}, 110),
    ],
)
def test_the_bound_of_postgresql_counts_what_no_calculator_does(changes: dict[str, Any], most: int) -> None:
    derived = tuning(512, "postgresql")
    more = worst_case_mib("postgresql", {**derived, **changes}) - worst_case_mib("postgresql", derived)
    assert more == pytest.approx(most, abs=2)


def test_500_processes_need_as_much_for_page_tables_as_the_buffers_that_they_share() -> None:
    derived = tuning(16384, "postgresql", connections=500)
    alone = {**derived, "shared_buffers": "0MB"}
    shared = 16384 // 4
    assert worst_case_mib("postgresql", derived) - worst_case_mib("postgresql", alone) == pytest.approx(
        shared + 502 * shared / 512, abs=2
    )


# -- Redis and Valkey --------------------------------------------------------------------------------------------------


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


# -- nginx -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "cpus", "connections"), [(96, 2, 256), (128, 2, 358), (192, 2, 563), (192, 1, 1139), (1024, 2, 2048)]
)
def test_nginx_has_a_worker_a_cpu_and_connections_for_the_rest(limit: int, cpus: int, connections: int) -> None:
    assert tuning(limit, "nginx", cpus=cpus) == {"worker_processes": cpus, "worker_connections": connections}


# -- PHP-FPM and Octane ------------------------------------------------------------------------------------------------


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
    derived = tuning(limit, "php_fpm", worker_mib=worker)
    names = ("pm.max_children", "opcache.memory_consumption", "memory_limit", "pm")
    assert tuple(derived[name] for name in names) == (children, opcache, memory_limit, manager)


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


@quick
@given(st.integers(0, 5000), st.integers(10, 300), st.integers(1, 20), st.sampled_from([0, 32, 100]))
def test_the_numbers_of_php_processes_are_ones_that_it_accepts(
    more: int, worker_mib: int, workers: int, jit_mib: int
) -> None:
    facts = {"worker_mib": worker_mib, "workers": workers, "jit_mib": jit_mib}
    derived = tuning(floor_mib("php_fpm", **facts) + more, "php_fpm", **facts)
    children, start, least, most = (
        int(derived[f"pm.{name}"])
        for name in ("max_children", "start_servers", "min_spare_servers", "max_spare_servers")
    )
    assert 1 <= least <= start <= most <= children


def test_the_environment_of_octane_on_frankenphp() -> None:
    assert tuning(448, "octane", worker_mib=80) == {
        "OCTANE_SERVER": "frankenphp",
        "OCTANE_WORKERS": "2",
        "OCTANE_MAX_REQUESTS": "500",
        "GOMEMLIMIT": "64MiB",
        "PHP_MEMORY_LIMIT": "160M",
        "PHP_OPCACHE_MEMORY_CONSUMPTION": "128",
    }


def test_the_environment_of_octane_on_swoole_has_one_task_worker_that_is_paid_for() -> None:
    assert tuning(448, "octane", server="swoole", worker_mib=80) == {
        "OCTANE_SERVER": "swoole",
        "OCTANE_WORKERS": "2",
        "OCTANE_TASK_WORKERS": "1",
        "OCTANE_MAX_REQUESTS": "500",
        "PHP_MEMORY_LIMIT": "160M",
        "PHP_OPCACHE_MEMORY_CONSUMPTION": "128",
    }
    more_tasks = {**tuning(448, "octane", server="swoole", worker_mib=80), "OCTANE_TASK_WORKERS": "2"}
    assert worst_case_mib("octane", more_tasks, server="swoole", worker_mib=80) > 448


@pytest.mark.parametrize(
    ("facts", "workers"),
    [
        ({"server": "frankenphp", "cpus": 1}, "4"),
        ({"server": "frankenphp", "cpus": 2}, "8"),
        ({"server": "swoole", "cpus": 1}, "2"),
        ({"server": "swoole", "cpus": 2}, "4"),
        # The fewest of use may be more than CPUs suggest.
        ({"server": "swoole", "cpus": 1, "workers": 6}, "6"),
    ],
)
def test_octane_never_has_more_workers_than_its_cpus_can_use(facts: dict[str, Any], workers: str) -> None:
    assert tuning(4096, "octane", **facts)["OCTANE_WORKERS"] == workers


# -- Node and soketi ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["node", "soketi"])
@pytest.mark.parametrize(("limit", "heap"), [(160, 64), (192, 96), (256, 160), (384, 288), (512, 384), (2048, 1536)])
def test_the_heap_of_node_leaves_a_quarter_or_96_mib(engine: str, limit: int, heap: int) -> None:
    assert tuning(limit, engine) == {"NODE_OPTIONS": f"--max-old-space-size={heap}"}


# -- Rails -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "facts", "workers", "threads"),
    [
        (184, {}, "0", "3"),
        (504, {}, "0", "3"),
        (512, {}, "2", "5"),
        (512, {"worker_mib": 200}, "0", "5"),
        (1024, {}, "2", "5"),
        (1024, {"cpus": 4}, "4", "5"),
        (1024, {"cpus": 8}, "5", "5"),
        (1024, {"cpus": 1}, "0", "5"),
        (1024, {"cpus": 4, "worker_mib": 300}, "2", "5"),
    ],
)
def test_puma_is_one_process_until_two_workers_and_their_master_fit(
    limit: int, facts: dict[str, int], workers: str, threads: str
) -> None:
    assert tuning(limit, "puma", **facts) == {
        "WEB_CONCURRENCY": workers,
        "RAILS_MAX_THREADS": threads,
        "MALLOC_ARENA_MAX": "2",
    }


@pytest.mark.parametrize(("limit", "jobs"), [(192, "5"), (376, "5"), (384, "10"), (4096, "10")])
def test_sidekiq_does_5_jobs_at_once_and_10_where_there_is_room(limit: int, jobs: str) -> None:
    assert tuning(limit, "sidekiq") == {"RAILS_MAX_THREADS": jobs, "MALLOC_ARENA_MAX": "2"}


# -- object storage, search, documents ---------------------------------------------------------------------------------


@pytest.mark.parametrize("flavor", ["silo", "minio"])
def test_the_environment_of_minio_and_silo(flavor: str) -> None:
    assert tuning(384, "minio", flavor=flavor) == {"MINIO_API_REQUESTS_MAX": "76", "GOMEMLIMIT": "345MiB"}


def test_rustfs_is_told_in_its_own_words() -> None:
    assert tuning(384, "minio", flavor="rustfs") == {
        "RUSTFS_OBJECT_MAX_CONCURRENT_DISK_READS": "46",
        "RUSTFS_OBJECT_SEEK_SUPPORT_THRESHOLD": "1048576",
        "RUSTFS_OBJECT_DATA_CACHE_ENABLE": "false",
    }


@pytest.mark.parametrize(
    ("limit", "cpus", "memory", "threads"),
    [(192, 1, "76MiB", "1"), (384, 2, "192MiB", "1"), (512, 3, "256MiB", "1"), (1024, 4, "512MiB", "2")],
)
def test_meilisearch_indexes_in_half_of_its_limit_or_less_with_half_of_the_cpus(
    limit: int, cpus: int, memory: str, threads: str
) -> None:
    assert tuning(limit, "meilisearch", cpus=cpus) == {
        "MEILI_MAX_INDEXING_MEMORY": memory,
        "MEILI_MAX_INDEXING_THREADS": threads,
    }


@pytest.mark.parametrize("limit", [384, 640, 4096])
def test_gotenberg_does_one_page_at_a_time_whatever_its_limit(limit: int) -> None:
    assert tuning(limit, "gotenberg") == {
        "CHROMIUM_MAX_CONCURRENCY": "1",
        "CHROMIUM_RESTART_AFTER": "20",
        "GOMEMLIMIT": "64MiB",
    }


ENVIRONMENTS = ("soketi", "minio", "meilisearch", "octane", "node", "puma", "sidekiq", "gotenberg")


@pytest.mark.parametrize("engine", ENVIRONMENTS)
def test_environment_variables_are_text(engine: str) -> None:
    derived = tuning(1024, engine)
    assert all(name.isupper() and isinstance(value, str) for name, value in derived.items())
