# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils._memory import PlanError, plan
from ansible_collections.onebox.stack.plugins.module_utils._memory_table import table
from ansible_collections.onebox.stack.plugins.module_utils._tuning import floor_mib
from hypothesis import given
from hypothesis import strategies as st

from unit.plugins.module_utils.stacks import (
    SMALL_PROD,
    Requests,
    ask,
    least,
    quick,
    some_requests,
    thorough,
    tuned_requests,
    use,
)


def test_a_refusal_names_what_is_missing_every_term_and_the_remedies() -> None:
    requests = {**SMALL_PROD, "redis": ask(48, 96, 256, limit_mib=64)}
    with pytest.raises(PlanError) as caught:
        plan(requests, 1600, jobs_mib=192)
    assert caught.value.shortfall_mib == 60
    text = str(caught.value)
    first, rest = text.split("\n", 1)
    shown, after = rest.split("\nThe reserve is: ")
    assert first == "the services do not fit in memory: 60 MiB are missing."
    for name, request in requests.items():
        limit = request.get("limit_mib", request["floor_mib"])
        assert re.search(
            rf"^{name} +{request.get('replicas', 1)} +{request['floor_mib']} +{limit} ", shown, re.MULTILINE
        )
    for label, mib in {"reserve": 508, "jobs": 192, "rollout copy": 0, "missing": 60, "total": 1600}.items():
        assert re.search(rf"^{label} +{mib} ", shown, re.MULTILINE)
    assert after == (
        "system 180, Docker 131, containers (7) 63, published ports (2) 6, slack 128.\n"
        "What would help, the cheapest first:\n"
        "- Leave out minio (optional): saves 169 MiB.\n"
        "- Use minio as a managed service elsewhere (databases by onebox_managed): saves 169 MiB.\n"
        "- Run fewer replicas: app-worker 1 instead of 2: saves 105 MiB.\n"
        "- Use a host with 1664 MiB for the stack, 64 MiB more than it has."
    )


def test_the_table_of_a_refusal_is_that_of_the_plan_with_everybody_at_the_floor() -> None:
    with pytest.raises(PlanError) as caught:
        plan({"db": {"tuning": {"engine": "redis"}, "ideal_mib": 96, "ceiling_mib": 96}}, 64, reserve_mib=40)
    fitting = plan({"db": {"tuning": {"engine": "redis"}, "ideal_mib": 96, "ceiling_mib": 96}}, 64, reserve_mib=0)
    rows = {line.split()[0]: line for line in table(fitting).splitlines()}
    assert rows["db"].split()[:4] == ["db", "1", "48", "64"]
    shown = {line.split()[0]: line for line in str(caught.value).splitlines()}
    assert shown["db"].split()[:4] == ["db", "1", "48", "48"]
    assert "14mb, noeviction" in shown["db"]


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
        "Leave out search (optional); use db as a managed service elsewhere (databases by onebox_managed); "
        "run fewer replicas: web 2 instead of 3: saves 224 MiB."
    )


def test_a_kind_that_is_enough_alone_is_named_after_a_joined_one() -> None:
    requests = {"db": ask(50, managed=True), "search": ask(30, optional=True), "web": ask(90, replicas=2)}
    assert remedies(requests, 192, reserve_mib=0)[:2] == [
        "Leave out search (optional); use db as a managed service elsewhere (databases by onebox_managed): "
        "saves 80 MiB.",
        "Run fewer replicas: web 1 instead of 2: saves 90 MiB.",
    ]


def redis(**more: Any) -> dict[str, Any]:
    return {"tuning": {"engine": "redis"}, "ideal_mib": 512, "ceiling_mib": 512, **more}


def test_an_own_floor_above_the_engine_s_need_be_lowered_only_as_far_as_it_takes() -> None:
    assert remedies({"redis": redis(floor_mib=400)}, 320, reserve_mib=0) == [
        "Lower the floor_mib of redis from 400 to 320: saves 80 MiB.",
        "Use a host with 448 MiB for the stack, 128 MiB more than it has.",
    ]
    assert remedies({"redis": redis(floor_mib=400)}, 64, reserve_mib=20)[0].startswith("Use a host")


@pytest.mark.parametrize(
    ("tuning", "words"),
    [
        ({"engine": "mysql", "connections": 200}, "connections of it from 200 to 190"),
        ({"engine": "postgresql", "connections": "60"}, "connections of it from 60 to 50"),
        ({"engine": "php_fpm", "workers": 5}, "workers of it from 5 to 4"),
        ({"engine": "php_fpm"}, "workers of it from 2 to 1"),
        ({"engine": "octane", "workers": 3, "worker_mib": 512}, "workers of it from 3 to 2"),
    ],
)
def test_fewer_connections_or_workers_lower_the_floor_of_an_engine(tuning: dict[str, Any], words: str) -> None:
    floor = floor_mib(**tuning)
    requests = {"it": {"tuning": tuning, "ideal_mib": 8192, "ceiling_mib": 8192}}
    first, *_others = remedies(requests, floor + 64, reserve_mib=72 - floor % 64)
    assert first.startswith(f"Lower the {words}: saves ")


def test_a_database_of_the_fewest_connections_cannot_be_helped_that_way() -> None:
    requests = {"db": {"tuning": {"engine": "mysql", "connections": 20}, "ideal_mib": 512, "ceiling_mib": 512}}
    assert [remedy.split(":")[0] for remedy in remedies(requests, 256, reserve_mib=100)] == [
        "Use a host with 384 MiB for the stack, 128 MiB more than it has."
    ]


# Properties


@st.composite
def refused_tuned(draw: st.DrawFn) -> Requests:
    """Requests of engines that can be helped in several ways."""
    requests = draw(tuned_requests())
    for request in requests.values():
        request.update(optional=draw(st.booleans()), managed=draw(st.booleans()), limit_mib=None)
    return requests


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
@given(st.one_of(some_requests(), refused_tuned()), st.integers(1, 1600), st.one_of(st.none(), st.integers(0, 500)))
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
    containers = sum(9 * request["replicas"] + 3 * request.get("ports", 0) for request in requests.values())
    floors = use(requests, {name: lowest(request) for name, request in requests.items()}, False)
    return floors + (containers if reserve is None else 0)


def lowest(request: dict[str, Any]) -> int:
    if "floor_mib" in request:
        return least(request)
    return int(request.get("limit_mib") or floor_mib(**request["tuning"]))


def groups(pattern: str, text: str) -> tuple[str, ...]:
    match = re.fullmatch(pattern, text)
    assert match, text
    return match.groups()


def apply_remedy(requests: Requests, text: str) -> Requests:
    """Do what the words of a remedy say."""
    helped = dict(requests)
    for part in text.lower().split("; "):
        if part.startswith("lower the floor_mib of "):
            for change in part.removeprefix("lower the floor_mib of ").split(", "):
                name, before, after = groups(r"([\w-]+) from (\d+) to (\d+)", change)
                assert helped[name]["floor_mib"] == int(before) > int(after) >= floor_mib(**helped[name]["tuning"])
                helped[name] = {**helped[name], "floor_mib": int(after)}
        elif part.startswith("lower the "):
            for change in part.removeprefix("lower the ").split(", "):
                fact, name, _before, after = groups(r"(\w+) of ([\w-]+) from (\d+) to (\d+)", change)
                helped[name] = {**helped[name], "tuning": {**helped[name]["tuning"], fact: int(after)}}
        elif part.startswith("remove the limit_mib of "):
            for name in part.removeprefix("remove the limit_mib of ").split(", "):
                helped[name] = {**helped[name], "limit_mib": None}
        elif part.startswith("run fewer replicas: "):
            for change in part.removeprefix("run fewer replicas: ").split(", "):
                name, fewer, now = groups(r"([\w-]+) (\d) instead of (\d)", change)
                assert helped[name]["replicas"] == int(now) > int(fewer) >= 1
                helped[name] = {**helped[name], "replicas": int(fewer)}
        else:
            names, flag = groups(r"(?:leave out|use) ([\w, -]+?) (\(optional\)|as a managed service elsewhere.*)", part)
            for name in names.split(", "):
                assert helped[name]["optional" if "optional" in flag else "managed"]
                del helped[name]
    return helped
