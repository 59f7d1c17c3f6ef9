# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Meilisearch."""

from __future__ import annotations

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils._tuning.engine import Engine, Settings, at_least, kib

# Nothing here was measured: estimates, from 200 to 400 MiB in use.
BASE_MIB = 64
INDEXING_PERCENT = 60
MOST_PERCENT = 50
LEAST_INDEXING_MIB = 76


def _settings(limit_mib: int, *, cpus: int) -> Settings:
    """``MEILI_MAX_INDEXING_MEMORY = 0.6 (limit - 64)`` up to half of the limit, and a thread for two CPUs.

    Its default is two thirds of the machine's memory, whatever the container's limit (Meilisearch documentation,
    "Impact of RAM and multi-threading on indexing performance"; meilisearch/meilisearch issue 4686), and every CPU.
    What it writes through the map of its database comes on top of the budget (issues 4764, 6112): hence the 0.6.
    """
    indexing = min((limit_mib - BASE_MIB) * INDEXING_PERCENT, limit_mib * MOST_PERCENT) // 100
    at_least("MEILI_MAX_INDEXING_MEMORY", indexing, LEAST_INDEXING_MIB, "MiB")
    return {"MEILI_MAX_INDEXING_MEMORY": f"{indexing}MiB", "MEILI_MAX_INDEXING_THREADS": str(max(1, cpus // 2))}


def _worst_kib(settings: Settings, **facts: Any) -> int:
    """The server, the budget, and what is written beside it."""
    return BASE_MIB * 1024 + -(-kib(settings["MEILI_MAX_INDEXING_MEMORY"]) * 100 // INDEXING_PERCENT)


def _summary(settings: Settings) -> str:
    mib = kib(settings["MEILI_MAX_INDEXING_MEMORY"]) // 1024
    return f"indexing {mib}M, threads {settings['MEILI_MAX_INDEXING_THREADS']}"


MEILISEARCH = Engine({"cpus": 2}, _settings, _worst_kib, _summary)
