# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL."""

from __future__ import annotations

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils._tuning.engine import (
    USABLE_PERCENT,
    Engine,
    Settings,
    at_least,
    kib,
)

LEAST_CONNECTIONS = 20
# The postmaster and its helpers, measured as 20 MiB with what they touch of the shared buffers.
BASE_KIB = 16 * 1024
# An idle process for a client took 1.2 MiB, and 0.3 in the kernel.
PROCESS_KIB = 1536
# Each process has page tables of its own for the shared buffers: 8 bytes for 4 KiB.
PAGE_TABLE_PART = 512
# The server takes no fewer: 100 blocks.
TEMPORARY_BUFFERS_KIB = 800
# Sorts and hashes that one process runs at once.
NODES = 2
LEAST_WORK_KIB = 1024
# ANALYZE holds 300 rows for each point of the target (documentation, ALTER TABLE, SET STATISTICS). With rows of 1 KiB,
# and the default of 100 points, that measured 34 MiB.
STATISTICS_TARGET = 100
STATISTICS_KIB = 348
# Up to PostgreSQL 16, VACUUM can use no more (documentation, maintenance_work_mem).
MOST_MAINTENANCE_KIB = 1024 * 1024
MOST_AUTOVACUUM_WORKERS = 2
WAL_SEGMENT_KIB = 16 * 1024
# PGTune has parallel workers from 4 CPUs on; `max_worker_processes` is 8 by default.
PARALLEL_FROM_CPUS = 4
MOST_PARALLEL = 8
# What a connection keeps in /dev/shm to share with parallel workers, measured.
PARALLEL_KIB = 1024


def _settings(limit_mib: int, *, connections: int, cpus: int) -> Settings:
    """A quarter for the shared buffers; `work_mem` is what all processes can hold twice at once in the rest of 95 %.

    ``shared_buffers = limit / 4``, ``maintenance_work_mem = limit / 16``, ``wal_buffers`` 3 % of the shared buffers up
    to one segment: PGTune's rules (src/features/configuration/configurationSlice.js); the first is also that of
    PostgreSQL's documentation and of timescaledb-tune. Then
    ``work_mem = (0.95 limit - shared - base - processes - wal - maintenance - autovacuum) / (2 x sorting processes)``.

    So 20 connections in sorts and hashes, an ANALYZE and a REINDEX at once came to 208 of 232 MiB, 60 to 420 of 576,
    100 to 765 of 1024.

    PGTune divides by three for each connection, but never gives less than 4 MB: with its 200 connections that is
    512 % of 512 MB, 269 % of 1 GB. Here the least is 1 MB, and a limit that is too small for that is refused: fewer
    connections are what helps. `hash_mem_multiplier` is 1, as 2 (the default) would double what hashes may take.

    What no calculator counts: a process's page tables, which at 500 connections are as much as the shared buffers;
    `temp_buffers`, here the least that the server takes; and ANALYZE, which autovacuum runs after many changes, and of
    which its `autovacuum_work_mem` says nothing. Autovacuum has an eighth of the limit, at least what one ANALYZE
    takes, and a second worker where that is enough for two. One CREATE INDEX or VACUUM by hand has room besides.

    Below 4 CPUs nothing runs in parallel, from there as many workers as CPUs, up to the 8 processes that the server has
    for them; each counts as a process that sorts, and each connection keeps memory to share with them.

    `effective_cache_size` takes no memory. It is 60 % of the limit and not PGTune's 75 %, because what files the kernel
    caches for the container counts against the same limit. Huge pages are the host's to reserve, and compiling queries
    (jit) takes memory that nothing bounds, for queries longer than a web application's.
    """
    limit = limit_mib * 1024
    count = max(connections, LEAST_CONNECTIONS)
    parallel = min(cpus, MOST_PARALLEL) if cpus >= PARALLEL_FROM_CPUS else 0
    shared = limit // 4
    # 4 % of the shared buffers are never less than the WAL buffers, and grow without their jump to a whole segment.
    wal_at_most = min(shared * 4 // 100, WAL_SEGMENT_KIB)
    maintenance = min(limit // 16, MOST_MAINTENANCE_KIB)
    autovacuum = _autovacuum_kib(maintenance // 2, STATISTICS_TARGET)
    autovacuums = min(max(limit // 8, autovacuum), MOST_AUTOVACUUM_WORKERS * autovacuum)
    processes = _processes_kib(count, parallel, MOST_AUTOVACUUM_WORKERS, shared, TEMPORARY_BUFFERS_KIB)
    working = limit * USABLE_PERCENT // 100 - shared - BASE_KIB - processes - wal_at_most - maintenance - autovacuums
    work = working // (NODES * (count + parallel))
    at_least("work_mem", work, LEAST_WORK_KIB, "kB")
    return {
        "max_connections": count,
        "shared_buffers": _size(shared),
        "effective_cache_size": _size(limit * 60 // 100),
        "work_mem": f"{work}kB",
        "hash_mem_multiplier": 1,
        "temp_buffers": f"{TEMPORARY_BUFFERS_KIB}kB",
        "maintenance_work_mem": _size(maintenance),
        "autovacuum_work_mem": _size(maintenance // 2),
        "autovacuum_max_workers": autovacuums // autovacuum,
        "default_statistics_target": STATISTICS_TARGET,
        "wal_buffers": _size(_wal_buffers_kib(shared)),
        "max_parallel_workers": parallel,
        "max_parallel_workers_per_gather": parallel // 2,
        "max_parallel_maintenance_workers": parallel // 2,
        "huge_pages": "off",
        "jit": "off",
    }


def _wal_buffers_kib(shared_kib: int) -> int:
    """3 % of the shared buffers, and a whole segment from 14 MiB on."""
    wal = shared_kib * 3 // 100
    return WAL_SEGMENT_KIB if wal > 14 * 1024 else wal


def _autovacuum_kib(work_kib: int, statistics_target: int) -> int:
    """One worker, which vacuums or analyses."""
    return max(work_kib, statistics_target * STATISTICS_KIB)


def _processes_kib(
    connections: int, parallel: int, autovacuum_workers: int, shared_kib: int, temporary_buffers_kib: int
) -> int:
    """All processes, without what they sort and vacuum in."""
    one = PROCESS_KIB + -(-shared_kib // PAGE_TABLE_PART)
    own = temporary_buffers_kib + (PARALLEL_KIB if parallel else 0)
    return (connections + parallel + autovacuum_workers) * one + connections * own


def _worst_kib(settings: Settings, **facts: Any) -> int:
    """All connections and parallel workers in two sorts each, while autovacuum and an index build run."""
    connections, parallel = int(settings["max_connections"]), int(settings["max_parallel_workers"])
    autovacuums = int(settings["autovacuum_max_workers"])
    shared = kib(settings["shared_buffers"])
    nodes = (connections + parallel) * NODES * int(settings["hash_mem_multiplier"])
    return (
        BASE_KIB
        + shared
        + kib(settings["wal_buffers"])
        + _processes_kib(connections, parallel, autovacuums, shared, kib(settings["temp_buffers"]))
        + nodes * kib(settings["work_mem"])
        + kib(settings["maintenance_work_mem"])
        + autovacuums
        * _autovacuum_kib(kib(settings["autovacuum_work_mem"]), int(settings["default_statistics_target"]))
    )


def _size(size_kib: int) -> str:
    return f"{size_kib}kB" if size_kib % 1024 else f"{size_kib // 1024}MB"


def _summary(settings: Settings) -> str:
    shared, work = kib(settings["shared_buffers"]), kib(settings["work_mem"])
    return f"shared {shared // 1024}M, work_mem {work / 1024:.{int(work < 10240)}f}M"


POSTGRESQL = Engine({"connections": 20, "cpus": 2}, _settings, _worst_kib, _summary)
