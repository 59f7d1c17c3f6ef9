# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services that ask for memory, made up or drawn at random, and what the tests of the memory plan do with them."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

Requests = dict[str, dict[str, Any]]

SMALL_PROD: Requests = {
    "nginx": {"floor_mib": 48, "ideal_mib": 48, "ceiling_mib": 96, "ports": 2, "keep": 1},
    "app-web": {
        "floor_mib": 232,
        "ideal_mib": 416,
        "ceiling_mib": 1024,
        "priority": 0,
        "weight": 4,
        "rolling": True,
    },
    "app-worker": {"floor_mib": 96, "ideal_mib": 192, "ceiling_mib": 384, "weight": 2, "replicas": 2},
    "mysql": {
        "floor_mib": 264,
        "ideal_mib": 512,
        "ceiling_mib": 1536,
        "priority": 0,
        "weight": 5,
        "keep": 2,
        "managed": True,
    },
    "redis": {"floor_mib": 48, "ideal_mib": 96, "ceiling_mib": 256, "priority": 0, "keep": 1},
    "minio": {
        "floor_mib": 160,
        "ideal_mib": 256,
        "ceiling_mib": 512,
        "priority": 2,
        "keep": 1,
        "managed": True,
        "optional": True,
    },
}

NAMES = st.sampled_from("abcdefgh")

# An engine and its facts, as a request may have them.
TUNINGS: list[dict[str, Any]] = [
    {"engine": "mysql", "connections": 40},
    {"engine": "mysql", "flavor": "mysql"},
    {"engine": "postgresql", "connections": 30},
    {"engine": "redis"},
    {"engine": "redis", "flavor": "redis", "eviction_policy": "allkeys-lru"},
    {"engine": "soketi"},
    {"engine": "minio"},
    {"engine": "meilisearch", "cpus": 4},
    {"engine": "nginx"},
    {"engine": "php_fpm", "worker_mib": 40, "workers": 4},
    {"engine": "octane", "server": "swoole", "workers": 3},
    {"engine": "node"},
    {"engine": "puma"},
    {"engine": "sidekiq"},
    {"engine": "gotenberg"},
]

thorough = settings(max_examples=100, deadline=None)
quick = settings(max_examples=40, deadline=None)


def limits(planned: dict[str, Any]) -> dict[str, int]:
    return {name: service["limit_mib"] for name, service in planned["services"].items()}


def ask(floor: int, ideal: int | None = None, ceiling: int | None = None, **more: Any) -> dict[str, Any]:
    ideal = floor if ideal is None else ideal
    return {"floor_mib": floor, "ideal_mib": ideal, "ceiling_mib": ideal if ceiling is None else ceiling, **more}


def least(request: dict[str, Any]) -> int:
    return int(request["limit_mib"] or request["floor_mib"])


def use(requests: Requests, current: dict[str, int], start_first: bool) -> int:
    copy = max((current[name] for name, request in requests.items() if request["rolling"]), default=0)
    return sum(current[n] * request["replicas"] for n, request in requests.items()) + (copy if start_first else 0)


@st.composite
def some_requests(draw: st.DrawFn, least: int = 1) -> Requests:
    """Requests with odd and even bounds, empty ranges, pins, replicas and rolling services."""
    size = st.one_of(st.integers(1, 40).map(lambda units: units * 8), st.integers(1, 300))
    more = st.one_of(st.just(0), st.integers(0, 40).map(lambda units: units * 8), st.integers(0, 300))
    requests = {}
    for name in draw(st.lists(NAMES, min_size=least, max_size=6, unique=True)):
        floor = draw(size)
        ideal = floor + draw(more)
        requests[name] = ask(
            floor,
            ideal,
            ideal + draw(more),
            priority=draw(st.integers(0, 2)),
            weight=draw(st.integers(1, 10)),
            replicas=draw(st.integers(1, 3)),
            rolling=draw(st.booleans()),
            limit_mib=draw(st.one_of(st.none(), st.none(), st.integers(floor, floor + 300))),
            ports=draw(st.integers(0, 2)),
            keep=draw(st.integers(0, 2)),
            optional=draw(st.booleans()),
            managed=draw(st.booleans()),
        )
    return requests


@st.composite
def tuned_requests(draw: st.DrawFn) -> Requests:
    """Requests of engines, some with a floor of their own above the engine's."""
    requests: Requests = {}
    for tuning in draw(st.lists(st.sampled_from(TUNINGS), min_size=1, max_size=6)):
        # What is above every engine's floor.
        ideal = draw(st.integers(800, 1200))
        requests[f"{tuning['engine']}-{len(requests)}"] = {
            "tuning": tuning,
            **({"floor_mib": draw(st.integers(600, 800))} if draw(st.booleans()) else {}),
            "ideal_mib": ideal,
            "ceiling_mib": ideal + draw(st.integers(0, 3000)),
            "priority": draw(st.integers(0, 2)),
            "replicas": draw(st.integers(1, 3)),
            "rolling": draw(st.booleans()),
        }
    return requests


@st.composite
def fitting(draw: st.DrawFn) -> tuple[Requests, int, dict[str, int]]:
    """Requests, a total in which their floors fit, often barely, and the options."""
    requests = draw(some_requests())
    jobs, reserve = draw(st.integers(0, 100)), draw(st.integers(0, 100))
    need = use(requests, {name: least(request) for name, request in requests.items()}, False)
    total = -(-(need + jobs + reserve) // 64) * 64 + draw(st.one_of(st.integers(0, 200), st.integers(0, 2000)))
    return requests, total, {"reserve_mib": reserve, "jobs_mib": jobs, "step_mib": draw(st.sampled_from([1, 8, 8, 32]))}
