# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process of an app needs, by what runs in it.

PRIVATE to the collection. Pure. A process is as `onebox_apps` has it; None is one with nothing but its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.onebox.stack.plugins.module_utils import _tuning

Process = Mapping[str, Any]

RUNTIMES = ("php_fpm", "octane", "node", "puma", "sidekiq", "gotenberg", "none")

# Keys of a process that are facts of its engine's tuning, too.
FACTS: dict[str, type] = {"worker_mib": int, "workers": int, "jit_mib": int, "server": str}


class Ask(NamedTuple):
    """MiB for one replica. The floor is the engine's, where there is one."""

    ideal_mib: int
    ceiling_mib: int
    priority: int
    weight: int
    floor_mib: int | None = None


# What a process asks for when the app does not say. What serves requests comes to its ideal first.
# Measured were a small NestJS application (76 to 103 MiB), a small Rails one (75 to 173) and bare Sidekiq (46); Laravel
# applications have 30 to 80 MiB a worker, and Gotenberg was seen to fail with 512 MiB. The rest are estimates.
_ASKS = {
    "php_fpm": Ask(416, 1024, priority=0, weight=4),
    "octane": Ask(448, 1024, priority=0, weight=4),
    "node": Ask(256, 512, priority=0, weight=3),
    "puma": Ask(384, 768, priority=0, weight=4),
    "sidekiq": Ask(384, 768, priority=1, weight=3),
    "gotenberg": Ask(640, 1024, priority=2, weight=1),
    # Without a runtime: a server of requests, the process named scheduler, and any other.
    "server": Ask(256, 512, priority=0, weight=3, floor_mib=160),
    "scheduler": Ask(96, 192, priority=1, weight=1, floor_mib=64),
    "worker": Ask(192, 384, priority=1, weight=2, floor_mib=96),
}

# The pool of a Node process: the default of node-postgres ("max") and of mysql2 ("connectionLimit").
_POOL = 10


def runtime(process: Process | None) -> str:
    """Return what runs in the process; PHP-FPM where it speaks FastCGI and does not say."""
    own = process or {}
    return str(own.get("runtime") or ("php_fpm" if own.get("kind") == "fastcgi" else "none"))


def tuning(process: Process | None, cpus: int) -> dict[str, Any]:
    """Return the engine of the process and its facts, as `_tuning.tuning` takes them; empty for one without."""
    engine = runtime(process)
    if engine == "none":
        return {}
    known = _tuning.ENGINES[engine].facts
    own = {fact: value for fact, value in (process or {}).items() if fact in FACTS}
    return {"engine": engine, **({"cpus": cpus} if "cpus" in known else {}), **own}


def request(name: str, process: Process | None, cpus: int) -> dict[str, Any]:
    """Return what the process asks of the memory plan, its own wishes not yet laid over it."""
    own = process or {}
    engine = runtime(process)
    sort = engine if engine != "none" else "server" if "kind" in own else "worker"
    ask = _ASKS["scheduler" if sort == "worker" and name == "scheduler" else sort]
    figures = {key: value for key, value in ask._asdict().items() if value is not None}
    described = tuning(process, cpus)
    return {
        **figures,
        "replicas": own.get("replicas", 1),
        "rolling": "kind" in own,
        **({"tuning": described} if described else {}),
    }


def connections(process: Process | None, limit_mib: int, cpus: int) -> int:
    """Return how many connections to a database one container of this limit opens at the most.

    One for each that may be in a query at once: PHP's workers, Rails' threads, Sidekiq's jobs; a Node process has a
    pool, and so may any other server. Whatever else runs is one.
    """
    described = tuning(process, cpus)
    if not described:
        return _POOL if "kind" in (process or {}) else 1
    settings = {name: str(value) for name, value in _tuning.tuning(limit_mib, **described).items()}
    if described["engine"] == "php_fpm":
        return int(settings["pm.max_children"])
    if described["engine"] == "octane":
        return int(settings["OCTANE_WORKERS"]) + int(settings.get("OCTANE_TASK_WORKERS", 0))
    if described["engine"] in ("puma", "sidekiq"):
        return max(1, int(settings.get("WEB_CONCURRENCY", 1))) * int(settings["RAILS_MAX_THREADS"])
    return _POOL if described["engine"] == "node" else 0
