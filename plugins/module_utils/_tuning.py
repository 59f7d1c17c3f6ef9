# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine's own settings for the memory limit of its container.

PRIVATE to the collection. Pure. Settings have the engine's own names and are written as its configuration file takes
them: '72M' for MariaDB, '47mb' for Redis, 64 (MiB) for opcache.memory_consumption.

From the floor up, what the settings allow at the worst is never more than the limit, and no setting shrinks as the
limit grows. `worst_case_mib` computes that worst case from the settings alone. Constants without another source were
measured with MariaDB 11.8, Valkey 8.1, nginx 1.26 and PHP 8.4 in containers of 2 CPUs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple, Union

from ansible_collections.onebox.stack.plugins.module_utils._checks import hint, whole_number

__all__ = ["floor_mib", "tuning", "worst_case_mib"]

Settings = dict[str, Union[int, str]]

LIMIT_STEP_MIB = 8
LARGEST_LIMIT_MIB = 65536


class _TooSmallError(ValueError):
    """A setting would fall below what the engine is of use with."""


class _Engine(NamedTuple):
    """``facts`` has each fact's default; a tuple is a choice, of which the first is the default."""

    facts: Mapping[str, Any]
    settings: Callable[..., Settings]
    worst_case: Callable[..., Fraction]


def tuning(memory_mib: int, engine: str, **facts: Any) -> Settings:
    """Return the settings of ``engine`` for a container limited to ``memory_mib``.

    Facts and their defaults:
      mysql: flavor='mariadb', connections=20, performance_schema=False, cpus=2
      redis: flavor='valkey' (or 'redis'), eviction_policy='noeviction'
      nginx: cpus=2
      php_fpm: worker_mib=60, workers=2, jit_mib=0

    ``connections`` is what the clients of a database need in all; ``worker_mib`` what one PHP worker is planned to
    hold, ``workers`` the fewest that are of use.

    Raises ValueError for an unknown engine or fact, and for a limit below `floor_mib`.
    """
    limit = whole_number("memory_mib", memory_mib, 1)
    known = _facts(engine, facts)
    try:
        return _ENGINES[engine].settings(limit, **known)
    except _TooSmallError as exc:
        least = floor_mib(engine, **facts)
        raise ValueError(f"{limit} MiB is too little for {engine}: {exc}; give it {least} MiB or more") from None


def floor_mib(engine: str, **facts: Any) -> int:
    """Return the smallest multiple of 8 MiB with which the engine's settings are of use. Facts as in `tuning`."""
    known = _facts(engine, facts)
    too_small, enough = 0, LARGEST_LIMIT_MIB // LIMIT_STEP_MIB + 1
    while enough - too_small > 1:
        middle = (too_small + enough) // 2
        try:
            _ENGINES[engine].settings(middle * LIMIT_STEP_MIB, **known)
        except _TooSmallError:
            too_small = middle
        else:
            enough = middle
    if enough * LIMIT_STEP_MIB > LARGEST_LIMIT_MIB:
        raise ValueError(f"{engine}: no limit up to {LARGEST_LIMIT_MIB} MiB is enough for {facts}")
    return enough * LIMIT_STEP_MIB


def worst_case_mib(engine: str, settings: Settings, **facts: Any) -> int:
    """Return the MiB that ``settings`` allow the engine to use at the worst, rounded up. Facts as in `tuning`."""
    return math.ceil(_ENGINES[engine].worst_case(settings, **_facts(engine, facts)))


def _facts(engine: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given facts, checked, over the defaults."""
    if engine not in _ENGINES:
        raise ValueError(f"unknown engine {engine!r}{hint(engine, _ENGINES)}")
    known = _ENGINES[engine].facts
    facts = {name: default[0] if isinstance(default, tuple) else default for name, default in known.items()}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"{engine}: unknown fact {name!r}{hint(name, known)}")
        default = known[name]
        if isinstance(default, tuple):
            if value not in default:
                raise ValueError(f"{engine}: no tuning for {name} {value!r}; there is {', '.join(default)}")
        elif isinstance(default, bool):
            if not isinstance(value, bool):
                raise ValueError(f"{engine}: {name} must be true or false, not {value!r}")
        else:
            whole_number(f"{engine}: {name}", value, min(default, 1))
        facts[name] = value
    return facts


def _at_least(name: str, value: int, floor: int, unit: str = "") -> None:
    if value < floor:
        raise _TooSmallError(f"{name} would be {max(value, 0)}{unit} and needs {floor}{unit}")


# MariaDB ------------------------------------------------------------------------------------------------------------

_MARIADB_BASE_MIB = 70
_PERFORMANCE_SCHEMA_MIB = 95
_MARIADB_BUFFERS = {"key_buffer_size": "8M", "aria_pagecache_buffer_size": "8M", "innodb_log_buffer_size": "8M"}
_MARIADB_CONNECTION = {
    "sort_buffer_size": "512K",
    "join_buffer_size": "256K",
    "read_buffer_size": "128K",
    "read_rnd_buffer_size": "256K",
    "thread_stack": "292K",
    "binlog_cache_size": "32K",
    "tmp_table_size": "2M",
}
_MYSQLTUNER_SHARE = Fraction(85, 100)


def _mariadb_connection(settings: Mapping[str, int | str]) -> Fraction:
    return sum((_mib(settings[name]) for name in _MARIADB_CONNECTION), Fraction(0))


def _mysql(limit_mib: int, *, flavor: str, connections: int, performance_schema: bool, cpus: int) -> Settings:
    """MariaDB: the buffer pool gets what the server, its other buffers and the connections leave of 95 %.

    ``pool = (0.95 limit - fixed - connections x 3.4 x 1.25) / 1.1``, a whole number of 2 MiB. Fixed are 70 for the
    server, 24 for key buffer, Aria cache and log buffer, 95 for the performance schema when it is on. A connection is
    the sum of its buffers as MySQLTuner adds them up (3.4 MiB here, 18.9 with the stock 16 MiB for temporary tables);
    under heavy queries it measured up to 4.3 MiB, hence 1.25. A full pool measured 1.02 of its size, hence 1.1. By
    MySQLTuner's own sum it is never more than 85 % of the limit, where that begins to warn (mysqltuner.pl 2.9.1,
    "Maximum possible memory usage").

    Purging takes 4 threads by default (MariaDB Server documentation, innodb_purge_threads), here no more than CPUs.
    """
    count = max(connections, 20)
    schema = _PERFORMANCE_SCHEMA_MIB if performance_schema else 0
    buffers = sum(_mib(size) for size in _MARIADB_BUFFERS.values())
    working = Fraction(95, 100) * limit_mib - _MARIADB_BASE_MIB - buffers - schema
    pool = (working - count * Fraction(34, 10) * Fraction(125, 100)) / Fraction(11, 10)
    unwarned = _MYSQLTUNER_SHARE * limit_mib - buffers - schema - count * _mariadb_connection(_MARIADB_CONNECTION)
    pool_mib = math.floor(min(pool, unwarned) / 2) * 2
    _at_least("innodb_buffer_pool_size", pool_mib, 64, "M")
    return {
        "innodb_buffer_pool_size": f"{pool_mib}M",
        "innodb_purge_threads": min(cpus, 4),
        "max_connections": count,
        **_MARIADB_BUFFERS,
        **_MARIADB_CONNECTION,
        "max_heap_table_size": _MARIADB_CONNECTION["tmp_table_size"],
        "query_cache_type": 0,
        "query_cache_size": 0,
        "performance_schema": "ON" if performance_schema else "OFF",
    }


def _mysql_worst(settings: Settings, **facts: Any) -> Fraction:
    """The server, a full pool and every connection in a heavy query at once, with the measured factors."""
    return (
        _MARIADB_BASE_MIB
        + (_PERFORMANCE_SCHEMA_MIB if settings["performance_schema"] == "ON" else 0)
        + sum(_mib(settings[name]) for name in (*_MARIADB_BUFFERS, "query_cache_size"))
        + _mib(settings["innodb_buffer_pool_size"]) * Fraction(11, 10)
        + int(settings["max_connections"]) * _mariadb_connection(settings) * Fraction(125, 100)
    )


# Redis and Valkey ---------------------------------------------------------------------------------------------------

_REDIS_BASE_MIB = 16
_EVICTING = (
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
)


def _redis_factor(policy: int | str) -> Fraction:
    return Fraction(22, 10) if policy == "noeviction" else Fraction(125, 100)


def _redis(limit_mib: int, *, flavor: str, eviction_policy: str) -> Settings:
    """Redis and Valkey: ``maxmemory = (limit - 16) / 2.2`` with an append-only file, ``/ 1.25`` for a cache without.

    An idle server took 14 MiB. While the append-only file is rewritten under writes, server and child together took up
    to 2.1 times maxmemory; with less room the kernel killed it ("up to 2 times the memory normally used", Valkey
    documentation, topics/admin.md). Without persistence a full one took 1.10 to 1.15 times maxmemory: fragmentation.

    ``noeviction`` keeps everything in an append-only file; the evicting policies keep nothing on disk, and so never
    fork. The least of use is an estimate: 12 MiB of queues and sessions (ten thousand jobs of 1 KiB), 24 of cache.
    """
    durable = eviction_policy == "noeviction"
    maxmemory = math.floor((limit_mib - _REDIS_BASE_MIB) / _redis_factor(eviction_policy))
    _at_least("maxmemory", maxmemory, 12 if durable else 24, "mb")
    return {
        "maxmemory": f"{maxmemory}mb",
        "maxmemory-policy": eviction_policy,
        "appendonly": "yes" if durable else "no",
        "save": '""',
    }


def _redis_worst(settings: Settings, **facts: Any) -> Fraction:
    return _REDIS_BASE_MIB + _mib(settings["maxmemory"]) * _redis_factor(settings["maxmemory-policy"])


# nginx --------------------------------------------------------------------------------------------------------------

_NGINX_BASE_MIB = 12
_NGINX_WORKER_MIB = 2
_NGINX_CONNECTION_MIB = Fraction(1, 16)


def _nginx(limit_mib: int, *, cpus: int) -> Settings:
    """nginx: a worker a CPU, and as many connections as there is room for at 64 KiB each, up to 2048 a worker.

    Two workers with 768 idle connections took 4 MiB; 12 MiB and 2 a worker leave room for shared zones. 64 KiB is an
    estimate from the defaults in nginx's documentation. A proxied request takes two connections; it has 1 KiB and up to
    4 x 8 KiB of request headers, 16 KiB of body, 9 x 4 KiB of response (client_header_buffer_size,
    large_client_header_buffers, client_body_buffer_size, proxy_buffer_size, proxy_buffers) and some 40 KiB of TLS.
    With two CPUs this is 8 connections a worker for each MiB over 16.
    """
    room = limit_mib - _NGINX_BASE_MIB - cpus * _NGINX_WORKER_MIB
    connections = min(math.floor(room / _NGINX_CONNECTION_MIB / cpus), 2048)
    _at_least("worker_connections", connections, 256)
    return {"worker_processes": cpus, "worker_connections": connections}


def _nginx_worst(settings: Settings, **facts: Any) -> Fraction:
    workers, connections = int(settings["worker_processes"]), int(settings["worker_connections"])
    return _NGINX_BASE_MIB + workers * (_NGINX_WORKER_MIB + connections * _NGINX_CONNECTION_MIB)


# PHP-FPM ------------------------------------------------------------------------------------------------------------

_PHP_BASE_MIB = 32
_OPCACHE_MIB = 128
_SMALL_OPCACHE_MIB = 64


def _php_fpm(limit_mib: int, *, worker_mib: int, workers: int, jit_mib: int) -> Settings:
    """PHP-FPM: ``max_children = (0.95 limit - 32 - opcache - jit) / worker_mib``.

    32 MiB are for the master; with ten bare workers it took 36. The usual rule divides PHP's memory by that of a
    worker, 30 to 80 MiB in Laravel applications, and keeps a margin. The code cache has 128 MiB, or 64 where 128 would
    leave no room for ``workers``, so that a larger limit never has fewer. Below 256 MiB workers start on demand.

    The bound is for workers that hold ``worker_mib``. ``memory_limit`` is twice that, between 128 MiB (PHP's own
    default) and 256, for the single request that needs more: it fails that request with a message. Should several peak
    at once, the kernel kills a worker, and the master starts another.
    """

    def children(opcache_mib: int) -> int:
        return math.floor((Fraction(95, 100) * limit_mib - _PHP_BASE_MIB - opcache_mib - jit_mib) / worker_mib)

    roomy = children(_OPCACHE_MIB) >= workers
    opcache = _OPCACHE_MIB if roomy else _SMALL_OPCACHE_MIB
    count = children(opcache) if roomy else min(children(opcache), workers)
    _at_least("pm.max_children", count, workers)
    return {
        "pm": "dynamic" if limit_mib >= 256 else "ondemand",
        "pm.max_children": count,
        "pm.start_servers": max(1, count // 4),
        "pm.min_spare_servers": max(1, count // 4),
        "pm.max_spare_servers": max(1, count // 2),
        "pm.max_requests": 500,
        "memory_limit": f"{min(max(2 * worker_mib, 128), 256)}M",
        "opcache.memory_consumption": opcache,
        "opcache.jit": "tracing" if jit_mib else "disable",
        "opcache.jit_buffer_size": f"{jit_mib}M",
    }


def _php_fpm_worst(settings: Settings, *, worker_mib: int, **facts: Any) -> Fraction:
    caches = int(settings["opcache.memory_consumption"]) + _mib(settings["opcache.jit_buffer_size"])
    return _PHP_BASE_MIB + caches + int(settings["pm.max_children"]) * worker_mib


def _mib(size: int | str) -> Fraction:
    """The MiB of a size as the engines write it: 8M, 512K, 47mb, 0."""
    match = re.fullmatch(r"(\d+)(k|m|mb)?", str(size).lower())
    if match is None:
        raise ValueError(f"not a size: {size!r}")
    number, unit = match.groups()
    return Fraction(int(number), {None: 2**20, "k": 2**10, "m": 1, "mb": 1}[unit])


_ENGINES = {
    "mysql": _Engine(
        {"flavor": ("mariadb",), "connections": 20, "performance_schema": False, "cpus": 2}, _mysql, _mysql_worst
    ),
    "redis": _Engine(
        {"flavor": ("valkey", "redis"), "eviction_policy": ("noeviction", *_EVICTING)}, _redis, _redis_worst
    ),
    "nginx": _Engine({"cpus": 2}, _nginx, _nginx_worst),
    "php_fpm": _Engine({"worker_mib": 60, "workers": 2, "jit_mib": 0}, _php_fpm, _php_fpm_worst),
}
