# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack looks like now, beside what it should look like.

PRIVATE to the collection. Pure; all figures are whole MiB, None is "not known" or "no limit".
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils._columns import WIDTH, columns

__all__ = ["status", "table"]

Container = Mapping[str, Any]

WELL = ("healthy", "running")

# A limit that a hint proposes has this part of it in use, in percent. Limits stand on multiples of the step.
_GOOD_USE_PERCENT = 75
_STEP_MIB = 8
_LOW_PERCENT = 50
_HIGH_PERCENT = 90

_VERSION_WIDTH = 24
_FIGURES = {
    "planned": "planned_mib",
    "limit": "limit_mib",
    "used": "current_mib",
    "peak": "peak_mib",
    "kills": "oom_kills",
}


def status(containers: Sequence[Container], plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``{well, problems, hints, services}`` for the containers that `onebox.stack.memory_info` found.

    ``plan`` is the memory plan: what should run, how many replicas, and with which limit. A service is ``{name,
    version, health, running, replicas, planned_mib, limit_mib, current_mib, held_mib, peak_mib, started_at,
    restarts, oom_kills}``; of several replicas the largest figures, the earliest start, the sums of restarts and kills,
    and the worst health. Problems make a stack unwell, hints do not; both are sentences.
    """
    by_name: dict[str, list[Container]] = {name: [] for name in plan["services"]}
    for container in containers:
        if container["service"] in by_name:
            by_name[container["service"]].append(container)
    services = [_service(name, found, plan["services"][name]) for name, found in sorted(by_name.items())]
    problems = [problem for service in services for problem in _problems(service)]
    return {
        "well": not problems,
        "problems": problems,
        "hints": [
            hint for service in services for hint in _hints(service, plan["services"][service["name"]]["floor_mib"])
        ],
        "services": services,
    }


def _service(name: str, found: Sequence[Container], planned: Mapping[str, Any]) -> dict[str, Any]:
    healths = [container["health"] or container["state"] for container in found]
    sick = [health for health in healths if health not in WELL]
    return {
        "name": name,
        "version": _version(found[0]["image"]) if found else "",
        "health": (sick or healths or ["missing"])[0],
        "running": len(found),
        "replicas": planned["replicas"],
        "planned_mib": planned["limit_mib"],
        **{figure: _most(found, figure) for figure in ("limit_mib", "current_mib", "held_mib", "peak_mib")},
        "started_at": min((container["started_at"] for container in found), default=None),
        "restarts": sum(container["restarts"] for container in found),
        "oom_kills": sum(container["oom_kills"] or 0 for container in found),
    }


def _version(image: str) -> str:
    """The tag of an image, or the beginning of its digest."""
    name, _at, digest = image.rsplit("/", 1)[-1].partition("@")
    tag = name.partition(":")[2]
    return tag or digest.partition(":")[2][:12]


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
            f"{name}: killed {_times(service['oom_kills'])} for want of memory; "
            f"raise onebox_memory.{name}.limit_mib above {service['planned_mib']}"
        )
    return found


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _hints(service: Mapping[str, Any], floor_mib: int) -> list[str]:
    found = []
    if service["restarts"]:
        found.append(
            f"{service['name']}: restarted {_times(service['restarts'])} by Docker; its log may say why "
            "(a kill of the first process restarts its container, and is not among the kills)"
        )
    return [*found, *_limit_hints(service, floor_mib)]


def _limit_hints(service: Mapping[str, Any], floor_mib: int) -> list[str]:
    """Whether the limit in force is far from what is used, at most one sentence.

    Too small is judged by what the kernel cannot take back now, since file cache fills what a limit leaves; too large
    by the peak with all file cache, since nothing that was ever used is missing in it. What is proposed is a fixed
    limit, which every request accepts from its floor up.
    """
    name, limit, held, peak = (service[key] for key in ("name", "limit_mib", "held_mib", "peak_mib"))
    if limit and held is not None and held * 100 > limit * _HIGH_PERCENT:
        return [
            f"{name}: holds {held} of {limit} MiB, without file cache; "
            f"{_limit_for(held)} would give it room (onebox_memory.{name}.limit_mib)"
        ]
    if limit and peak is not None and peak * 100 < limit * _LOW_PERCENT:
        enough = max(_limit_for(peak), floor_mib)
        if enough < limit:
            return [
                f"{name}: used {peak} of {limit} MiB at the most since {service['started_at']}; "
                f"if that was full load, {enough} is enough (onebox_memory.{name}.limit_mib)"
            ]
    return []


def _limit_for(used_mib: int) -> int:
    """The limit of which this much is a good use."""
    return -(-used_mib * 100 // (_GOOD_USE_PERCENT * _STEP_MIB)) * _STEP_MIB


def table(now: Mapping[str, Any]) -> str:
    """Return the status as plain text, at most 100 columns, MiB: a row a service, what is wrong, and hints."""
    rows = [["MiB", "version", "health", *_FIGURES], *map(_row, now["services"])]
    verdict = [f"! {problem}" for problem in now["problems"]] or ["all is well"]
    sentences = [*verdict, *(f"hint: {hint}" for hint in now["hints"])]
    return "\n".join([*columns(rows, right=range(3, 3 + len(_FIGURES))), "", *map(_wrapped, sentences)])


def _row(service: Mapping[str, Any]) -> list[str]:
    version = service["version"][:_VERSION_WIDTH] or "-"
    figures = (service[key] for key in _FIGURES.values())
    return [
        service["name"],
        version,
        service["health"],
        *("-" if figure is None else str(figure) for figure in figures),
    ]


def _wrapped(sentence: str) -> str:
    return textwrap.fill(sentence, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
