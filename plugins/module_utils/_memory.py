# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Divide the memory of one host among its services.

PRIVATE to the collection. Pure; all figures are whole MiB.

The limits of all containers, the reserve of the system, the largest one-off job and one spare copy for a rollout fit in
memory together. Limits grow one step at a time, in an order that does not depend on the total, and growing stops at the
first step that does not fit: the plan for a smaller host is the beginning of the plan for a larger one, and more memory
never lowers a limit. (M. L. Balinski and H. P. Young, "Fair Representation", 1982: divisor methods are monotone, the
largest remainder is not.) Within a priority the next step is for whoever is least far on the way from floor to ideal;
above the ideals it is for whoever has the least for its weight, which is weighted max-min fairness (D. Bertsekas and
R. Gallager, "Data Networks", 1992, section 6.5).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ansible_collections.onebox.stack.plugins.module_utils._checks import hint, whole_number

__all__ = ["PlanError", "ideals", "plan", "table"]

# A new kernel changes MemTotal by a few MiB, which must not change the plan.
TOTAL_STEP_MIB = 64

# Proportional set size of idle processes, measured with Docker 20.10 on Debian 12; the system's share is an estimate.
SYSTEM_MIB = 180
DOCKER_MIB = 131
CONTAINER_MIB = 9
PORT_MIB = 3
SLACK_MIB = 128
SLACK_PERCENT = 5

_MINIMA = {
    "floor_mib": 1,
    "ideal_mib": 1,
    "ceiling_mib": 1,
    "limit_mib": 1,
    "priority": 0,
    "weight": 1,
    "replicas": 1,
    "ports": 0,
}
_REQUIRED = ("floor_mib", "ideal_mib", "ceiling_mib")
_FLAGS = ("rolling", "optional", "managed")


class PlanError(ValueError):
    """The floors do not fit. ``shortfall_mib`` is what is missing; the text has the table and the remedies."""

    def __init__(self, message: str, shortfall_mib: int) -> None:
        super().__init__(message)
        self.shortfall_mib = shortfall_mib


@dataclass(frozen=True)
class _Service:
    name: str
    floor_mib: int
    ideal_mib: int
    ceiling_mib: int
    priority: int = 1
    weight: int = 1
    replicas: int = 1
    rolling: bool = False
    limit_mib: int | None = None
    ports: int = 0
    optional: bool = False
    managed: bool = False

    @property
    def least_mib(self) -> int:
        return self.floor_mib if self.limit_mib is None else self.limit_mib

    def accepts(self, limit_mib: int) -> bool:
        if self.limit_mib is not None:
            return limit_mib == self.limit_mib
        return self.floor_mib <= limit_mib <= self.ceiling_mib


@dataclass(frozen=True)
class _Host:
    """The memory that is not the services' own: ``reserve_mib`` None is computed."""

    total_mib: int
    reserve_mib: int | None
    jobs_mib: int

    def reserve(self, services: Iterable[_Service]) -> int:
        return sum(self.reserve_terms(services).values()) if self.reserve_mib is None else self.reserve_mib

    def reserve_terms(self, services: Iterable[_Service]) -> dict[str, int]:
        services = tuple(services)
        containers = sum(service.replicas for service in services)
        ports = sum(service.ports for service in services)
        return {
            "system": SYSTEM_MIB,
            "Docker": DOCKER_MIB,
            f"containers ({containers})": CONTAINER_MIB * containers,
            f"published ports ({ports})": PORT_MIB * ports,
            "slack": max(SLACK_MIB, -(-self.total_mib * SLACK_PERCENT // 100)),
        }

    def budget(self, services: Iterable[_Service]) -> int:
        return self.total_mib - self.reserve(services) - self.jobs_mib

    def shortfall(self, services: Sequence[_Service]) -> int:
        return sum(service.least_mib * service.replicas for service in services) - self.budget(services)


def plan(
    requests: Mapping[str, Mapping[str, Any]],
    total_mib: int,
    *,
    reserve_mib: int | None = None,
    jobs_mib: int = 0,
    step_mib: int = 8,
    current: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Plan a limit for each service of one host.

    ``requests`` is ``{name: {floor_mib, ideal_mib, ceiling_mib, priority=1, weight=1, replicas=1, rolling=False,
    limit_mib=None, ports=0, optional=False, managed=False}}``. A limit is for one replica. It stands on a multiple of
    ``step_mib``, or at its floor, ideal, ceiling or pinned ``limit_mib``.

    ``total_mib`` is rounded down to 64 MiB first. ``reserve_mib`` None is computed: 180 for the system, 131 for Docker,
    9 a container, 3 a published port, and 5 % of the total but at least 128. ``jobs_mib`` is the largest one-off job.

    Floors come first; then everybody's ideal, the lower ``priority`` number before the higher and with equal progress
    within one; then the ceilings, by ``weight``. One more replica of the largest ``rolling`` service is kept free for a
    rollout ("start-first") where the floors leave room for it; else a deploy stops the old one first ("stop-first").

    ``current`` is ``{name: limit}`` in force. Those that their requests still accept are kept when they fit together
    with the rollout's copy and everyone else's floor, and the others share what is left. Otherwise the plan is made
    afresh: a rollout that starts first is not given up in silence for the sake of a limit.

    Returns ``{total_mib, reserve_mib, jobs_mib, rollout_mib, update_order, spare_mib, changes: [{name, from, to}],
    services: {name: {limit_mib, reservation_mib, replicas}}}``. ``changes`` lists each limit in force that the plan
    alters; ``reservation_mib`` is the floor, for the kernel to protect from reclaim. Limits x replicas, reserve, jobs,
    rollout and spare add up to the total.

    Raises PlanError when the floors do not fit, and ValueError for input that makes no sense.
    """
    services = _services(requests)
    given_mib = whole_number("total_mib", total_mib, 1)
    host = _Host(
        total_mib=given_mib - given_mib % TOTAL_STEP_MIB,
        reserve_mib=None if reserve_mib is None else whole_number("reserve_mib", reserve_mib, 0),
        jobs_mib=whole_number("jobs_mib", jobs_mib, 0),
    )
    step = whole_number("step_mib", step_mib, 1)
    in_force = _in_force(current)

    if host.shortfall(services) > 0:
        raise _refusal(services, host, given_mib)
    budget = host.budget(services)
    floors = {service.name: service.least_mib for service in services}
    start_first = _use(services, floors, with_copy=True) <= budget
    kept = {s.name: in_force[s.name] for s in services if s.name in in_force and s.accepts(in_force[s.name])}
    if _use(services, {**floors, **kept}, start_first) > budget:
        kept = {}
    growing = [service for service in services if service.name not in kept and service.limit_mib is None]
    limits = _grow(services, growing, {**floors, **kept}, budget, step, start_first)

    rollout = _copy(services, limits) if start_first else 0
    return {
        "total_mib": host.total_mib,
        "reserve_mib": host.reserve(services),
        "jobs_mib": host.jobs_mib,
        "rollout_mib": rollout,
        "update_order": "start-first" if start_first else "stop-first",
        "spare_mib": budget - _use(services, limits, start_first),
        "changes": [
            {"name": name, "from": in_force[name], "to": limit}
            for name, limit in limits.items()
            if name in in_force and in_force[name] != limit
        ],
        "services": _shares(services, limits),
    }


def ideals(requests: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return ``{services}`` as `plan` does, without a host to fit into: each has its pinned limit, or its ideal.

    Raises ValueError for input that makes no sense.
    """
    services = _services(requests)
    return {"services": _shares(services, {s.name: s.limit_mib or s.ideal_mib for s in services})}


def _shares(services: Iterable[_Service], limits: Mapping[str, int]) -> dict[str, dict[str, int]]:
    return {
        service.name: {
            "limit_mib": limits[service.name],
            "reservation_mib": service.floor_mib,
            "replicas": service.replicas,
        }
        for service in services
    }


def _services(requests: Mapping[str, Mapping[str, Any]]) -> list[_Service]:
    """The requests, checked and sorted by name."""
    if not isinstance(requests, Mapping):
        raise ValueError(f"requests must be a dictionary of services, not {type(requests).__name__}")
    return [_service(name, requests[name]) for name in sorted(requests, key=str)]


def _service(name: str, request: Mapping[str, Any]) -> _Service:
    if not isinstance(name, str) or not name:
        raise ValueError(f"a service needs a name, not {name!r}")
    if not isinstance(request, Mapping):
        raise ValueError(f"{name}: a request must be a dictionary, not {type(request).__name__}")
    known = (*_MINIMA, *_FLAGS)
    for key in request:
        if key not in known:
            raise ValueError(f"{name}: unknown key {key!r}{hint(key, known)}")
    for key in _REQUIRED:
        if key not in request:
            raise ValueError(f"{name}: {key} is missing")
    values: dict[str, Any] = {}
    for key, value in request.items():
        if key in _FLAGS:
            if not isinstance(value, bool):
                raise ValueError(f"{name}: {key} must be true or false, not {value!r}")
            values[key] = value
        elif key != "limit_mib" or value is not None:
            values[key] = whole_number(f"{name}: {key}", value, _MINIMA[key])
    service = _Service(name=name, **values)
    for lower, upper in (("floor_mib", "ideal_mib"), ("ideal_mib", "ceiling_mib"), ("floor_mib", "limit_mib")):
        low, high = getattr(service, lower), getattr(service, upper)
        if high is not None and high < low:
            raise ValueError(f"{name}: {upper} {high} is below {lower} {low}; raise {upper} or lower {lower}")
    return service


def _in_force(current: Mapping[str, int] | None) -> dict[str, int]:
    if current is None:
        return {}
    if not isinstance(current, Mapping):
        raise ValueError(f"current must be a dictionary of limits in MiB, not {type(current).__name__}")
    return {name: whole_number(f"current: {name}", limit, 1) for name, limit in current.items()}


def _copy(services: Iterable[_Service], limits: Mapping[str, int]) -> int:
    """One more replica of the largest rolling service: deploys go one replica at a time."""
    return max((limits[service.name] for service in services if service.rolling), default=0)


def _use(services: Iterable[_Service], limits: Mapping[str, int], with_copy: bool) -> int:
    services = tuple(services)
    steady = sum(limits[service.name] * service.replicas for service in services)
    return steady + (_copy(services, limits) if with_copy else 0)


def _grow(
    services: Sequence[_Service],
    growing: Sequence[_Service],
    start: Mapping[str, int],
    budget: int,
    step: int,
    start_first: bool,
) -> dict[str, int]:
    """Grow the limits of ``growing`` from ``start`` for as long as the next step fits in ``budget``.

    A step that makes a rolling service the largest costs the growth of the rollout's copy too. What a step costs
    follows from the steps before it, never from the budget, which is what keeps the result monotone.
    """
    limits = dict(start)
    by_name = {service.name: service for service in growing}
    copy = _copy(services, limits) if start_first else 0
    left = budget - _use(services, limits, start_first)
    # Progress and share are compared as whole numbers over a common denominator: floats would decide ties by rounding.
    spans = math.lcm(*(service.ideal_mib - service.floor_mib or 1 for service in growing))
    weights = math.lcm(*(service.weight for service in growing))
    for move in heapq.merge(*(_steps(service, step, spans, weights) for service in growing)):
        service = by_name[move.name]
        new_copy = max(copy, move.limit_mib) if start_first and service.rolling else copy
        left -= (move.limit_mib - limits[move.name]) * service.replicas + new_copy - copy
        if left < 0:
            break
        limits[move.name], copy = move.limit_mib, new_copy
    return limits


class _Step(NamedTuple):
    """One step of one service; they are taken in the order of their fields."""

    beyond_ideal: bool
    priority: int
    progress: int
    name: str
    limit_mib: int


def _steps(service: _Service, step: int, spans: int, weights: int) -> Iterator[_Step]:
    limit = service.floor_mib
    while limit < service.ideal_mib:
        limit = min(limit - limit % step + step, service.ideal_mib)
        progress = (limit - service.floor_mib) * (spans // (service.ideal_mib - service.floor_mib))
        yield _Step(False, service.priority, progress, service.name, limit)
    while limit < service.ceiling_mib:
        limit = min(limit - limit % step + step, service.ceiling_mib)
        yield _Step(True, 0, (limit - service.ideal_mib) * (weights // service.weight), service.name, limit)


def _refusal(services: Sequence[_Service], host: _Host, given_mib: int) -> PlanError:
    shortfall = host.shortfall(services)
    rejected = {
        "total_mib": host.total_mib,
        "reserve_mib": host.reserve(services),
        "jobs_mib": host.jobs_mib,
        "rollout_mib": 0,
        "update_order": "stop-first",
        "spare_mib": -shortfall,
        "changes": [],
        "services": _shares(services, {service.name: service.least_mib for service in services}),
    }
    lines = [
        f"the services do not fit in memory: {shortfall} MiB are missing.",
        _table(rejected, {service.name: service.floor_mib for service in services}),
    ]
    if host.reserve_mib is None:
        terms = ", ".join(f"{term} {mib}" for term, mib in host.reserve_terms(services).items())
        lines.append(f"The reserve is: {terms}.")
    lines.append("What would help, the cheapest first:")
    lines += [f"- {remedy}" for remedy in _remedies(services, host, given_mib)]
    return PlanError("\n".join(lines), shortfall)


class _Saving(NamedTuple):
    mib: int
    name: str
    kind: int


# From the cheapest remedy to the dearest; the index is a saving's kind.
_REMEDIES = (
    "remove the limit_mib of {names}",
    "leave out {names} (optional)",
    "use {names} as a managed service elsewhere",
    "run fewer replicas: {names}",
)


def _savings(service: _Service, host: _Host) -> list[_Saving]:
    """What each kind of remedy would save at this service, in MiB."""
    container, port = (CONTAINER_MIB, PORT_MIB) if host.reserve_mib is None else (0, 0)
    one = service.least_mib + container
    gone = one * service.replicas + port * service.ports
    savings = [_Saving((service.least_mib - service.floor_mib) * service.replicas, service.name, 0)]
    if service.optional:
        savings.append(_Saving(gone, service.name, 1))
    if service.managed:
        savings.append(_Saving(gone, service.name, 2))
    savings += [_Saving(one, service.name, 3)] * (service.replicas - 1)
    return [saving for saving in savings if saving.mib]


def _remedies(services: Sequence[_Service], host: _Host, given_mib: int) -> list[str]:
    """Sentences, each enough by itself: one kind of remedy where that will do, or the cheapest kinds together."""
    gap = host.shortfall(services)
    savings = [saving for service in services for saving in _savings(service, host)]
    remedies: list[str] = []
    for kind in range(len(_REMEDIES)):
        chosen = _close(gap, [saving for saving in savings if saving.kind == kind])
        if not chosen and not remedies:
            chosen = _close(gap, [saving for saving in savings if saving.kind <= kind])
        if chosen:
            remedies.append(_sentence(services, chosen))
    enough = _enough_mib(services, host)
    return [*remedies, f"Use a host with {enough} MiB for the stack, {enough - given_mib} MiB more than it has."]


def _close(gap: int, savings: Sequence[_Saving]) -> list[_Saving]:
    """Few savings that close the gap: the smallest that does so alone, else the largest and go on. Empty when none do.

    One service is helped in one way only, since its ways do not add up.
    """
    left = sorted(savings)
    chosen: list[_Saving] = []
    while gap > 0 and left:
        pick = next((saving for saving in left if saving.mib >= gap), left[-1])
        left.remove(pick)
        left = [saving for saving in left if saving.name != pick.name or saving.kind == pick.kind]
        chosen.append(pick)
        gap -= pick.mib
    return chosen if gap <= 0 else []


def _sentence(services: Sequence[_Service], chosen: Sequence[_Saving]) -> str:
    replicas = {service.name: service.replicas for service in services}
    parts = []
    for kind, remedy in enumerate(_REMEDIES):
        names = [saving.name for saving in chosen if saving.kind == kind]
        words = sorted(set(names))
        if "replicas" in remedy:
            words = [f"{name} {replicas[name] - names.count(name)} instead of {replicas[name]}" for name in words]
        if words:
            parts.append(remedy.format(names=", ".join(words)))
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}: saves {sum(saving.mib for saving in chosen)} MiB."


def _enough_mib(services: Sequence[_Service], host: _Host) -> int:
    """The smallest total at which the floors fit. The reserve grows with the total, hence the loop."""
    while host.shortfall(services) > 0:
        steps = -(-host.shortfall(services) // TOTAL_STEP_MIB)
        host = replace(host, total_mib=host.total_mib + steps * TOTAL_STEP_MIB)
    return host.total_mib


def table(
    plan: Mapping[str, Any],
    requests: Mapping[str, Mapping[str, Any]],
    used: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """The plan as lines of at most 100 columns, in MiB: the services from the largest down, then everything else.

    A limit, a floor and what is used are for one replica; a share is for all of them, of the total. ``used`` is
    ``{name: {current_mib, peak_mib}}``, None where it is not known; a service that it lacks shows a dash.
    """
    return _table(plan, {service.name: service.floor_mib for service in _services(requests)}, used)


def _table(
    plan: Mapping[str, Any], floors: Mapping[str, int], used: Mapping[str, Mapping[str, Any]] | None = None
) -> str:
    total = plan["total_mib"]
    rows = [["MiB", "replicas", "floor", "limit", "share", *(("used", "peak") if used else ())]]
    by_size = sorted(plan["services"].items(), key=lambda item: (-item[1]["limit_mib"] * item[1]["replicas"], item[0]))
    for name, service in by_size:
        limit, replicas = service["limit_mib"], service["replicas"]
        row = [_short(name), replicas, floors.get(name), limit, _share(limit * replicas, total)]
        if used:
            row += [used.get(name, {}).get(key) for key in ("current_mib", "peak_mib")]
        rows.append(["-" if cell is None else str(cell) for cell in row])
    spare = plan["spare_mib"]
    for label, mib in (
        ("reserve", plan["reserve_mib"]),
        ("jobs", plan["jobs_mib"]),
        ("rollout copy", plan["rollout_mib"]),
        ("spare", spare) if spare >= 0 else ("missing", -spare),
        ("total", total),
    ):
        rows.append([label, "", "", str(mib), _share(mib, total)])
    width = max(len(row[0]) for row in rows)
    lines = [row[0].ljust(width) + "".join(cell.rjust(9) for cell in row[1:]) for row in rows]
    lines.append(f"update order: {plan['update_order']}")
    for change in plan["changes"]:
        lines.append(f"limit changes: {_short(change['name'])} {change['from']} -> {change['to']}")
    return "\n".join(lines)


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:37]}..."


def _share(mib: int, total_mib: int) -> str:
    return f"{mib / total_mib:.1%}" if total_mib else "-"
