# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils._memory import plan
from ansible_collections.onebox.stack.plugins.module_utils._status import status, table
from hypothesis import given
from hypothesis import strategies as st

from unit.plugins.module_utils.stacks import Requests, ask, quick, some_requests

STARTED = "2026-11-21 04:37 UTC"


def container(service: str, **changes: Any) -> dict[str, Any]:
    return {
        "service": service,
        "image": "registry.example.com:5000/team/api:1.4.2",
        "state": "running",
        "health": "healthy",
        "restarts": 0,
        "started_at": STARTED,
        "limit_mib": 512,
        "current_mib": 300,
        "held_mib": 290,
        "peak_mib": 400,
        "oom_kills": 0,
        **changes,
    }


def planned(floor_mib: int = 64, /, **replicas: int) -> dict[str, Any]:
    """A plan with these services at 512 MiB each."""
    services = {
        name: {"limit_mib": 512, "replicas": number, "floor_mib": floor_mib} for name, number in replicas.items()
    }
    return {"services": services}


def test_a_stack_of_which_everything_runs_is_well() -> None:
    now = status([container("api"), container("redis", health=None)], planned(api=1, redis=1))
    assert (now["well"], now["problems"], now["hints"]) == (True, [], [])
    assert [service["name"] for service in now["services"]] == ["api", "redis"]


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("registry.example.com:5000/team/api:1.4.2", "1.4.2"),
        ("registry.example.com:5000/team/api:1.4.2@sha256:0123456789abcdef", "1.4.2"),
        ("registry.example.com:5000/team/api@sha256:0123456789abcdef", "0123456789ab"),
        ("registry.example.com:5000/team/api", ""),
        ("nginx:1.30.4-alpine", "1.30.4-alpine"),
    ],
)
def test_the_version_is_the_image_s_tag_or_the_beginning_of_its_digest(image: str, version: str) -> None:
    assert status([container("api", image=image)], planned(api=1))["services"][0]["version"] == version


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ([], "api: 0 of 2 containers run"),
        ([container("api")], "api: 1 of 2 containers run"),
        ([container("api"), container("api", health="unhealthy")], "api: unhealthy"),
        ([container("api"), container("api", health=None, state="paused")], "api: paused"),
        (
            [container("api", oom_kills=2), container("api", oom_kills=1)],
            "api: killed 3 times for want of memory; raise onebox_memory.api.limit_mib above 512",
        ),
        (
            [container("api", oom_kills=1), container("api", oom_kills=None)],
            "api: killed once for want of memory; raise onebox_memory.api.limit_mib above 512",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(found: list[dict[str, Any]], problem: str) -> None:
    now = status(found, planned(api=2))
    assert now["well"] is False
    assert now["problems"] == [problem]


def test_of_several_replicas_the_largest_figures_and_the_first_start_are_shown() -> None:
    found = [
        container("api", current_mib=100, peak_mib=None, restarts=1, started_at="2026-11-20 23:00 UTC"),
        container("api", current_mib=140, peak_mib=300, restarts=2),
    ]
    service = status(found, planned(api=2))["services"][0]
    assert {key: service[key] for key in ("current_mib", "peak_mib", "restarts", "started_at", "running")} == {
        "current_mib": 140,
        "peak_mib": 300,
        "restarts": 3,
        "started_at": "2026-11-20 23:00 UTC",
        "running": 2,
    }


def test_the_planned_limit_stands_beside_the_one_in_force() -> None:
    service = status([container("api", limit_mib=448)], planned(api=1))["services"][0]
    assert (service["planned_mib"], service["limit_mib"]) == (512, 448)


def test_containers_of_something_else_are_left_out() -> None:
    assert status([container("other")], planned())["services"] == []


def hints(floor_mib: int = 64, **changes: Any) -> list[str]:
    now = status([container("api", **changes)], planned(floor_mib, api=1))
    assert now["well"] is True
    return list(now["hints"])


@pytest.mark.parametrize("peak_mib", [256, 400, 512, None])
def test_a_peak_of_half_the_limit_or_more_is_no_news(peak_mib: int | None) -> None:
    assert hints(peak_mib=peak_mib, held_mib=100) == []


def test_a_peak_under_half_of_the_limit_is_told_with_a_limit_of_which_it_is_three_quarters() -> None:
    assert hints(peak_mib=255, held_mib=100) == [
        f"api: used 255 of 512 MiB at the most since {STARTED}; "
        "if that was full load, 344 is enough (onebox_memory.api.limit_mib)"
    ]


@pytest.mark.parametrize(("floor_mib", "enough"), [(300, "300 is enough"), (511, "511 is enough")])
def test_no_limit_below_the_floor_is_proposed(floor_mib: int, enough: str) -> None:
    assert enough in hints(floor_mib, peak_mib=20, held_mib=10)[0]


def test_a_service_at_its_floor_cannot_have_less() -> None:
    assert hints(512, peak_mib=20, held_mib=10) == []


@pytest.mark.parametrize("held_mib", [450, None])
def test_a_limit_of_which_90_percent_are_held_is_no_news(held_mib: int | None) -> None:
    assert hints(limit_mib=500, held_mib=held_mib, peak_mib=500, current_mib=500) == []


def test_a_limit_of_which_more_than_90_percent_are_held_is_told_with_one_that_has_room() -> None:
    assert hints(limit_mib=500, held_mib=451, peak_mib=500) == [
        "api: holds 451 of 500 MiB, without file cache; 608 would give it room (onebox_memory.api.limit_mib)"
    ]


def test_a_container_without_a_limit_gets_no_hint_about_it() -> None:
    assert hints(limit_mib=None, held_mib=9999, peak_mib=1) == []


def test_restarts_are_told_since_they_may_hide_a_kill() -> None:
    assert hints(restarts=2) == [
        "api: restarted 2 times by Docker; its log may say why (a kill of the first process restarts its container, "
        "and is not among the kills)"
    ]


@quick
@given(some_requests(), st.integers(0, 400), st.integers(0, 400))
def test_the_plan_accepts_every_limit_that_a_hint_proposes(requests: Requests, held_mib: int, peak_mib: int) -> None:
    now = plan(requests, 65536)
    found = [
        container(name, limit_mib=service["limit_mib"], held_mib=held_mib, peak_mib=peak_mib)
        for name, service in now["services"].items()
    ]
    for hint in status(found, now)["hints"]:
        name = hint.partition(":")[0]
        (proposed,) = map(int, re.findall(r"(\d+) (?:is enough|would give it room)", hint))
        again = plan({**requests, name: {**requests[name], "limit_mib": proposed}}, 65536)
        assert again["services"][name]["limit_mib"] == proposed


def test_a_hint_followed_is_a_hint_gone() -> None:
    requests = {"api": ask(64, 512, 512)}
    (hint,) = hints(held_mib=500)
    assert "672 would give it room" in hint
    now = plan({"api": {**requests["api"], "limit_mib": 672}}, 4096)
    assert status([container("api", limit_mib=672, held_mib=500, peak_mib=672)], now)["hints"] == []


def test_the_table_shows_planned_limit_use_peak_and_kills_of_each() -> None:
    found = [container("api", limit_mib=448, oom_kills=1, image="api@sha256:" + "0" * 64), container("redis")]
    assert table(status(found, planned(api=1, redis=1))).splitlines() == [
        "MiB    version       health   planned  limit  used  peak  kills",
        "api    000000000000  healthy      512    448   300   400      1",
        "redis  1.4.2         healthy      512    512   300   400      0",
        "",
        "! api: killed once for want of memory; raise onebox_memory.api.limit_mib above 512",
    ]


def test_what_is_not_known_is_a_dash() -> None:
    assert "redis  -        missing      512      -     -     -      0" in table(status([], planned(redis=1)))


@quick
@given(
    st.lists(st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=63), min_size=1, max_size=4, unique=True),
    st.text("abcdefghijklmnopqrstuvwxyz0123456789.-", max_size=128),
    st.sampled_from([0, 99999]),
)
def test_the_table_fits_100_columns_and_names_every_service(names: list[str], tag: str, kills: int) -> None:
    found = [
        container(names[0], image=f"x:{tag}", limit_mib=99999, peak_mib=9, held_mib=1, restarts=7, oom_kills=kills)
    ]
    shown = table(status(found, planned(**dict.fromkeys(names, 1))))
    assert max(map(len, shown.splitlines())) <= 100
    for name in names:
        assert name in shown


def test_a_long_version_is_cut_and_leaves_the_figures_their_place() -> None:
    row = table(status([container("api", image=f"api:{'v' * 128}")], planned(api=1))).splitlines()[1]
    assert row.split() == ["api", "v" * 24, "healthy", "512", "512", "300", "400", "0"]


def test_a_stack_that_is_well_says_so_before_its_hints() -> None:
    lines = table(status([container("api", peak_mib=10, held_mib=10)], planned(api=1))).splitlines()
    assert lines[3] == "all is well"
    assert lines[4].startswith("hint: api: used 10 of 512 MiB")
