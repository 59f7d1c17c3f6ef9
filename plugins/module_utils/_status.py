# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack looks like now, beside what it should look like.

PRIVATE to the collection. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Container = Mapping[str, Any]

WELL = ("healthy", "running")


def status(containers: Sequence[Container], requests: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return ``{well, problems, services}`` for the containers that `onebox.stack.memory_info` found.

    ``requests`` are those of the memory plan: what should run, and how many replicas. A service is ``{name, version,
    health, replicas, limit_mib, current_mib, peak_mib, oom_kills}``; of several replicas the largest figures, the
    sum of the kills, and the worst health.
    """
    by_name: dict[str, list[Container]] = {name: [] for name in requests}
    for container in containers:
        if container["service"] in by_name:
            by_name[container["service"]].append(container)
    services = [_service(name, found, requests[name].get("replicas", 1)) for name, found in sorted(by_name.items())]
    problems = [problem for service in services for problem in _problems(service)]
    return {"well": not problems, "problems": problems, "services": services}


def _service(name: str, found: Sequence[Container], replicas: int) -> dict[str, Any]:
    healths = [container["health"] or container["state"] for container in found]
    sick = [health for health in healths if health not in WELL]
    return {
        "name": name,
        "version": found[0]["image"].rsplit(":", 1)[-1] if found else "",
        "health": (sick or healths or ["missing"])[0],
        "running": len(found),
        "replicas": replicas,
        **{figure: _most(found, figure) for figure in ("limit_mib", "current_mib", "peak_mib")},
        "oom_kills": sum(container["oom_kills"] or 0 for container in found),
    }


def _most(found: Sequence[Container], figure: str) -> int | None:
    known = [container[figure] for container in found if container[figure] is not None]
    return max(known) if known else None


def _problems(service: Mapping[str, Any]) -> list[str]:
    name = service["name"]
    found = []
    if service["running"] != service["replicas"]:
        found.append(f"{name}: {service['running']} of {service['replicas']} containers run")
    elif service["health"] not in WELL:
        found.append(f"{name}: {service['health']}")
    if service["oom_kills"]:
        found.append(
            f"{name}: killed {service['oom_kills']} times for want of memory; raise its limit in onebox_memory"
        )
    return found


def table(now: Mapping[str, Any]) -> str:
    """Return the status as plain text, at most 100 columns, MiB."""
    columns = ("service", "version", "health", "limit", "use", "peak", "kills")
    figures = ("name", "version", "health", "limit_mib", "current_mib", "peak_mib", "oom_kills")
    rows = [columns, *(tuple(_cell(service[figure]) for figure in figures) for service in now["services"])]
    widths = [min(28, max(len(row[column]) for row in rows)) for column in range(len(columns))]
    lines = []
    for row in rows:
        cells = [
            cell[:width].ljust(width) if i < 3 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(cells).rstrip())
    verdict = [f"! {problem}" for problem in now["problems"]] or ["all is well"]
    return "\n".join([*lines, "", *verdict])


def _cell(value: Any) -> str:
    return "-" if value is None or value == "" else str(value)
