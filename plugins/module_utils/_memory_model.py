# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the memory plan is made of: the services as they ask, checked, and the host's own part.

PRIVATE to the collection. Pure; all figures are whole MiB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils import _tuning
from ansible_collections.onebox.stack.plugins.module_utils._checks import hint, number

__all__ = ["Host", "Service", "as_planned", "read"]

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
    "keep": 0,
}
_FLAGS = ("rolling", "optional", "managed")


@dataclass(frozen=True)
class Service:
    """A request, checked. ``tuned_floor_mib`` is what its engine's settings need, 0 without an engine."""

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
    keep: int = 0
    optional: bool = False
    managed: bool = False
    tuning: Mapping[str, Any] | None = None
    tuned_floor_mib: int = 0

    @property
    def least_mib(self) -> int:
        return self.floor_mib if self.limit_mib is None else self.limit_mib

    def accepts(self, limit_mib: int | None) -> bool:
        if limit_mib is None:
            return False
        if self.limit_mib is not None:
            return limit_mib == self.limit_mib
        return self.floor_mib <= limit_mib <= self.ceiling_mib

    def share(self, limit_mib: int) -> dict[str, Any]:
        """Return the service as a plan shows it with this limit."""
        shown: dict[str, Any] = {
            "limit_mib": limit_mib,
            "replicas": self.replicas,
            "floor_mib": self.floor_mib,
            "ideal_mib": self.ideal_mib,
            "ceiling_mib": self.ceiling_mib,
        }
        if self.tuning:
            settings = _tuning.tuning(limit_mib, **self.tuning)
            shown["settings"] = settings
            shown["summary"] = _tuning.summary(self.tuning["engine"], settings)
        return shown


@dataclass(frozen=True)
class Host:
    """The memory that is not the services' own: ``reserve_mib`` None is computed, ``lent_mib`` is taken from it."""

    given_mib: int
    total_mib: int
    reserve_mib: int | None
    jobs_mib: int
    lent_mib: int = 0

    @staticmethod
    def of(total_mib: int, reserve_mib: int | None, jobs_mib: int) -> Host:
        """Return the host of the options as they were given; raise ValueError where they make no sense."""
        given_mib = number("total_mib", total_mib, 1)
        return Host(
            given_mib=given_mib,
            total_mib=given_mib - given_mib % TOTAL_STEP_MIB,
            reserve_mib=None if reserve_mib is None else number("reserve_mib", reserve_mib, 0),
            jobs_mib=number("jobs_mib", jobs_mib, 0),
        )

    def reserve(self, services: Iterable[Service]) -> int:
        return sum(self.reserve_terms(services).values()) if self.reserve_mib is None else self.reserve_mib

    def reserve_terms(self, services: Iterable[Service]) -> dict[str, int]:
        services = tuple(services)
        containers = sum(service.replicas for service in services)
        ports = sum(service.ports for service in services)
        return {
            "system": SYSTEM_MIB,
            "Docker": DOCKER_MIB,
            f"containers ({containers})": CONTAINER_MIB * containers,
            f"published ports ({ports})": PORT_MIB * ports,
            "slack": max(SLACK_MIB, -(-self.total_mib * SLACK_PERCENT // 100)) - self.lent_mib,
        }

    def budget(self, services: Iterable[Service]) -> int:
        return self.total_mib - self.reserve(services) - self.jobs_mib

    def shortfall(self, services: Sequence[Service]) -> int:
        return sum(service.least_mib * service.replicas for service in services) - self.budget(services)

    @property
    def lendable_mib(self) -> int:
        """What the slack can lend to limits in force: what rounding the total cut off, and 1 % of a larger total.

        A host whose total is at most 1 % smaller than when its limits were planned keeps them with that. The slack, 128
        and 5 %, is always more.
        """
        return 0 if self.reserve_mib is not None else self.given_mib - self.total_mib - (-self.given_mib // 99)

    def lend(self, services: Sequence[Service], use_mib: int) -> Host:
        """Return the host with room for this use, if no more than what can be lent is missing."""
        missing = use_mib - self.budget(services)
        return replace(self, lent_mib=missing) if 0 < missing <= self.lendable_mib else self


def read(requests: Mapping[str, Mapping[str, Any]]) -> list[Service]:
    """Return the requests, checked and sorted by name; raise ValueError for those that make no sense."""
    if not isinstance(requests, Mapping):
        raise ValueError(f"requests must be a dictionary of services, not {type(requests).__name__}")
    return [_service(name, requests[name]) for name in sorted(requests, key=str)]


def _service(name: str, request: Mapping[str, Any]) -> Service:
    if not isinstance(name, str) or not name:
        raise ValueError(f"a service needs a name, not {name!r}")
    if not isinstance(request, Mapping):
        raise ValueError(f"{name}: a request must be a dictionary, not {type(request).__name__}")
    known = (*_MINIMA, *_FLAGS, "tuning")
    for key in request:
        if key not in known:
            raise ValueError(f"{name}: unknown key {key!r}{hint(key, known)}")
    values: dict[str, Any] = {}
    if request.get("tuning"):
        values["tuning"] = _checked_tuning(name, request["tuning"])
        values["tuned_floor_mib"] = values["floor_mib"] = _tuning.floor_mib(**values["tuning"])
    for key, value in request.items():
        if key in _FLAGS:
            if not isinstance(value, bool):
                raise ValueError(f"{name}: {key} must be true or false, not {value!r}")
            values[key] = value
        elif key in _MINIMA and (key != "limit_mib" or value is not None):
            values[key] = number(f"{name}: {key}", value, _MINIMA[key])
    for key in ("floor_mib", "ideal_mib", "ceiling_mib"):
        if key not in values:
            raise ValueError(f"{name}: {key} is missing")
    service = Service(name=name, **values)
    _check_bounds(service)
    return service


def _checked_tuning(name: str, tuning: Any) -> Mapping[str, Any]:
    if not isinstance(tuning, Mapping) or not isinstance(tuning.get("engine"), str):
        raise ValueError(f"{name}: tuning must have an engine, such as {{engine: redis}}, not {tuning!r}")
    return tuning


def _check_bounds(service: Service) -> None:
    name, tuned = service.name, service.tuned_floor_mib
    if service.floor_mib < tuned:
        engine = service.tuning and service.tuning["engine"]
        raise ValueError(f"{name}: floor_mib {service.floor_mib} is below {tuned}, the least for {engine}; raise it")
    for lower, upper in (
        ("floor_mib", "ceiling_mib"),
        ("floor_mib", "ideal_mib"),
        ("ideal_mib", "ceiling_mib"),
        ("floor_mib", "limit_mib"),
    ):
        low, high = getattr(service, lower), getattr(service, upper)
        if high is not None and high < low:
            remedy = f"raise {upper}" if low == tuned else f"raise {upper} or lower {lower}"
            raise ValueError(f"{name}: {upper} {high} is below {lower} {low}; {remedy}")


def as_planned(services: Iterable[Service], limits: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return the services as a plan shows them, by name."""
    return {service.name: service.share(limits[service.name]) for service in services}
