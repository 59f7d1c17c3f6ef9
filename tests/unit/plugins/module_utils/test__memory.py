# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import heapq
import json
import math
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils._memory import PlanError, ideals, plan, table
from hypothesis import assume, given, settings
from hypothesis import strategies as st

Requests = dict[str, dict[str, Any]]

SMALL_PROD: Requests = {
    "nginx": {"floor_mib": 48, "ideal_mib": 48, "ceiling_mib": 96, "ports": 2},
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
        "managed": True,
    },
    "redis": {"floor_mib": 48, "ideal_mib": 96, "ceiling_mib": 256, "priority": 0},
    "minio": {
        "floor_mib": 160,
        "ideal_mib": 256,
        "ceiling_mib": 512,
        "priority": 2,
        "managed": True,
        "optional": True,
    },
}


thorough = settings(max_examples=100, deadline=None)
quick = settings(max_examples=40, deadline=None)


def limits(planned: dict[str, Any]) -> dict[str, int]:
    return {name: service["limit_mib"] for name, service in planned["services"].items()}


def ask(floor: int, ideal: int | None = None, ceiling: int | None = None, **more: Any) -> dict[str, Any]:
    ideal = floor if ideal is None else ideal
    return {"floor_mib": floor, "ideal_mib": ideal, "ceiling_mib": ideal if ceiling is None else ceiling, **more}


def exactly(message: str) -> str:
    return rf"\A{re.escape(message)}\Z"


# Examples


def test_a_small_host_is_planned_whole() -> None:
    assert plan(SMALL_PROD, 3850, jobs_mib=192) == {
        "total_mib": 3840,
        "reserve_mib": 572,
        "jobs_mib": 192,
        "rollout_mib": 608,
        "update_order": "start-first",
        "spare_mib": 4,
        "changes": [],
        "services": {
            "app-web": {"limit_mib": 608, "reservation_mib": 232, "replicas": 1},
            "app-worker": {"limit_mib": 288, "reservation_mib": 96, "replicas": 2},
            "minio": {"limit_mib": 304, "reservation_mib": 160, "replicas": 1},
            "mysql": {"limit_mib": 752, "reservation_mib": 264, "replicas": 1},
            "nginx": {"limit_mib": 88, "reservation_mib": 48, "replicas": 1},
            "redis": {"limit_mib": 136, "reservation_mib": 48, "replicas": 1},
        },
    }


@pytest.mark.parametrize(
    ("total_mib", "containers", "ports", "reserve_mib"),
    [
        (2048, 0, 0, 180 + 131 + 128),  # 5 % is 103: the slack is 128
        (2560, 1, 0, 180 + 131 + 9 + 128),
        (3840, 9, 2, 180 + 131 + 81 + 6 + 192),
        (3850, 9, 2, 180 + 131 + 81 + 6 + 192),  # as 3840
        (16384, 50, 3, 180 + 131 + 450 + 9 + 820),  # 819.2, rounded up
    ],
)
def test_the_reserve_is_computed_from_containers_ports_and_total(
    total_mib: int, containers: int, ports: int, reserve_mib: int
) -> None:
    requests = {"a": ask(8, replicas=containers, ports=ports)} if containers else {}
    assert plan(requests, total_mib)["reserve_mib"] == reserve_mib


def test_a_given_reserve_is_taken_as_it_is() -> None:
    assert plan({"a": ask(8)}, 128, reserve_mib=0)["reserve_mib"] == 0


def test_no_services_leave_everything_spare() -> None:
    assert plan({}, 1024, reserve_mib=100, jobs_mib=24)["spare_mib"] == 900


def test_the_lower_priority_number_comes_to_its_ideal_first() -> None:
    requests = {"first": ask(64, 128, 256), "second": ask(64, 128, 256, priority=2)}
    assert limits(plan(requests, 128 + 64, reserve_mib=0)) == {"first": 128, "second": 64}


def test_progress_within_a_priority_is_equal_whatever_the_distance() -> None:
    requests = {"near": ask(64, 128, 512), "far": ask(64, 576, 1024)}
    assert limits(plan(requests, 128 + 32 + 256 + 32, reserve_mib=32)) == {"near": 96, "far": 320}


def test_above_the_ideals_weight_decides() -> None:
    requests = {"light": ask(64, 64, 1024), "heavy": ask(64, 64, 1024, weight=3)}
    assert limits(plan(requests, 128 + 256, reserve_mib=0)) == {"light": 128, "heavy": 256}


def test_each_replica_costs_its_limit() -> None:
    planned = plan({"worker": ask(64, 96, 1024, replicas=3)}, 320, reserve_mib=0)
    assert (limits(planned), planned["spare_mib"]) == ({"worker": 104}, 8)


def test_a_limit_goes_to_multiples_of_the_step_and_stands_at_odd_bounds() -> None:
    reached = {limits(plan({"odd": ask(50, 61, 75)}, 128, reserve_mib=128 - free))["odd"] for free in range(50, 80)}
    assert sorted(reached) == [50, 56, 61, 64, 72, 75]


def test_the_rollout_copy_is_one_replica_of_the_largest_rolling_service() -> None:
    requests = {
        "web": ask(100, rolling=True, replicas=3),
        "api": ask(160, rolling=True),
        "db": ask(500),
    }
    planned = plan(requests, 1152, reserve_mib=0)
    assert (planned["update_order"], planned["rollout_mib"], planned["spare_mib"]) == ("start-first", 160, 32)


def test_without_room_for_a_copy_a_deploy_stops_the_old_replica_first_and_the_room_is_used() -> None:
    requests = {"web": ask(96, 192, 192, rolling=True)}
    planned = plan(requests, 192, reserve_mib=1)
    assert (planned["update_order"], planned["rollout_mib"], limits(planned)) == ("stop-first", 0, {"web": 184})
    planned = plan(requests, 192, reserve_mib=0)
    assert (planned["update_order"], planned["rollout_mib"], limits(planned)) == ("start-first", 96, {"web": 96})


def test_without_a_rolling_service_there_is_no_copy_to_fit() -> None:
    planned = plan({"db": ask(64)}, 64, reserve_mib=0)
    assert (planned["update_order"], planned["rollout_mib"]) == ("start-first", 0)


@pytest.mark.parametrize("pin", [72, 128, 300])
def test_a_pinned_limit_is_honoured_even_above_the_ceiling_and_the_rest_planned_around_it(pin: int) -> None:
    planned = plan({"db": ask(72, 100, 200, limit_mib=pin), "app": ask(64, 64, 1024)}, 640, reserve_mib=0)
    assert limits(planned) == {"db": pin, "app": (640 - pin) // 8 * 8}
    assert planned["services"]["db"]["reservation_mib"] == 72


def test_a_pinned_rolling_service_counts_for_the_copy() -> None:
    assert plan({"web": ask(64, limit_mib=100, rolling=True)}, 256, reserve_mib=0)["rollout_mib"] == 100


def test_the_largest_remainder_would_take_from_a_service_when_the_host_grows_and_the_plan_does_not() -> None:
    weights = [3, 3, 5, 5, 2, 3, 18, 13, 17, 9]

    def largest_remainder(units: int) -> list[int]:
        quotas = [Fraction(units * weight, sum(weights)) for weight in weights]
        whole = [math.floor(quota) for quota in quotas]
        by_remainder = sorted(range(len(weights)), key=lambda i: (whole[i] - quotas[i], i))
        return [units_of + (i in by_remainder[: units - sum(whole)]) for i, units_of in enumerate(whole)]

    def planned(units: int) -> list[int]:
        requests = {f"s{i}": ask(1, 1, 64000, weight=weight) for i, weight in enumerate(weights)}
        return list(limits(plan(requests, units * 64, reserve_mib=0, step_mib=64)).values())

    assert largest_remainder(272)[5] == 11
    assert largest_remainder(273)[5] == 10
    assert all(before <= after for before, after in zip(planned(272), planned(273), strict=True))


def test_without_a_host_everyone_has_its_pin_or_its_ideal() -> None:
    assert ideals({"db": ask(64, 128, 256), "app": ask(64, 128, limit_mib=72, replicas=2)}) == {
        "services": {
            "app": {"limit_mib": 72, "reservation_mib": 64, "replicas": 2},
            "db": {"limit_mib": 128, "reservation_mib": 64, "replicas": 1},
        }
    }


def test_without_a_host_a_request_is_checked_all_the_same() -> None:
    with pytest.raises(ValueError, match=exactly("db: ceiling_mib is missing")):
        ideals({"db": {"floor_mib": 8, "ideal_mib": 8}})


# Limits in force


def test_limits_in_force_are_kept_when_memory_grows() -> None:
    before = plan(SMALL_PROD, 3840)
    after = plan(SMALL_PROD, 7680, current=limits(before))
    assert (after["changes"], limits(after)) == ([], limits(before))


def test_a_new_container_takes_what_is_left_and_changes_nobody() -> None:
    before = plan(SMALL_PROD, 3840, reserve_mib=700)
    after = plan({**SMALL_PROD, "mail": ask(48, 64, 128)}, 3840, reserve_mib=600, current=limits(before))
    assert after["changes"] == []
    assert limits(after) == {**limits(before), "mail": 104}


def test_one_more_replica_of_what_runs_changes_no_limit() -> None:
    requests = {"db": ask(256, 512, 512), "worker": ask(64, 128, 128)}
    before = plan(requests, 1024, reserve_mib=100)
    requests["worker"]["replicas"] = 3
    after = plan(requests, 1024, reserve_mib=100, current=limits(before))
    assert (after["changes"], after["services"]["worker"]["replicas"]) == ([], 3)


def test_what_does_not_fit_beside_the_limits_in_force_is_planned_afresh_and_every_change_named() -> None:
    requests = {"db": ask(256, 512, 1024), "app": ask(64, 128, 512), "fixed": ask(64)}
    before = plan(requests, 1024, reserve_mib=0)
    assert limits(before) == {"app": 288, "db": 672, "fixed": 64}
    requests["new"] = ask(128)
    after = plan(requests, 1024, reserve_mib=0, current=limits(before))
    assert limits(after) == limits(plan(requests, 1024, reserve_mib=0))
    assert after["changes"] == [{"name": "app", "from": 288, "to": 224}, {"name": "db", "from": 672, "to": 608}]


def test_a_rollout_that_starts_first_is_not_given_up_for_the_sake_of_a_limit() -> None:
    requests = {"web": ask(96, 192, 256, rolling=True), "db": ask(96, 192, 256)}
    before = plan(requests, 768, reserve_mib=0)
    assert (limits(before), before["update_order"]) == ({"web": 256, "db": 256}, "start-first")
    requests["new"] = ask(64)
    after = plan(requests, 768, reserve_mib=0, current=limits(before))
    assert after["update_order"] == "start-first"
    assert [change["name"] for change in after["changes"]] == ["db", "web"]


@pytest.mark.parametrize("asked", [ask(300, 400, 512), ask(64, 100, 128), ask(64, 256, 512, limit_mib=264)])
def test_only_the_limit_that_its_request_no_longer_accepts_changes(asked: dict[str, Any]) -> None:
    requests = {"db": asked, "app": ask(64, 128, 512)}
    after = plan(requests, 2048, reserve_mib=0, current={"db": 256, "app": 200})
    assert limits(after)["app"] == 200
    assert after["changes"] == [{"name": "db", "from": 256, "to": limits(after)["db"]}]


def test_limits_of_services_that_are_gone_are_ignored() -> None:
    assert plan({"app": ask(64)}, 64, reserve_mib=0, current={"old": 4096})["changes"] == []


# Refusals


def test_a_refusal_names_what_is_missing_every_term_and_the_remedies() -> None:
    with pytest.raises(PlanError) as caught:
        plan({**SMALL_PROD, "redis": ask(48, 96, 256, limit_mib=64)}, 1600, jobs_mib=192)
    assert caught.value.shortfall_mib == 60
    assert str(caught.value) == (
        "the services do not fit in memory: 60 MiB are missing.\n"
        "MiB          replicas    floor    limit    share\n"
        "mysql               1      264      264    16.5%\n"
        "app-web             1      232      232    14.5%\n"
        "app-worker          2       96       96    12.0%\n"
        "minio               1      160      160    10.0%\n"
        "redis               1       48       64     4.0%\n"
        "nginx               1       48       48     3.0%\n"
        "reserve                             508    31.8%\n"
        "jobs                                192    12.0%\n"
        "rollout copy                          0     0.0%\n"
        "missing                              60     3.8%\n"
        "total                              1600   100.0%\n"
        "update order: stop-first\n"
        "The reserve is: system 180, Docker 131, containers (7) 63, published ports (2) 6, slack 128.\n"
        "What would help, the cheapest first:\n"
        "- Leave out minio (optional): saves 169 MiB.\n"
        "- Use minio as a managed service elsewhere: saves 169 MiB.\n"
        "- Run fewer replicas: app-worker 1 instead of 2: saves 105 MiB.\n"
        "- Use a host with 1664 MiB for the stack, 64 MiB more than it has."
    )


def remedies(requests: Requests, total_mib: int, **options: Any) -> list[str]:
    with pytest.raises(PlanError) as caught:
        plan(requests, total_mib, **options)
    return [line.removeprefix("- ") for line in str(caught.value).splitlines() if line.startswith("- ")]


def test_a_given_reserve_has_no_terms_to_name() -> None:
    with pytest.raises(PlanError) as caught:
        plan({"a": ask(100)}, 64, reserve_mib=10)
    assert "The reserve is" not in str(caught.value)


def test_the_smallest_service_that_is_enough_is_the_one_to_leave_out() -> None:
    requests = {"s": ask(20, optional=True), "m": ask(40, optional=True), "l": ask(90, optional=True)}
    assert remedies(requests, 128, reserve_mib=10)[0] == "Leave out m (optional): saves 40 MiB."


def test_several_are_left_out_when_no_single_one_is_enough() -> None:
    requests = {name: ask(size, optional=True) for name, size in {"xs": 10, "s": 20, "m": 40, "l": 90}.items()}
    assert remedies(requests, 64, reserve_mib=10)[0] == "Leave out l, s (optional): saves 110 MiB."


def test_leaving_a_service_out_saves_its_part_of_a_computed_reserve_too() -> None:
    requests = {"mail": ask(64, replicas=2, ports=2, optional=True)}
    assert remedies(requests, 512)[0] == f"Leave out mail (optional): saves {2 * 64 + 2 * 9 + 2 * 3} MiB."


def test_a_pin_above_its_floor_is_the_cheapest_thing_to_remove() -> None:
    requests = {"db": ask(64, limit_mib=128), "search": ask(64, optional=True)}
    assert remedies(requests, 128, reserve_mib=0) == [
        "Remove the limit_mib of db: saves 64 MiB.",
        "Leave out search (optional): saves 64 MiB.",
        "Use a host with 192 MiB for the stack, 64 MiB more than it has.",
    ]


def test_remedies_are_joined_when_no_single_kind_is_enough() -> None:
    requests = {"db": ask(100, managed=True), "search": ask(60, optional=True), "web": ask(64, replicas=3)}
    assert remedies(requests, 128, reserve_mib=0)[0] == (
        "Leave out search (optional); use db as a managed service elsewhere; "
        "run fewer replicas: web 2 instead of 3: saves 224 MiB."
    )


def test_a_kind_that_is_enough_alone_is_named_after_a_joined_one() -> None:
    requests = {"db": ask(50, managed=True), "search": ask(30, optional=True), "web": ask(90, replicas=2)}
    assert remedies(requests, 192, reserve_mib=0)[:2] == [
        "Leave out search (optional); use db as a managed service elsewhere: saves 80 MiB.",
        "Run fewer replicas: web 1 instead of 2: saves 90 MiB.",
    ]


# Bad input


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        (["redis"], "requests must be a dictionary of services, not list"),
        ({"redis": 48}, "redis: a request must be a dictionary, not int"),
        ({"": ask(8)}, "a service needs a name, not ''"),
        ({"redis": {**ask(8), "floor_mb": 8}}, "redis: unknown key 'floor_mb'; did you mean 'floor_mib'?"),
        (
            {"redis": {**ask(8), "x": 8}},
            "redis: unknown key 'x'; there is floor_mib, ideal_mib, ceiling_mib, limit_mib, priority, weight, "
            "replicas, ports, rolling, optional, managed",
        ),
        ({"redis": {"floor_mib": 8, "ideal_mib": 8}}, "redis: ceiling_mib is missing"),
        ({"redis": ask(0)}, "redis: floor_mib must be a whole number, 1 or more, not 0"),
        ({"redis": {**ask(8), "ideal_mib": "64"}}, "redis: ideal_mib must be a whole number, 1 or more, not '64'"),
        ({"redis": ask(8, replicas=0)}, "redis: replicas must be a whole number, 1 or more, not 0"),
        ({"redis": ask(8, weight=1.5)}, "redis: weight must be a whole number, 1 or more, not 1.5"),
        ({"redis": ask(8, rolling=1)}, "redis: rolling must be true or false, not 1"),
        ({"redis": ask(64, 48, 96)}, "redis: ideal_mib 48 is below floor_mib 64; raise ideal_mib or lower floor_mib"),
        (
            {"redis": ask(48, 96, 64)},
            "redis: ceiling_mib 64 is below ideal_mib 96; raise ceiling_mib or lower ideal_mib",
        ),
        (
            {"redis": ask(48, limit_mib=40)},
            "redis: limit_mib 40 is below floor_mib 48; raise limit_mib or lower floor_mib",
        ),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(requests: Any, message: str) -> None:
    with pytest.raises(ValueError, match=exactly(message)) as caught:
        plan(requests, 1024)
    assert not isinstance(caught.value, PlanError)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"total_mib": "4096"}, "total_mib must be a whole number, 1 or more, not '4096'"),
        ({"reserve_mib": -1}, "reserve_mib must be a whole number, 0 or more, not -1"),
        ({"jobs_mib": None}, "jobs_mib must be a whole number, 0 or more, not None"),
        ({"step_mib": 0}, "step_mib must be a whole number, 1 or more, not 0"),
        ({"current": [48]}, "current must be a dictionary of limits in MiB, not list"),
        ({"current": {"redis": "48m"}}, "current: redis must be a whole number, 1 or more, not '48m'"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=exactly(message)):
        plan({"redis": ask(48)}, **{"total_mib": 4096, **options})


# The table


def test_the_table_shows_the_largest_first_then_everything_else_and_what_changes() -> None:
    requests = {"app": ask(232, 416, 1024, rolling=True), "db": ask(264, 512, 1536), "worker": ask(96, replicas=4)}
    assert table(plan(requests, 2560, jobs_mib=700, current={"app": 640}), requests).splitlines() == [
        "MiB          replicas    floor    limit    share",
        "worker              4       96       96    15.0%",
        "db                  1      264      368    14.4%",
        "app                 1      232      304    11.9%",
        "reserve                             493    19.3%",
        "jobs                                700    27.3%",
        "rollout copy                        304    11.9%",
        "spare                                 7     0.3%",
        "total                              2560   100.0%",
        "update order: start-first",
        "limit changes: app 640 -> 304",
    ]


def test_the_table_is_never_wider_than_100_columns() -> None:
    name = "an-application-with-a-name-of-more-than-forty-letters"
    requests = {name: ask(64, replicas=99)}
    planned = plan(requests, 99999, reserve_mib=0, current={name: 65})
    lines = table(planned, requests, {name: {"current_mib": 99999, "peak_mib": 99999}}).splitlines()
    assert lines[1].startswith("an-application-with-a-name-of-more-th... ")
    assert max(map(len, lines)) <= 100


def test_the_table_has_what_is_used_and_dashes_for_what_is_not_known() -> None:
    requests = {"db": ask(264, 512, 512), "app": ask(64), "cache": ask(48)}
    used = {"db": {"current_mib": 301, "peak_mib": 322}, "cache": {"current_mib": 7, "peak_mib": None}}
    assert table(plan(requests, 1024, reserve_mib=100), requests, used).splitlines()[:5] == [
        "MiB          replicas    floor    limit    share     used     peak",
        "db                  1      264      512    50.0%      301      322",
        "app                 1       64       64     6.2%        -        -",
        "cache               1       48       48     4.7%        7        -",
        "reserve                             100     9.8%",
    ]


# Properties


NAMES = st.sampled_from("abcdefgh")


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
            optional=draw(st.booleans()),
            managed=draw(st.booleans()),
        )
    return requests


def least(request: dict[str, Any]) -> int:
    return int(request["limit_mib"] or request["floor_mib"])


def use(requests: Requests, current: dict[str, int], start_first: bool) -> int:
    copy = max((current[name] for name, request in requests.items() if request["rolling"]), default=0)
    return sum(current[n] * request["replicas"] for n, request in requests.items()) + (copy if start_first else 0)


@st.composite
def fitting(draw: st.DrawFn) -> tuple[Requests, int, dict[str, int]]:
    """Requests, a total in which their floors fit, often barely, and the options."""
    requests = draw(some_requests())
    jobs, reserve = draw(st.integers(0, 100)), draw(st.integers(0, 100))
    need = use(requests, {name: least(request) for name, request in requests.items()}, False)
    total = -(-(need + jobs + reserve) // 64) * 64 + draw(st.one_of(st.integers(0, 200), st.integers(0, 2000)))
    return requests, total, {"reserve_mib": reserve, "jobs_mib": jobs, "step_mib": draw(st.sampled_from([1, 8, 8, 32]))}


def following(limit: int, step: int, bound: int) -> int:
    return min((limit // step + 1) * step, bound)


def oracle(requests: Requests, budget: int, step: int) -> tuple[bool, dict[str, int]]:
    """The plan by the book: look at every service before every step, and add everything up anew after it."""
    current = {name: least(request) for name, request in requests.items()}
    start_first = use(requests, current, True) <= budget
    while True:
        offers = []
        for name, request in requests.items():
            floor, ideal, ceiling = request["floor_mib"], request["ideal_mib"], request["ceiling_mib"]
            if request["limit_mib"] is not None or current[name] == ceiling:
                continue
            if current[name] < ideal:
                grown = following(current[name], step, ideal)
                price = (0, request["priority"], Fraction(grown - floor, ideal - floor))
            else:
                grown = following(current[name], step, ceiling)
                price = (1, 0, Fraction(grown - ideal, request["weight"]))
            offers.append((price, name, grown))
        if not offers:
            return start_first, current
        _price, name, grown = min(offers)
        if use(requests, {**current, name: grown}, start_first) > budget:
            return start_first, current
        current[name] = grown


@thorough
@given(fitting())
def test_the_plan_is_the_one_that_going_step_by_step_over_everything_makes(
    case: tuple[Requests, int, dict[str, int]],
) -> None:
    requests, total, options = case
    planned = plan(requests, total, **options)
    budget = total // 64 * 64 - options["reserve_mib"] - options["jobs_mib"]
    start_first, expected = oracle(requests, budget, options["step_mib"])
    assert (planned["update_order"] == "start-first", limits(planned)) == (start_first, expected)


@quick
@given(fitting())
def test_everything_adds_up_to_the_total_with_the_copy_of_a_rollout(case: tuple[Requests, int, dict[str, int]]) -> None:
    requests, total, options = case
    planned = plan(requests, total, **options)
    largest = max((limits(planned)[name] for name, request in requests.items() if request["rolling"]), default=0)
    start_first = planned["update_order"] == "start-first"
    assert planned["rollout_mib"] == (largest if start_first else 0)
    assert planned["spare_mib"] >= 0
    parts = ("reserve_mib", "jobs_mib", "spare_mib")
    assert use(requests, limits(planned), start_first) + sum(planned[part] for part in parts) == planned["total_mib"]
    assert planned["total_mib"] == total - total % 64
    floors = {name: least(request) for name, request in requests.items()}
    budget = planned["total_mib"] - options["reserve_mib"] - options["jobs_mib"]
    assert start_first == (use(requests, floors, True) <= budget)


@quick
@given(fitting())
def test_floors_ceilings_pins_and_steps_are_kept(case: tuple[Requests, int, dict[str, int]]) -> None:
    requests, total, options = case
    for name, limit in limits(plan(requests, total, **options)).items():
        request = requests[name]
        if request["limit_mib"] is not None:
            assert limit == request["limit_mib"]
        else:
            bounds = [request["floor_mib"], request["ideal_mib"], request["ceiling_mib"]]
            assert bounds[0] <= limit <= bounds[2]
            assert limit % options["step_mib"] == 0 or limit in bounds


@quick
@given(fitting())
def test_nobody_is_above_its_ideal_while_anyone_is_below_and_priorities_go_first(
    case: tuple[Requests, int, dict[str, int]],
) -> None:
    requests, total, options = case
    planned = limits(plan(requests, total, **options))
    free = {name: request for name, request in requests.items() if request["limit_mib"] is None}
    waiting = [request["priority"] for name, request in free.items() if planned[name] < request["ideal_mib"]]
    for name, request in free.items():
        if waiting:
            assert planned[name] <= request["ideal_mib"]
            if request["priority"] > min(waiting):
                assert planned[name] == request["floor_mib"]


@quick
@given(fitting())
def test_progress_within_a_priority_is_equal_to_within_one_step(case: tuple[Requests, int, dict[str, int]]) -> None:
    requests, total, options = case
    planned, step = limits(plan(requests, total, **options)), options["step_mib"]

    def progress(name: str, limit: int) -> Fraction:
        floor, ideal = requests[name]["floor_mib"], requests[name]["ideal_mib"]
        return Fraction(limit - floor, ideal - floor)

    short = [n for n, r in requests.items() if r["limit_mib"] is None and planned[n] < r["ideal_mib"]]
    for one in short:
        for other in short:
            if requests[one]["priority"] == requests[other]["priority"]:
                grown = following(planned[one], step, requests[one]["ideal_mib"])
                assert progress(other, planned[other]) <= progress(one, grown)


@quick
@given(fitting(), st.randoms())
def test_the_order_of_the_requests_does_not_matter(case: tuple[Requests, int, dict[str, int]], random: Any) -> None:
    requests, total, options = case
    shuffled = list(requests.items())
    random.shuffle(shuffled)
    planned = plan(requests, total, **options)
    assert json.dumps(plan(dict(shuffled), total, **options)) == json.dumps(planned)
    assert plan(json.loads(json.dumps(requests)), total, **options) == planned


@quick
@given(fitting(), st.integers(0, 3000))
def test_more_memory_never_lowers_a_limit_while_the_update_order_stays_the_same(
    case: tuple[Requests, int, dict[str, int]], more: int
) -> None:
    requests, total, options = case
    small, large = plan(requests, total, **options), plan(requests, total + more, **options)
    assume(small["update_order"] == large["update_order"])
    assert all(limits(small)[name] <= limits(large)[name] for name in requests)


@quick
@given(some_requests(), st.integers(64, 6000), st.integers(0, 3000))
def test_more_memory_never_lowers_a_limit_when_the_reserve_grows_with_it(
    requests: Requests, total: int, more: int
) -> None:
    try:
        small = plan(requests, total)
    except PlanError:
        return
    large = plan(requests, total + more)
    if small["update_order"] == large["update_order"]:
        assert all(limits(small)[name] <= limits(large)[name] for name in requests)


@quick
@given(fitting(), some_requests())
def test_another_service_never_enlarges_one_that_was_there(
    case: tuple[Requests, int, dict[str, int]], others: Requests
) -> None:
    requests, total, options = case
    try:
        more = plan({**others, **requests}, total, **options)
    except PlanError:
        return
    alone = plan(requests, total, **options)
    assume(alone["update_order"] == more["update_order"])
    assert all(limits(more)[name] <= limits(alone)[name] for name in requests)


@quick
@given(fitting(), NAMES, st.integers(1, 5))
def test_a_greater_weight_never_shrinks_its_owner(
    case: tuple[Requests, int, dict[str, int]], name: str, more: int
) -> None:
    requests, total, options = case
    assume(name in requests)
    heavier = {**requests, name: {**requests[name], "weight": requests[name]["weight"] + more}}
    assert limits(plan(heavier, total, **options))[name] >= limits(plan(requests, total, **options))[name]


@quick
@given(some_requests(), st.integers(1, 3000), st.integers(0, 500), st.integers(0, 100))
def test_it_is_refused_exactly_when_the_floors_do_not_fit_and_the_shortfall_is_exact(
    requests: Requests, total: int, reserve: int, jobs: int
) -> None:
    need = use(requests, {name: least(request) for name, request in requests.items()}, False)
    short = need + reserve + jobs - total // 64 * 64
    if short <= 0:
        plan(requests, total, reserve_mib=reserve, jobs_mib=jobs)
        return
    with pytest.raises(PlanError) as caught:
        plan(requests, total, reserve_mib=reserve, jobs_mib=jobs)
    assert caught.value.shortfall_mib == short
    assert f": {short} MiB are missing.\n" in str(caught.value)


@thorough
@given(some_requests(), st.integers(1, 800), st.one_of(st.none(), st.integers(0, 500)))
def test_every_remedy_that_is_named_is_enough(requests: Requests, total: int, reserve: int | None) -> None:
    try:
        plan(requests, total, reserve_mib=reserve)
    except PlanError as exc:
        named = [line.removeprefix("- ") for line in str(exc).splitlines() if line.startswith("- ")]
    else:
        return
    ways = [remedy for remedy in named if not remedy.startswith("Use a host")]
    assert len(named) - len(ways) == 1
    for remedy in ways:
        text, saved = groups(r"(.*): saves (\d+) MiB\.", remedy)
        helped = apply_remedy(requests, text)
        planned = plan(helped, total, reserve_mib=reserve)
        before, after = needed(requests, total, reserve), needed(helped, total, reserve)
        assert (before - after, planned["spare_mib"] >= 0) == (int(saved), True)
    enough, more = map(int, re.findall(r"\d+", named[-1]))
    assert enough - total == more
    plan(requests, enough, reserve_mib=reserve)
    with pytest.raises(PlanError):
        plan(requests, enough - 1, reserve_mib=reserve)


def needed(requests: Requests, total: int, reserve: int | None) -> int:
    containers = sum(9 * request["replicas"] + 3 * request["ports"] for request in requests.values())
    floors = use(requests, {name: least(request) for name, request in requests.items()}, False)
    return floors + (containers if reserve is None else 0)


def groups(pattern: str, text: str) -> tuple[str, ...]:
    match = re.fullmatch(pattern, text)
    assert match, text
    return match.groups()


def apply_remedy(requests: Requests, text: str) -> Requests:
    """Do what the words of a remedy say."""
    helped = dict(requests)
    for part in text.lower().split("; "):
        if part.startswith("remove the limit_mib of "):
            for name in part.removeprefix("remove the limit_mib of ").split(", "):
                helped[name] = {**helped[name], "limit_mib": None}
        elif part.startswith("run fewer replicas: "):
            for change in part.removeprefix("run fewer replicas: ").split(", "):
                name, fewer, now = groups(r"(\w) (\d) instead of (\d)", change)
                assert helped[name]["replicas"] == int(now) > int(fewer) >= 1
                helped[name] = {**helped[name], "replicas": int(fewer)}
        else:
            names, flag = groups(r"(?:leave out|use) ([\w, ]+?) (\(optional\)|as a managed service elsewhere)", part)
            for name in names.split(", "):
                assert helped[name]["optional" if "optional" in flag else "managed"]
                del helped[name]
    return helped


@quick
@given(fitting())
def test_with_its_own_limits_in_force_nothing_changes(case: tuple[Requests, int, dict[str, int]]) -> None:
    requests, total, options = case
    planned = plan(requests, total, **options)
    assert plan(requests, total, **options, current=limits(planned)) == planned


@thorough
@given(fitting(), some_requests(), st.integers(0, 1000), st.integers(0, 300))
def test_limits_in_force_that_still_fit_are_kept_and_else_the_plan_is_made_afresh(
    case: tuple[Requests, int, dict[str, int]], others: Requests, more: int, jobs: int
) -> None:
    requests, total, options = case
    current = limits(plan(requests, total, **options))
    after = {**requests, **others}
    options["jobs_mib"] = jobs
    try:
        fresh = plan(after, total + more, **options)
    except PlanError:
        return
    planned = plan(after, total + more, **options, current=current)

    def accepted(name: str, limit: int) -> bool:
        request = after[name]
        if request["limit_mib"] is not None:
            return limit == request["limit_mib"]
        return bool(request["floor_mib"] <= limit <= request["ceiling_mib"])

    kept = {name: limit for name, limit in current.items() if name in after and accepted(name, limit)}
    start_first = fresh["update_order"] == "start-first"
    together = {**{name: least(request) for name, request in after.items()}, **kept}
    budget = fresh["total_mib"] - fresh["reserve_mib"] - fresh["jobs_mib"]
    if use(after, together, start_first) <= budget:
        assert {name: limits(planned)[name] for name in kept} == kept
    else:
        assert limits(planned) == limits(fresh)
    assert planned["update_order"] == fresh["update_order"]
    assert planned["spare_mib"] >= 0
    assert planned["changes"] == [
        {"name": name, "from": current[name], "to": limit}
        for name, limit in sorted(limits(planned).items())
        if name in current and current[name] != limit
    ]


def test_fifty_services_on_16_gib_take_no_more_steps_than_the_memory_has(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0

    def counted(*queues: Iterator[Any]) -> Iterator[Any]:
        nonlocal taken
        for step in merge(*queues):
            taken += 1
            yield step

    merge: Callable[..., Iterator[Any]] = heapq.merge
    monkeypatch.setattr("ansible_collections.onebox.stack.plugins.module_utils._memory.heapq.merge", counted)
    requests = {
        f"s{i:02}": ask(8 * (i + 1), 8 * (3 * i + 7), 4096, weight=i % 7 + 1, priority=i % 3) for i in range(50)
    }
    planned = plan(requests, 16384)
    grown = sum(limits(planned)[name] - request["floor_mib"] for name, request in requests.items())
    assert grown // 8 <= taken <= grown // 8 + 1
