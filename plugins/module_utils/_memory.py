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
from typing import Any, NamedTuple

from ansible_collections.onebox.stack.plugins.module_utils._checks import number
from ansible_collections.onebox.stack.plugins.module_utils._memory_model import Host, Service, as_planned, read
from ansible_collections.onebox.stack.plugins.module_utils._memory_refusal import PlanError, refusal

__all__ = ["PlanError", "ideals", "plan"]

Limits = Mapping[str, int]


def plan(
    requests: Mapping[str, Mapping[str, Any]],
    total_mib: int,
    *,
    reserve_mib: int | None = None,
    jobs_mib: int = 0,
    step_mib: int = 8,
    current: Limits | None = None,
    running: Limits | None = None,
    afresh: bool = False,
) -> dict[str, Any]:
    """Plan a limit for each service of one host.

    ``requests`` is ``{name: {floor_mib, ideal_mib, ceiling_mib, priority=1, weight=1, replicas=1, rolling=False,
    limit_mib=None, ports=0, keep=0, optional=False, managed=False, tuning=None}}``. A limit is for one replica. It
    stands on a multiple of ``step_mib``, or at its floor, ideal, ceiling or pinned ``limit_mib``. With ``tuning``, an
    engine and its facts as `_tuning.tuning` takes them, the floor need not be given: it is that engine's.

    ``total_mib`` is rounded down to 64 MiB first. ``reserve_mib`` None is computed: 180 for the system, 131 for Docker,
    9 a container, 3 a published port, and 5 % of the total but at least 128. ``jobs_mib`` is the largest one-off job.

    Floors come first; then everybody's ideal, the lower ``priority`` number before the higher and with equal progress
    within one; then the ceilings, by ``weight``. One more replica of the largest ``rolling`` service is kept free for a
    rollout ("start-first") where the floors leave room for it; else a deploy stops the old one first ("stop-first").

    ``current`` is ``{name: limit}`` in force, and ``running`` is ``{name: replicas}`` to which they apply, as many as
    are asked for when it does not say. A limit in force that its request accepts is kept while everybody's floor fits
    beside it, and what is new shares what is left. Where that cannot be, limits are given up by their ``keep``, the
    lower number first and no more of these groups than it takes. A host that lost up to 1 % of its memory keeps all of
    them, and the slack in the reserve is that much smaller. The update order stays stop-first where what is in force
    leaves no room for a rollout's copy, and else the copy is not given up for the sake of a limit. ``afresh`` keeps
    nothing, as on a new host.

    Returns ``{total_mib, reserve_mib, jobs_mib, rollout_mib, update_order, spare_mib, changes: [{name, from, to}],
    services: {name: {limit_mib, replicas, floor_mib, ideal_mib, ceiling_mib}}}``, and ``settings`` and ``summary`` of
    the services with ``tuning``. ``changes`` lists each limit in force that the plan alters. Limits x replicas,
    reserve, jobs, rollout and spare add up to the total.

    Raises PlanError when the floors do not fit, and ValueError for input that makes no sense.
    """
    services = read(requests)
    host = Host.of(total_mib, reserve_mib, jobs_mib)
    step = number("step_mib", step_mib, 1)
    in_force = _numbers("current", current)
    containers = _numbers("running", running)

    floors = {service.name: service.least_mib for service in services}
    kept: Limits = {s.name: in_force[s.name] for s in services if s.accepts(in_force.get(s.name))}
    start_first = _use(services, floors, with_copy=True) <= host.budget(services)
    if afresh:
        kept = {}
    else:
        start_first = start_first and _leaves_room(services, host, in_force, containers)
        if len(kept) == len(services) and all(s.replicas <= containers.get(s.name, s.replicas) for s in services):
            host = host.lend(services, _use(services, kept, start_first))
    if host.shortfall(services) > 0:
        raise refusal(services, host)
    budget = host.budget(services)
    kept = _that_fit(services, floors, kept, budget, start_first)
    growing = [service for service in services if service.name not in kept and service.limit_mib is None]
    limits = _grow(services, growing, {**floors, **kept}, budget, step, start_first)
    start_first = start_first or _use(services, limits, with_copy=True) <= budget
    return {
        "total_mib": host.total_mib,
        "reserve_mib": host.reserve(services),
        "jobs_mib": host.jobs_mib,
        "rollout_mib": _copy(services, limits) if start_first else 0,
        "update_order": "start-first" if start_first else "stop-first",
        "spare_mib": budget - _use(services, limits, start_first),
        "changes": [
            {"name": name, "from": in_force[name], "to": limit}
            for name, limit in limits.items()
            if name in in_force and in_force[name] != limit
        ],
        "services": as_planned(services, limits),
    }


def ideals(requests: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return ``{services}`` as `plan` does, without a host to fit into: each has its pinned limit, or its ideal.

    Raises ValueError for input that makes no sense.
    """
    services = read(requests)
    return {"services": as_planned(services, {s.name: s.limit_mib or s.ideal_mib for s in services})}


def _numbers(label: str, given: Limits | None) -> dict[str, int]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValueError(f"{label} must be a dictionary of whole numbers by name, not {type(given).__name__}")
    return {name: number(f"{label}: {name}", value, 1) for name, value in given.items()}


def _leaves_room(services: Sequence[Service], host: Host, in_force: Limits, containers: Limits) -> bool:
    """Whether what is in force, by itself, leaves room for a rollout's copy."""
    there = [service for service in services if service.name in in_force]
    use = sum(in_force[service.name] * containers.get(service.name, service.replicas) for service in there)
    return use + _copy(there, in_force) <= host.budget(services) + host.lendable_mib


def _that_fit(services: Sequence[Service], floors: Limits, kept: Limits, budget: int, start_first: bool) -> Limits:
    """The limits that are kept: all, or without those of one ``keep`` after the other until everybody's floor fits."""
    keep = {service.name: service.keep for service in services}
    groups = sorted({keep[name] for name in kept})
    while groups and _use(services, {**floors, **kept}, start_first) > budget:
        given_up = groups.pop(0)
        kept = {name: limit for name, limit in kept.items() if keep[name] > given_up}
    return kept


def _copy(services: Iterable[Service], limits: Limits) -> int:
    """One more replica of the largest rolling service: deploys go one replica at a time."""
    return max((limits[service.name] for service in services if service.rolling), default=0)


def _use(services: Iterable[Service], limits: Limits, with_copy: bool) -> int:
    services = tuple(services)
    steady = sum(limits[service.name] * service.replicas for service in services)
    return steady + (_copy(services, limits) if with_copy else 0)


def _grow(
    services: Sequence[Service],
    growing: Sequence[Service],
    start: Limits,
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


def _steps(service: Service, step: int, spans: int, weights: int) -> Iterator[_Step]:
    limit = service.floor_mib
    while limit < service.ideal_mib:
        limit = min(limit - limit % step + step, service.ideal_mib)
        progress = (limit - service.floor_mib) * (spans // (service.ideal_mib - service.floor_mib))
        yield _Step(False, service.priority, progress, service.name, limit)
    while limit < service.ceiling_mib:
        limit = min(limit - limit % step + step, service.ceiling_mib)
        yield _Step(True, 0, (limit - service.ideal_mib) * (weights // service.weight), service.name, limit)
