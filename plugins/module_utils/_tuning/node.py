# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Node, and soketi, which runs on it."""

from __future__ import annotations

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils._tuning.engine import Engine, Settings, at_least, kib

_FLAG = "--max-old-space-size="
# What is outside the old space, at the least: a bare server took 43 MiB, and the young generation has up to 48.
OUTSIDE_MIB = 96
# A small NestJS application used 76 to 103 MiB in all; soketi, idle, 103.
LEAST_HEAP_MIB = 64


def _settings(limit_mib: int) -> Settings:
    """``max-old-space-size = min(0.75 limit, limit - 96)``: a full heap ends in Node's own error, not in a kill.

    "Node sees the container's limit by itself" is only half right: 18 to 24 have a heap of 259 MiB in every container
    of up to 512, so that the kernel kills the process at 128, 192 and 256 before the collector is hard pressed
    (measured; with this flag the same programs ended with "heap out of memory"), and of little more than half of it
    above, which leaves the rest unused.
    """
    heap = min(limit_mib * 3 // 4, limit_mib - OUTSIDE_MIB)
    at_least("max-old-space-size", heap, LEAST_HEAP_MIB)
    return {"NODE_OPTIONS": f"{_FLAG}{heap}"}


def _heap_mib(settings: Settings) -> int:
    return kib(str(settings["NODE_OPTIONS"]).replace(_FLAG, "") + "M") // 1024


def _worst_kib(settings: Settings, **facts: Any) -> int:
    """The heap, and what is outside it, which grows with it."""
    heap_kib = _heap_mib(settings) * 1024
    return heap_kib + max(OUTSIDE_MIB * 1024, -(-heap_kib // 3))


def _summary(settings: Settings) -> str:
    return f"heap {_heap_mib(settings)}M"


NODE = Engine({}, _settings, _worst_kib, _summary)
