# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A memory plan as a table of plain text, and the words that every picture of a plan shares.

PRIVATE to the collection. Pure. A plan is what `_memory.plan` returns; all figures are whole MiB.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils._columns import columns, fit

__all__ = ["by_size", "changes", "order_in_words", "rest", "share", "table"]

Plan = Mapping[str, Any]

_NUMBERS = ("replicas", "floor", "limit", "share")
_USED = {"used": "current_mib", "peak": "peak_mib"}


def table(plan: Plan, used: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """The plan as lines of at most 100 columns, in MiB: the services from the largest down, then everything else.

    A limit, a floor and what is used are for one replica; a share is for all of them, of the total. ``used`` is
    ``{name: {current_mib, peak_mib}}``, None where it is not known; a service that it lacks shows a dash. A name that
    is too long for its column has a line of its own.
    """
    total = plan["total_mib"]
    rows = [["MiB", *_NUMBERS, *(_USED if used else ()), "settings"]]
    for name, service in by_size(plan):
        limit, replicas = service["limit_mib"], service["replicas"]
        figures = [replicas, service["floor_mib"], limit, share(limit * replicas, total)]
        if used:
            figures += [used.get(name, {}).get(key) for key in _USED.values()]
        rows.append([name, *("-" if figure is None else str(figure) for figure in figures), service.get("summary", "")])
    empty = [""] * (len(rows[0]) - len(_NUMBERS) - 1)
    for label, mib in [*rest(plan), ("total", total)]:
        rows.append([label, "", "", str(mib), share(mib, total), *empty])
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    lines = columns(rows, right=range(1, 1 + len(_NUMBERS) + (len(_USED) if used else 0)))
    if plan["spare_mib"] >= 0:
        lines.append(f"update order: {order_in_words(plan)}")
    lines += [fit(f"limit changes: {change}") for change in changes(plan)]
    return "\n".join(lines)


def by_size(plan: Plan) -> list[tuple[str, Mapping[str, Any]]]:
    """The services, from the largest in all its replicas down."""
    return sorted(plan["services"].items(), key=lambda item: (-item[1]["limit_mib"] * item[1]["replicas"], item[0]))


def rest(plan: Plan) -> list[tuple[str, int]]:
    """What is not the services' own, ``(label, MiB)`` each; what is missing is shown in the place of what is spare."""
    spare = plan["spare_mib"]
    return [
        ("reserve", plan["reserve_mib"]),
        ("jobs", plan["jobs_mib"]),
        ("rollout copy", plan["rollout_mib"]),
        ("spare", spare) if spare >= 0 else ("missing", -spare),
    ]


def share(mib: int, total_mib: int) -> str:
    """A part of the total, as 12.5%."""
    return f"{mib / total_mib:.1%}" if total_mib else "-"


def order_in_words(plan: Plan) -> str:
    """How a release takes the place of the one before it."""
    if plan["update_order"] == "stop-first":
        return "stop-first, an old replica stops before its new one starts: both at once do not fit"
    if plan["rollout_mib"] == 0:
        return "start-first, and no service here needs a copy for it"
    return "start-first, a new replica is healthy before its old one stops"


def changes(plan: Plan) -> list[str]:
    """Each limit in force that the plan alters, as ``mysql 432 -> 400``."""
    return [f"{change['name']} {change['from']} -> {change['to']}" for change in plan["changes"]]
