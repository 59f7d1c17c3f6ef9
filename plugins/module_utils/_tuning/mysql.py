# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB and MySQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.onebox.stack.plugins.module_utils._tuning.engine import (
    USABLE_PERCENT,
    Engine,
    Settings,
    at_least,
    kib,
)

LEAST_CONNECTIONS = 20
LEAST_POOL_MIB = 64

# A full pool measured 1.02 of its size on MariaDB, 1.08 on MySQL.
POOL_PERCENT = 110
# A connection in a heavy query measured up to 4.3 MiB where its buffers add up to 3.4.
CONNECTION_PERCENT = 125
# Where MySQLTuner 2.9.1 begins to warn of "Maximum possible memory usage" (mysqltuner.pl).
MYSQLTUNER_PERCENT = 85

TEMPORARY_TABLE = "2M"
_SESSION = {
    "sort_buffer_size": "512K",
    "join_buffer_size": "256K",
    "read_buffer_size": "128K",
    "read_rnd_buffer_size": "256K",
    "binlog_cache_size": "32K",
}


class _Flavor(NamedTuple):
    """The MiB of the server alone and of its performance schema; its buffers; what a session takes, by MySQLTuner."""

    base_mib: int
    schema_mib: int
    buffers: Mapping[str, str]
    session: Mapping[str, str]


# Measured on 11.8: 68 MiB and a pool; 95 more with the performance schema. Threads have the vendor's stack.
_MARIADB = _Flavor(
    70,
    95,
    {"key_buffer_size": "8M", "aria_pagecache_buffer_size": "8M", "innodb_log_buffer_size": "8M"},
    {**_SESSION, "thread_stack": "292K", "tmp_table_size": TEMPORARY_TABLE},
)
# 8.4 was seen at 220 MiB with a pool of 32; 9.7 measured 174 with one of 68, and with the performance schema 131 more,
# at rest. The vendor's stack was raised to 1 MiB after it had been too small for deep queries.
_MYSQL = _Flavor(
    174, 160, {"key_buffer_size": "8M", "innodb_log_buffer_size": "8M"}, {**_SESSION, "thread_stack": "1M"}
)
# From this limit on MySQL has its performance schema, unless it is said otherwise.
MYSQL_SCHEMA_FROM_MIB = 768
# MySQL's TempTable engine has a sixteenth of the limit for all temporary tables together, up to this.
MOST_TEMPTABLE_KIB = 64 * 1024
# "To avoid potential performance issues", more chunks are advised against (manual, innodb_buffer_pool_chunk_size).
MOST_CHUNKS = 1000


def _settings(limit_mib: int, *, flavor: str, connections: int, performance_schema: bool | None, cpus: int) -> Settings:
    """The buffer pool gets what the server, its other buffers and the connections leave of 95 %.

    ``pool = (0.95 limit - fixed - connections x per connection x 1.25) / 1.1``. The per-connection sum is MySQLTuner's:
    3.4 MiB here, 18.9 with MariaDB's stock temporary tables of 16 MiB, with which 40 heavy queries had a container of
    1 GiB killed. By MySQLTuner's own sum the result is never more than 85 % of the limit, where that begins to warn.
    There is no query cache: MySQL has none any more, and MariaDB's is one lock for all.

    `innodb_dedicated_server` is left off: it takes the memory that it finds for its own (128 MB below 1 GB, half up to
    4 GB, then three quarters; MySQL manual, "Enabling Automatic InnoDB Configuration for a Dedicated MySQL Server"),
    8.4 finds the host's and not the container's, and at 4 GB its pool jumps from 2.0 to 3.1.

    Purging takes 4 threads by default (MariaDB Server documentation, innodb_purge_threads), here no more than CPUs.
    """
    mariadb = flavor == "mariadb"
    known = _MARIADB if mariadb else _MYSQL
    count = max(connections, LEAST_CONNECTIONS)
    own = (_mariadb if mariadb else _mysql)(limit_mib, count, performance_schema)
    at_least("innodb_buffer_pool_size", kib(own["innodb_buffer_pool_size"]) // 1024, LEAST_POOL_MIB, "M")
    return {
        **own,
        "innodb_purge_threads": min(cpus, 4),
        "max_connections": count,
        **known.buffers,
        **known.session,
        "tmp_table_size": TEMPORARY_TABLE,
        "max_heap_table_size": TEMPORARY_TABLE,
    }


def _mariadb(limit_mib: int, connections: int, performance_schema: bool | None) -> Settings:
    """MariaDB: a pool in whole 2 MiB; each session may hold a temporary table; the performance schema when asked for.

    With 20 connections this is MySQLTuner's "good" and survived 18 heavy queries at once: 272 MiB peaked at 233, 512 at
    453, 776 at 681.
    """
    schema = bool(performance_schema)
    pool = _pool_kib(_MARIADB, limit_mib, schema, connections, 0)
    return {
        "innodb_buffer_pool_size": f"{pool // 2048 * 2}M",
        "query_cache_type": 0,
        "query_cache_size": 0,
        "performance_schema": "ON" if schema else "OFF",
    }


def _mysql(limit_mib: int, connections: int, performance_schema: bool | None) -> Settings:
    """MySQL 8.4 and 9.7: a pool in whole chunks, one limit for all temporary tables, small caches of tables.

    With 18 heavy queries at once 9.7 peaked at 309 of 360 MiB, and at 684 of 768; with 118 at 795 of 1064.

    The pool must be whole chunks of ``innodb_buffer_pool_chunk_size``, of 128 MiB by default: the server would make 384
    of 280 (manual, "Configuring InnoDB Buffer Pool Size"). So chunks are small, and there is one instance.

    `temptable_max_ram` would be at least 1 GiB by default. What is over it goes to InnoDB's own temporary files, and
    nothing to mapped files, which a temporary directory in memory would count twice.

    The performance schema is on from 768 MiB. Below that its memory is saved up, so that the pool does not shrink where
    it is switched on. Its size follows from the caches of tables, which are those of a small server here (manual, "The
    Performance Schema Memory-Allocation Model").
    """

    def pool(limit: int, schema: bool) -> int:
        shared = min(_temptable_kib(limit), connections * kib(TEMPORARY_TABLE))
        raw = _pool_kib(_MYSQL, limit, schema, connections, shared) // 1024
        return raw // _chunk_mib(raw) * _chunk_mib(raw)

    schema = bool(performance_schema)
    pool_mib = pool(limit_mib, schema)
    if performance_schema is None:
        with_schema = pool(max(limit_mib, MYSQL_SCHEMA_FROM_MIB), True)
        schema = limit_mib >= MYSQL_SCHEMA_FROM_MIB and with_schema >= LEAST_POOL_MIB
        pool_mib = with_schema if schema else min(pool_mib, max(with_schema, LEAST_POOL_MIB))
    return {
        "innodb_buffer_pool_size": f"{pool_mib}M",
        "innodb_buffer_pool_chunk_size": f"{_chunk_mib(pool_mib)}M",
        "innodb_buffer_pool_instances": 1,
        "temptable_max_ram": f"{_temptable_kib(limit_mib) // 1024}M",
        "temptable_max_mmap": 0,
        "table_open_cache": 400,
        "table_definition_cache": 400,
        "performance_schema": "ON" if schema else "OFF",
    }


def _pool_kib(known: _Flavor, limit_mib: int, schema: bool, connections: int, shared_kib: int) -> int:
    """What is left for the pool, by our own bound and by MySQLTuner's; ``shared_kib`` is taken once and by all."""
    buffers = _total(known.buffers.values()) + schema * known.schema_mib * 1024 + shared_kib
    sessions = connections * _total(known.session.values())
    limit = limit_mib * 1024
    working = limit * USABLE_PERCENT // 100 - known.base_mib * 1024 - buffers
    bounded = (working - sessions * CONNECTION_PERCENT // 100) * 100 // POOL_PERCENT
    unwarned = limit * MYSQLTUNER_PERCENT // 100 - buffers - sessions
    return max(min(bounded, unwarned), 0)


def _temptable_kib(limit_mib: int) -> int:
    return min(limit_mib * 1024 // 16, MOST_TEMPTABLE_KIB)


def _chunk_mib(pool_mib: int) -> int:
    """A power of two, so that a larger pool in larger chunks is not the smaller one."""
    chunk = 2
    while pool_mib // chunk > MOST_CHUNKS:
        chunk *= 2
    return chunk


def _total(sizes: Iterable[int | str]) -> int:
    return sum(map(kib, sizes))


def _worst_kib(settings: Settings, *, flavor: str, **facts: Any) -> int:
    """The server, a full pool and every connection in a heavy query at once, with the measured factors."""
    known = _MARIADB if flavor == "mariadb" else _MYSQL
    connections = int(settings["max_connections"])
    if flavor == "mariadb":
        shared = kib(settings["query_cache_size"])
    else:
        temporary = min(connections * kib(settings["tmp_table_size"]), kib(settings["temptable_max_ram"]))
        shared = temporary + kib(settings["temptable_max_mmap"])
    sessions = connections * _total(settings[name] for name in known.session)
    schema = known.schema_mib if settings["performance_schema"] == "ON" else 0
    return (
        (known.base_mib + schema) * 1024
        + _total(settings[name] for name in known.buffers)
        + shared
        + -(-kib(settings["innodb_buffer_pool_size"]) * POOL_PERCENT // 100)
        + -(-sessions * CONNECTION_PERCENT // 100)
    )


def _summary(settings: Settings) -> str:
    return f"pool {settings['innodb_buffer_pool_size']}, {settings['max_connections']} connections"


MYSQL = Engine(
    {"flavor": ("mariadb", "mysql"), "connections": 20, "performance_schema": None, "cpus": 2},
    _settings,
    _worst_kib,
    _summary,
)
