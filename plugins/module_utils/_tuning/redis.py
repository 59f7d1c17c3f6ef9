# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis and Valkey."""

from __future__ import annotations

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils._tuning.engine import Engine, Settings, at_least, kib

# An idle server took 14 MiB.
BASE_MIB = 16
# While the append-only file is rewritten under writes, server and child together took up to 2.1 times maxmemory.
DURABLE_PERCENT = 220
# Without persistence, a full server took 1.10 to 1.15 times maxmemory: fragmentation.
CACHE_PERCENT = 125
# An estimate of what is of use: 12 MiB of queues and sessions are ten thousand jobs of 1 KiB.
LEAST_DURABLE_MIB = 12
LEAST_CACHE_MIB = 24

EVICTING = (
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
)


def _percent(policy: int | str) -> int:
    return DURABLE_PERCENT if policy == "noeviction" else CACHE_PERCENT


def _settings(limit_mib: int, *, flavor: str, eviction_policy: str) -> Settings:
    """``maxmemory = (limit - 16) / 2.2`` with an append-only file, ``/ 1.25`` for a cache without.

    A fork copies what is written to meanwhile: "up to 2 times the memory normally used" (Valkey documentation,
    topics/admin.md). With maxmemory at 74 and 60 % of the limit the kernel killed the server while it rewrote its file
    under writes; at 45 % it survived. The usual 75 % is for caches, and for hosts with memory to spare.

    ``noeviction`` keeps everything in an append-only file; the evicting policies keep nothing on disk, and so never
    fork.
    """
    durable = eviction_policy == "noeviction"
    maxmemory = (limit_mib - BASE_MIB) * 100 // _percent(eviction_policy)
    at_least("maxmemory", maxmemory, LEAST_DURABLE_MIB if durable else LEAST_CACHE_MIB, "mb")
    return {
        "maxmemory": f"{maxmemory}mb",
        "maxmemory-policy": eviction_policy,
        "appendonly": "yes" if durable else "no",
        "save": '""',
    }


def _worst_kib(settings: Settings, **facts: Any) -> int:
    """The server, full, and what its child copies."""
    return BASE_MIB * 1024 + -(-kib(settings["maxmemory"]) * _percent(settings["maxmemory-policy"]) // 100)


def _summary(settings: Settings) -> str:
    return f"{settings['maxmemory']}, {settings['maxmemory-policy']}"


REDIS = Engine(
    {"flavor": ("valkey", "redis"), "eviction_policy": ("noeviction", *EVICTING)}, _settings, _worst_kib, _summary
)
