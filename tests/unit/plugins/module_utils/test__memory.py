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
import yaml
from ansible_collections.onebox.stack.plugins.module_utils._memory import PlanError, ideals, plan
from ansible_collections.onebox.stack.plugins.module_utils._tuning import floor_mib, summary, tuning, worst_case_mib
from hypothesis import assume, given
from hypothesis import strategies as st

from unit.plugins.module_utils.stacks import (
    NAMES,
    SMALL_PROD,
    Requests,
    ask,
    fitting,
    least,
    limits,
    quick,
    some_requests,
    thorough,
    tuned_requests,
    use,
)


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
            "app-web": {"limit_mib": 608, "replicas": 1, "floor_mib": 232, "ideal_mib": 416, "ceiling_mib": 1024},
            "app-worker": {"limit_mib": 288, "replicas": 2, "floor_mib": 96, "ideal_mib": 192, "ceiling_mib": 384},
            "minio": {"limit_mib": 304, "replicas": 1, "floor_mib": 160, "ideal_mib": 256, "ceiling_mib": 512},
            "mysql": {"limit_mib": 752, "replicas": 1, "floor_mib": 264, "ideal_mib": 512, "ceiling_mib": 1536},
            "nginx": {"limit_mib": 88, "replicas": 1, "floor_mib": 48, "ideal_mib": 48, "ceiling_mib": 96},
            "redis": {"limit_mib": 136, "replicas": 1, "floor_mib": 48, "ideal_mib": 96, "ceiling_mib": 256},
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
            "app": {"limit_mib": 72, "replicas": 2, "floor_mib": 64, "ideal_mib": 128, "ceiling_mib": 128},
            "db": {"limit_mib": 128, "replicas": 1, "floor_mib": 64, "ideal_mib": 128, "ceiling_mib": 256},
        }
    }


def test_without_a_host_a_request_is_checked_all_the_same() -> None:
    with pytest.raises(ValueError, match=exactly("db: ceiling_mib is missing")):
        ideals({"db": {"floor_mib": 8, "ideal_mib": 8}})


# Engines


def test_an_engine_has_its_own_floor_and_the_settings_for_its_limit() -> None:
    asked = {"tuning": {"engine": "mysql", "connections": 30}, "ideal_mib": 512, "ceiling_mib": 1536}
    (service,) = plan({"db": asked}, 1024, reserve_mib=0)["services"].values()
    assert service["floor_mib"] == floor_mib("mysql", connections=30)
    assert service["settings"] == tuning(service["limit_mib"], "mysql", connections=30)
    assert service["summary"] == summary("mysql", service["settings"])


def test_what_a_template_writes_as_text_is_the_same_as_numbers() -> None:
    numbers = {"tuning": {"engine": "mysql", "connections": 30}, "ideal_mib": 512, "ceiling_mib": 1536, "replicas": 2}
    texts = {"tuning": {"engine": "mysql", "connections": "30"}, "ideal_mib": "512", "ceiling_mib": "1536"}
    assert plan({"db": {**texts, "replicas": "2"}}, "2048", jobs_mib="64", current={"db": "520"}) == plan(
        {"db": numbers}, 2048, jobs_mib=64, current={"db": 520}
    )


def test_an_own_floor_above_the_engine_s_is_kept() -> None:
    asked = {"tuning": {"engine": "redis"}, "floor_mib": 200, "ideal_mib": 256, "ceiling_mib": 256}
    assert plan({"redis": asked}, 256, reserve_mib=50)["services"]["redis"]["floor_mib"] == 200


# Limits in force


def test_limits_in_force_are_kept_when_memory_grows() -> None:
    before = plan(SMALL_PROD, 3840)
    after = plan(SMALL_PROD, 7680, current=limits(before))
    assert (after["changes"], limits(after)) == ([], limits(before))


def test_a_plan_afresh_uses_memory_that_grew_and_names_every_change() -> None:
    before = plan(SMALL_PROD, 3840)
    after = plan(SMALL_PROD, 7680, current=limits(before), afresh=True)
    assert limits(after) == limits(plan(SMALL_PROD, 7680))
    assert {change["name"]: change["to"] for change in after["changes"]} == {
        name: limit for name, limit in limits(after).items() if limit != limits(before)[name]
    }


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


def changed(planned: dict[str, Any]) -> set[str]:
    return {change["name"] for change in planned["changes"]}


def full_box(**more: Any) -> tuple[Requests, dict[str, int], dict[str, int]]:
    """Requests on a host that they fill, the limits in force, and how many of each run."""
    before = plan(SMALL_PROD, 3840)
    assert before["spare_mib"] < 8
    requests = {**SMALL_PROD, **more}
    return requests, limits(before), {name: ask.get("replicas", 1) for name, ask in SMALL_PROD.items()}


@pytest.mark.parametrize(
    "more",
    [
        {"app-worker": {**SMALL_PROD["app-worker"], "replicas": 3}},
        {"app-web": {**SMALL_PROD["app-web"], "replicas": 2}},
        {"app-scheduler": ask(64, 96, 192)},
    ],
)
def test_on_a_full_host_a_replica_a_worker_or_a_small_container_changes_apps_only(more: Requests) -> None:
    requests, in_force, running = full_box(**more)
    after = plan(requests, 3840, current=in_force, running=running)
    assert changed(after)
    assert changed(after) <= {"app-web", "app-worker"}
    assert after["update_order"] == "start-first"


def test_caches_and_the_like_are_given_up_before_a_database_and_that_only_when_it_must_be() -> None:
    requests, in_force, running = full_box(search=ask(1300, keep=1))
    after = plan(requests, 3840, current=in_force, running=running)
    assert changed(after) == {"app-web", "app-worker", "minio", "nginx", "redis"}
    requests["search"] = ask(1700, keep=1)
    after = plan(requests, 3840, current=in_force, running=running)
    assert changed(after) == {"app-web", "app-worker", "minio", "mysql", "nginx", "redis"}


def test_a_rollout_that_starts_first_is_not_given_up_for_the_sake_of_a_limit() -> None:
    requests = {"web": ask(96, 192, 256, rolling=True), "db": ask(96, 192, 256)}
    before = plan(requests, 768, reserve_mib=0)
    assert (limits(before), before["update_order"]) == ({"web": 256, "db": 256}, "start-first")
    requests["new"] = ask(64)
    after = plan(requests, 768, reserve_mib=0, current=limits(before))
    assert (after["update_order"], changed(after)) == ("start-first", {"db", "web"})


def test_one_more_replica_beside_what_runs_does_not_take_the_room_of_a_rollout() -> None:
    requests = {"web": ask(96, 192, 256, rolling=True), "worker": ask(64, 96, 128, replicas=2)}
    in_force = {"web": 256, "worker": 128}
    running = {"web": 1, "worker": 1}
    after = plan(requests, 640, reserve_mib=0, current=in_force, running=running)
    assert (after["update_order"], changed(after)) == ("start-first", {"web", "worker"})
    # Where as many as that run already, there was no room for a copy before.
    after = plan(requests, 640, reserve_mib=0, current=in_force, running={"web": 1, "worker": 2})
    assert (after["update_order"], changed(after)) == ("stop-first", set())


def test_a_host_without_room_for_a_copy_stays_as_it_is_when_memory_becomes_free() -> None:
    requests = {"web": ask(200, 512, 512, rolling=True), "mail": ask(200)}
    before = plan(requests, 576, reserve_mib=0)
    assert (before["update_order"], limits(before)) == ("stop-first", {"web": 376, "mail": 200})
    del requests["mail"]
    after = plan(requests, 576, reserve_mib=0, current=limits(before))
    assert (after["update_order"], changed(after)) == ("stop-first", set())
    assert plan(requests, 576, reserve_mib=0)["update_order"] == "start-first"


@pytest.mark.parametrize("asked", [ask(300, 400, 512), ask(64, 100, 128), ask(64, 256, 512, limit_mib=264)])
def test_only_the_limit_that_its_request_no_longer_accepts_changes(asked: dict[str, Any]) -> None:
    requests = {"db": asked, "app": ask(64, 128, 512)}
    after = plan(requests, 2048, reserve_mib=0, current={"db": 256, "app": 200})
    assert limits(after)["app"] == 200
    assert after["changes"] == [{"name": "db", "from": 256, "to": limits(after)["db"]}]


def test_limits_of_services_that_are_gone_are_ignored() -> None:
    assert plan({"app": ask(64)}, 64, reserve_mib=0, current={"old": 4096})["changes"] == []


def test_a_host_that_lost_a_little_memory_keeps_its_limits_and_its_slack_is_smaller() -> None:
    before = plan(SMALL_PROD, 3840)
    after = plan(SMALL_PROD, 3802, current=limits(before))
    assert (after["total_mib"], after["changes"], limits(after)) == (3776, [], limits(before))
    assert (before["reserve_mib"], after["reserve_mib"]) == (572, 572 - 64 + 4)
    after = plan(SMALL_PROD, 3700, current=limits(before))
    assert after["update_order"] == "stop-first"
    fresh = plan(SMALL_PROD, 3700, current=limits(before), afresh=True)
    assert fresh["update_order"] == "start-first"
    assert "mysql" in changed(fresh)


# Bad input


REDIS = {"tuning": {"engine": "redis"}, "ideal_mib": 96, "ceiling_mib": 256}


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
            "replicas, ports, keep, rolling, optional, managed, tuning",
        ),
        ({"redis": {"floor_mib": 8, "ideal_mib": 8}}, "redis: ceiling_mib is missing"),
        ({"redis": ask(0)}, "redis: floor_mib must be a whole number, 1 or more, not 0"),
        ({"redis": {**ask(8), "ideal_mib": "64m"}}, "redis: ideal_mib must be a whole number, 1 or more, not '64m'"),
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
        (
            {"redis": {**ask(40, 96), "tuning": {"engine": "redis"}}},
            "redis: floor_mib 40 is below 48, the least for redis; raise it",
        ),
        (
            {"redis": {**REDIS, "limit_mib": 40}},
            "redis: limit_mib 40 is below floor_mib 48; raise limit_mib",
        ),
        (
            {"redis": {**REDIS, "ceiling_mib": 40}},
            "redis: ceiling_mib 40 is below floor_mib 48; raise ceiling_mib",
        ),
        (
            {"redis": {**REDIS, "tuning": "redis"}},
            "redis: tuning must have an engine, such as {engine: redis}, not 'redis'",
        ),
        (
            {"redis": {**REDIS, "tuning": {"flavor": "redis"}}},
            "redis: tuning must have an engine, such as {engine: redis}, not {'flavor': 'redis'}",
        ),
        (
            {"redis": {**REDIS, "tuning": {"engine": "redis", "flavor": "keydb"}}},
            "redis: no tuning for flavor 'keydb'; there is valkey, redis",
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
        ({"total_mib": "4 GB"}, "total_mib must be a whole number, 1 or more, not '4 GB'"),
        ({"reserve_mib": -1}, "reserve_mib must be a whole number, 0 or more, not -1"),
        ({"jobs_mib": None}, "jobs_mib must be a whole number, 0 or more, not None"),
        ({"step_mib": 0}, "step_mib must be a whole number, 1 or more, not 0"),
        ({"current": [48]}, "current must be a dictionary of whole numbers by name, not list"),
        ({"running": 1}, "running must be a dictionary of whole numbers by name, not int"),
        ({"current": {"redis": "48m"}}, "current: redis must be a whole number, 1 or more, not '48m'"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=exactly(message)):
        plan({"redis": ask(48)}, **{"total_mib": 4096, **options})


# Properties


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
@given(fitting())
def test_above_the_ideals_everyone_has_the_same_for_its_weight_to_within_one_step(
    case: tuple[Requests, int, dict[str, int]],
) -> None:
    requests, total, options = case
    planned, step = limits(plan(requests, total, **options)), options["step_mib"]

    def level(name: str, limit: int) -> Fraction:
        return Fraction(limit - requests[name]["ideal_mib"], requests[name]["weight"])

    free = [name for name, request in requests.items() if request["limit_mib"] is None]
    for one in (name for name in free if requests[name]["ideal_mib"] <= planned[name] < requests[name]["ceiling_mib"]):
        for other in (name for name in free if planned[name] > requests[name]["ideal_mib"]):
            grown = following(planned[one], step, requests[one]["ceiling_mib"])
            assert level(other, planned[other]) <= level(one, grown)


@quick
@given(fitting())
def test_what_is_spare_is_too_little_for_somebody_s_next_step_or_everyone_has_all_it_can_use(
    case: tuple[Requests, int, dict[str, int]],
) -> None:
    requests, total, options = case
    planned = plan(requests, total, **options)
    start_first = planned["update_order"] == "start-first"
    open_to = {name: r for name, r in requests.items() if r["limit_mib"] is None}
    grown = {
        name: following(limit, options["step_mib"], bound)
        for name, limit in limits(planned).items()
        if name in open_to
        for bound in [open_to[name]["ideal_mib" if limit < open_to[name]["ideal_mib"] else "ceiling_mib"]]
        if limit < bound
    }
    now = use(requests, limits(planned), start_first)
    costs = [use(requests, {**limits(planned), name: limit}, start_first) - now for name, limit in grown.items()]
    assert not costs or planned["spare_mib"] < max(costs)


@quick
@given(tuned_requests(), st.integers(2048, 65536))
def test_what_the_settings_allow_at_the_worst_is_within_the_limit_of_every_service(
    requests: Requests, total: int
) -> None:
    try:
        planned = plan(requests, total)
    except PlanError:
        planned = ideals(requests)
    for name, service in planned["services"].items():
        facts = {**requests[name]["tuning"]}
        assert worst_case_mib(facts.pop("engine"), service["settings"], **facts) <= service["limit_mib"]
        assert service["floor_mib"] >= floor_mib(**requests[name]["tuning"])


@quick
@given(tuned_requests(), st.integers(8192, 16384))
def test_a_plan_is_the_same_after_a_way_through_json_and_yaml(requests: Requests, total: int) -> None:
    planned = plan(requests, total) if len(requests) < 3 else ideals(requests)
    assert json.loads(json.dumps(planned)) == planned
    assert yaml.safe_load(yaml.safe_dump(planned)) == planned
    assert plan(yaml.safe_load(yaml.safe_dump(requests)), 65536) == plan(requests, 65536)


# Properties of limits in force


def accepted(request: dict[str, Any], limit: int) -> bool:
    if request["limit_mib"] is not None:
        return bool(limit == request["limit_mib"])
    return bool(request["floor_mib"] <= limit <= request["ceiling_mib"])


def replicas(requests: Requests) -> dict[str, int]:
    return {name: request["replicas"] for name, request in requests.items()}


@quick
@given(fitting(), st.booleans())
def test_with_its_own_limits_in_force_a_plan_stays_what_it_is(
    case: tuple[Requests, int, dict[str, int]], counted: bool
) -> None:
    requests, total, options = case
    planned = plan(requests, total, **options)
    running = replicas(requests) if counted else None
    assert plan(requests, total, **options, current=limits(planned), running=running) == planned


@st.composite
def changing(draw: st.DrawFn) -> tuple[Requests, dict[str, int], dict[str, int], Requests, int, dict[str, int]]:
    """What runs: requests, limits and replicas. What is asked for then: requests, a total, the options."""
    before, total, options = draw(fitting())
    current = limits(plan(before, total, **options))
    after = {name: dict(request) for name, request in before.items() if draw(st.integers(0, 3))}
    for request in after.values():
        if not draw(st.integers(0, 3)):
            request["replicas"] = draw(st.integers(1, 3))
    others = draw(some_requests(least=0))
    after = {**others, **after} if draw(st.booleans()) else {**after, **others}
    options["jobs_mib"] = draw(st.integers(0, 300))
    return before, current, replicas(before), after, total + draw(st.integers(0, 1000)), options


@thorough
@given(changing())
def test_of_limits_in_force_no_more_groups_are_given_up_than_it_takes(case: Any) -> None:
    _before, current, running, after, total, options = case
    try:
        planned = plan(after, total, **options, current=current, running=running)
    except PlanError:
        return
    start_first = planned["update_order"] == "start-first"
    budget = planned["total_mib"] - planned["reserve_mib"] - planned["jobs_mib"]
    floors = {name: least(request) for name, request in after.items()}
    fine = {name: limit for name, limit in current.items() if name in after and accepted(after[name], limit)}
    groups = [-1, *sorted({request["keep"] for request in after.values()})]
    kept_at = {group: {n: limit for n, limit in fine.items() if after[n]["keep"] > group} for group in groups}
    # With the update order as it is found to be, the first group for which the others' limits and all floors fit.
    group = next(g for g in groups if use(after, {**floors, **kept_at[g]}, start_first) <= budget)
    assert {name: limits(planned)[name] for name in kept_at[group]} == kept_at[group]
    assert planned["changes"] == [
        {"name": name, "from": current[name], "to": limit}
        for name, limit in sorted(limits(planned).items())
        if name in current and current[name] != limit
    ]
    assert planned["spare_mib"] >= 0
    assert use(after, limits(planned), start_first) + planned["spare_mib"] == budget


@thorough
@given(changing())
def test_a_rollout_that_had_room_and_still_has_it_at_the_floors_keeps_it(case: Any) -> None:
    before, current, running, after, total, options = case
    stay = {name: {**request, "replicas": running[name]} for name, request in after.items() if name in before}
    budget = total // 64 * 64 - options["reserve_mib"] - options["jobs_mib"]
    floors = {name: least(request) for name, request in after.items()}
    if use(after, floors, False) > budget:
        return
    planned = plan(after, total, **options, current=current, running=running)
    if use(after, floors, True) <= budget and use(stay, current, True) <= budget:
        assert planned["update_order"] == "start-first"
    elif use(after, floors, True) > budget:
        assert planned["update_order"] == "stop-first"


@thorough
@given(fitting(), NAMES, some_requests())
def test_what_is_added_changes_nothing_of_a_higher_group_while_it_fits_without(
    case: tuple[Requests, int, dict[str, int]], name: str, others: Requests
) -> None:
    requests, total, options = case
    before = plan(requests, total, **options)
    after = {**{n: {**request, "keep": 0} for n, request in others.items()}, **requests}
    if name in requests:
        after[name] = {**after[name], "replicas": after[name]["replicas"] + 1}
    held = {n: limit for n, limit in limits(before).items() if requests[n]["keep"] > 0}
    floors = {n: least(request) for n, request in after.items()}
    budget = before["total_mib"] - before["reserve_mib"] - before["jobs_mib"]
    if use(after, {**floors, **held}, True) > budget:
        return
    planned = plan(after, total, **options, current=limits(before), running=replicas(requests))
    assert {n: limits(planned)[n] for n in held} == held


@quick
@given(fitting(), st.data())
def test_what_is_taken_out_changes_no_limit(case: tuple[Requests, int, dict[str, int]], data: st.DataObject) -> None:
    requests, total, options = case
    current = limits(plan(requests, total, **options))
    name = data.draw(st.sampled_from(sorted(requests)))
    fewer = {n: dict(request) for n, request in requests.items()}
    if fewer[name]["replicas"] > 1 and data.draw(st.booleans()):
        fewer[name]["replicas"] -= 1
    else:
        del fewer[name]
    assert plan(fewer, total, **options, current=current, running=replicas(requests))["changes"] == []


@thorough
@given(some_requests(), st.integers(700, 20000), st.integers(-10, 10))
def test_a_host_with_one_percent_less_or_more_memory_keeps_all_limits(
    requests: Requests, total: int, permille: int
) -> None:
    try:
        before = plan(requests, total)
    except PlanError:
        return
    after = plan(requests, total + total * permille // 1000, current=limits(before), running=replicas(requests))
    assert (after["changes"], limits(after)) == ([], limits(before))
    # What the slack lends is never more than half of it and a bit, and never shown as missing.
    assert after["reserve_mib"] >= plan({**requests}, total)["reserve_mib"] - 64 - total // 98
    assert after["spare_mib"] >= 0


@thorough
@given(changing(), st.data())
def test_a_run_that_was_cut_short_ends_where_nothing_changes_any_more(case: Any, data: st.DataObject) -> None:
    _before, current, running, after, total, options = case
    try:
        planned = plan(after, total, **options, current=current, running=running)
    except PlanError:
        return
    for name, limit in limits(planned).items():
        if data.draw(st.booleans()):
            current, running = {**current, name: limit}, {**running, name: after[name]["replicas"]}
    again = plan(after, total, **options, current=current, running=running)
    assert again["spare_mib"] >= 0
    last = plan(after, total, **options, current=limits(again), running=replicas(after))
    assert (last["changes"], limits(last)) == ([], limits(again))


# Speed


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
