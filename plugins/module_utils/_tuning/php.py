# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PHP-FPM, and Laravel Octane on FrankenPHP or Swoole."""

from __future__ import annotations

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils._tuning.engine import (
    USABLE_PERCENT,
    Engine,
    Settings,
    at_least,
    kib,
)

# Laravel applications: 30 to 80 MiB a worker.
WORKER_MIB = 60
MAX_REQUESTS = 500
OPCACHE_MIB = 128
SMALL_OPCACHE_MIB = 64
# With ten bare workers, the master and what all share took 36 MiB together with them.
FPM_BASE_MIB = 32
DYNAMIC_FROM_MIB = 256

# Caddy and what else of FrankenPHP is Go, bounded by GOMEMLIMIT, and PHP's main thread. Estimates, as is Swoole's.
GO_MIB = 64
FRANKENPHP_BASE_MIB = GO_MIB + 16
SWOOLE_BASE_MIB = 48
TASK_WORKERS = 1


def _workers(name: str, limit_mib: int, other_mib: int, worker_mib: int, least: int) -> tuple[int, int]:
    """How many workers fit, and the MiB of the code cache: 128, or 64 where 128 would leave no room for ``least``.

    With the small cache there are never more than ``least``, so that a larger limit never has fewer. ``name`` is that
    of the setting, for the error.
    """

    def fit(opcache_mib: int) -> int:
        return (limit_mib * USABLE_PERCENT - (other_mib + opcache_mib) * 100) // (worker_mib * 100)

    if fit(OPCACHE_MIB) >= least:
        return fit(OPCACHE_MIB), OPCACHE_MIB
    at_least(name, fit(SMALL_OPCACHE_MIB), least)
    return least, SMALL_OPCACHE_MIB


def _memory_limit(worker_mib: int) -> str:
    """Twice what is planned for a worker, between 128 MiB (PHP's own default) and 256: see `_fpm_settings`."""
    return f"{min(max(2 * worker_mib, 128), 256)}M"


def _fpm_settings(limit_mib: int, *, worker_mib: int, workers: int, jit_mib: int) -> Settings:
    """PHP-FPM: ``max_children = (0.95 limit - 32 - opcache - jit) / worker_mib``.

    The usual rule divides PHP's memory by that of a worker, and keeps a margin. ``worker_mib`` is what the container's
    memory grows by with one: the resident sizes of bare workers add up to four times that, since each counts the pages
    that all share. Below 256 MiB workers start on demand.

    The bound is for workers that hold ``worker_mib``. ``memory_limit`` is twice that, between 128 MiB and 256, for the
    single request that needs more: it fails that request with a message. Should several peak at once, the kernel kills
    a worker, and the master starts another.
    """
    count, opcache = _workers("pm.max_children", limit_mib, FPM_BASE_MIB + jit_mib, worker_mib, workers)
    return {
        "pm": "dynamic" if limit_mib >= DYNAMIC_FROM_MIB else "ondemand",
        "pm.max_children": count,
        "pm.start_servers": max(1, count // 4),
        "pm.min_spare_servers": max(1, count // 4),
        "pm.max_spare_servers": max(1, count // 2),
        "pm.max_requests": MAX_REQUESTS,
        "memory_limit": _memory_limit(worker_mib),
        "opcache.memory_consumption": opcache,
        "opcache.jit": "tracing" if jit_mib else "disable",
        "opcache.jit_buffer_size": f"{jit_mib}M",
    }


def _fpm_worst_kib(settings: Settings, *, worker_mib: int, **facts: Any) -> int:
    mib = FPM_BASE_MIB + int(settings["opcache.memory_consumption"]) + int(settings["pm.max_children"]) * worker_mib
    return mib * 1024 + kib(settings["opcache.jit_buffer_size"])


def _fpm_summary(settings: Settings) -> str:
    return f"{settings['pm.max_children']} workers, opcache {settings['opcache.memory_consumption']}M"


def _octane_settings(limit_mib: int, *, server: str, worker_mib: int, workers: int, cpus: int) -> Settings:
    """Octane: ``workers = (0.95 limit - server - opcache) / worker_mib``; at most four a CPU, with Swoole two.

    Octane's own "auto" is by CPUs alone. FrankenPHP's documentation (docs/performance.md) has twice the CPUs, says to
    keep threads x memory_limit under what there is, and to set GOMEMLIMIT; that bounds its Go part only, so it is 64
    MiB here and not the container's limit. Swoole starts a task worker a CPU besides, which holds the application like
    any other; here it has one, for `Octane::concurrently` and ticks. ``workers`` wins over the number of CPUs.

    ``memory_limit`` is as for PHP-FPM, but there is no master that outlives a worker: ``worker_mib`` must be what the
    application's workers do come to hold before they are replaced, after 500 requests.

    ``octane:start`` takes OCTANE_WORKERS, OCTANE_TASK_WORKERS and OCTANE_MAX_REQUESTS as options; php.ini can name
    ``${PHP_MEMORY_LIMIT}`` and ``${PHP_OPCACHE_MEMORY_CONSUMPTION}``.
    """
    franken = server == "frankenphp"
    other = FRANKENPHP_BASE_MIB if franken else SWOOLE_BASE_MIB + TASK_WORKERS * worker_mib
    count, opcache = _workers("OCTANE_WORKERS", limit_mib, other, worker_mib, workers)
    own = {"GOMEMLIMIT": f"{GO_MIB}MiB"} if franken else {"OCTANE_TASK_WORKERS": str(TASK_WORKERS)}
    return {
        "OCTANE_SERVER": server,
        "OCTANE_WORKERS": str(min(count, max(cpus * (4 if franken else 2), workers))),
        "OCTANE_MAX_REQUESTS": str(MAX_REQUESTS),
        **own,
        "PHP_MEMORY_LIMIT": _memory_limit(worker_mib),
        "PHP_OPCACHE_MEMORY_CONSUMPTION": str(opcache),
    }


def _octane_worst_kib(settings: Settings, *, worker_mib: int, **facts: Any) -> int:
    if settings["OCTANE_SERVER"] == "frankenphp":
        base_kib, processes = kib(settings["GOMEMLIMIT"]) + (FRANKENPHP_BASE_MIB - GO_MIB) * 1024, 0
    else:
        base_kib, processes = SWOOLE_BASE_MIB * 1024, int(settings["OCTANE_TASK_WORKERS"])
    processes += int(settings["OCTANE_WORKERS"])
    return base_kib + (int(settings["PHP_OPCACHE_MEMORY_CONSUMPTION"]) + processes * worker_mib) * 1024


def _octane_summary(settings: Settings) -> str:
    return f"{settings['OCTANE_SERVER']}, {settings['OCTANE_WORKERS']} workers"


PHP_FPM = Engine({"worker_mib": WORKER_MIB, "workers": 2, "jit_mib": 0}, _fpm_settings, _fpm_worst_kib, _fpm_summary)
OCTANE = Engine(
    {"server": ("frankenphp", "swoole"), "worker_mib": WORKER_MIB, "workers": 1, "cpus": 2},
    _octane_settings,
    _octane_worst_kib,
    _octane_summary,
)
