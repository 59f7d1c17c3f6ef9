# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say why services do not fit in memory, and what would help.

PRIVATE to the collection. Pure; all figures are whole MiB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ansible_collections.onebox.stack.plugins.module_utils import _tuning
from ansible_collections.onebox.stack.plugins.module_utils._memory_model import (
    CONTAINER_MIB,
    PORT_MIB,
    TOTAL_STEP_MIB,
    Host,
    Service,
    as_planned,
)
from ansible_collections.onebox.stack.plugins.module_utils._memory_table import table

__all__ = ["PlanError", "refusal"]


class PlanError(ValueError):
    """The floors do not fit. ``shortfall_mib`` is what is missing; the text has the table and the remedies."""

    def __init__(self, message: str, shortfall_mib: int) -> None:
        super().__init__(message)
        self.shortfall_mib = shortfall_mib


# From the cheapest remedy to the dearest; the index is a saving's kind.
_REMEDIES = (
    "remove the limit_mib of {}",
    "lower the floor_mib of {}",
    "leave out {} (optional)",
    "use {} as a managed service elsewhere (databases by onebox_managed)",
    "lower the {}",
    "run fewer replicas: {}",
)

FLOOR_STEP_MIB = 8

# Facts of an engine that its floor rises with and an operator may lower: the least, and by how much at a time.
_FEWER = {"connections": (20, 10), "workers": (1, 1)}


class _Saving(NamedTuple):
    """One way to help one service: the MiB that it saves, and what the remedy's words name."""

    mib: int
    name: str
    kind: int
    words: str


def refusal(services: Sequence[Service], host: Host) -> PlanError:
    """Return the error for services whose floors do not fit: every term, and what would be enough, cheapest first."""
    shortfall = host.shortfall(services)
    rejected = {
        "total_mib": host.total_mib,
        "reserve_mib": host.reserve(services),
        "jobs_mib": host.jobs_mib,
        "rollout_mib": 0,
        "update_order": "stop-first",
        "spare_mib": -shortfall,
        "changes": [],
        "services": as_planned(services, {service.name: service.least_mib for service in services}),
    }
    lines = [f"the services do not fit in memory: {shortfall} MiB are missing.", table(rejected)]
    if host.reserve_mib is None:
        terms = ", ".join(f"{term} {mib}" for term, mib in host.reserve_terms(services).items())
        lines.append(f"The reserve is: {terms}.")
    lines.append("What would help, the cheapest first:")
    lines += [f"- {remedy}" for remedy in _remedies(services, host)]
    return PlanError("\n".join(lines), shortfall)


def _remedies(services: Sequence[Service], host: Host) -> list[str]:
    """Sentences, each enough by itself: one kind of remedy where that will do, or the cheapest kinds together."""
    gap = host.shortfall(services)
    savings = [saving for service in services for saving in _savings(service, host) if saving.mib > 0]
    remedies: list[str] = []
    for kind in range(len(_REMEDIES)):
        chosen = _close(gap, [saving for saving in savings if saving.kind == kind])
        if not chosen and not remedies:
            chosen = _close_together(gap, [saving for saving in savings if saving.kind <= kind])
        if chosen:
            remedies.append(_sentence(chosen))
    enough = _enough_mib(services, host)
    return [*remedies, f"Use a host with {enough} MiB for the stack, {enough - host.given_mib} MiB more than it has."]


def _savings(service: Service, host: Host) -> Iterator[_Saving]:
    """Yield what each way to help this service would save; it can be helped in one way only."""
    name, replicas, least = service.name, service.replicas, service.least_mib
    container, port = (CONTAINER_MIB, PORT_MIB) if host.reserve_mib is None else (0, 0)
    gone = (least + container) * replicas + port * service.ports
    if service.limit_mib is not None:
        yield _Saving((least - service.floor_mib) * replicas, name, 0, name)
    elif service.tuning:
        for lower in range(service.tuned_floor_mib, least, FLOOR_STEP_MIB):
            yield _Saving((least - lower) * replicas, name, 1, f"{name} from {least} to {lower}")
        if service.floor_mib == service.tuned_floor_mib:
            yield from _fewer(service, service.tuning)
    if service.optional:
        yield _Saving(gone, name, 2, name)
    if service.managed:
        yield _Saving(gone, name, 3, name)
    for fewer in range(1, replicas):
        words = f"{name} {replicas - fewer} instead of {replicas}"
        yield _Saving((least + container) * fewer, name, 5, words)


def _fewer(service: Service, tuning: Mapping[str, Any]) -> Iterator[_Saving]:
    for fact, (least, step) in _FEWER.items():
        now = int(tuning.get(fact, _tuning.ENGINES[tuning["engine"]].facts.get(fact, least)))
        for number in range(least, now, step):
            lower = _tuning.floor_mib(**{**tuning, fact: number})
            words = f"{fact} of {service.name} from {now} to {number}"
            yield _Saving((service.floor_mib - lower) * service.replicas, service.name, 4, words)


def _close(gap: int, savings: Sequence[_Saving]) -> list[_Saving]:
    """Few savings that close the gap: the smallest that does so alone, else the largest and go on. Empty when none do.

    One service is helped in one way only, since its ways do not add up.
    """
    left = sorted(savings)
    chosen: list[_Saving] = []
    while gap > 0 and left:
        pick = next((saving for saving in left if saving.mib >= gap), left[-1])
        left = [saving for saving in left if saving.name != pick.name]
        chosen.append(pick)
        gap -= pick.mib
    return chosen if gap <= 0 else []


def _close_together(gap: int, savings: Sequence[_Saving]) -> list[_Saving]:
    """As `_close`, with several kinds: all that the cheaper ones save, and of the dearest what is missing then.

    Where that is not enough, a service that a cheaper kind helps a little is helped more by a dearer one.
    """
    chosen: list[_Saving] = []
    missing = gap
    for kind in range(len(_REMEDIES)):
        helped = {saving.name for saving in chosen}
        left = [saving for saving in savings if saving.kind == kind and saving.name not in helped]
        last = _close(missing, left)
        if last:
            return [*chosen, *last]
        most = {saving.name: saving for saving in sorted(left)}
        chosen += most.values()
        missing -= sum(saving.mib for saving in most.values())
    return _close(gap, savings)


def _sentence(chosen: Sequence[_Saving]) -> str:
    parts = [
        remedy.format(", ".join(sorted(saving.words for saving in chosen if saving.kind == kind)))
        for kind, remedy in enumerate(_REMEDIES)
        if any(saving.kind == kind for saving in chosen)
    ]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}: saves {sum(saving.mib for saving in chosen)} MiB."


def _enough_mib(services: Sequence[Service], host: Host) -> int:
    """The smallest total at which the floors fit. The reserve grows with the total, hence the loop."""
    while host.shortfall(services) > 0:
        steps = -(-host.shortfall(services) // TOTAL_STEP_MIB)
        host = replace(host, total_mib=host.total_mib + steps * TOTAL_STEP_MIB)
    return host.total_mib
