# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils._status import status, table


def container(service: str, **changes: Any) -> dict[str, Any]:
    return {
        "service": service,
        "image": "registry.example.com:5000/team/api:1.4.2",
        "state": "running",
        "health": "healthy",
        "limit_mib": 512,
        "current_mib": 100,
        "peak_mib": 200,
        "oom_kills": 0,
        **changes,
    }


def test_a_stack_of_which_everything_runs_is_well() -> None:
    now = status([container("api"), container("redis", health=None)], {"api": {}, "redis": {}})
    assert now["well"] is True
    assert now["problems"] == []
    assert [service["name"] for service in now["services"]] == ["api", "redis"]
    assert now["services"][0]["version"] == "1.4.2"


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ([], "api: 0 of 2 containers run"),
        ([container("api")], "api: 1 of 2 containers run"),
        ([container("api"), container("api", health="unhealthy")], "api: unhealthy"),
        ([container("api"), container("api", health=None, state="paused")], "api: paused"),
        (
            [container("api", oom_kills=2), container("api", oom_kills=1)],
            "api: killed 3 times for want of memory; raise its limit in onebox_memory",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(found: list[dict[str, Any]], problem: str) -> None:
    now = status(found, {"api": {"replicas": 2}})
    assert now["well"] is False
    assert now["problems"] == [problem]


def test_of_several_replicas_the_largest_figures_are_shown() -> None:
    found = [container("api", current_mib=100, peak_mib=None), container("api", current_mib=140, peak_mib=300)]
    service = status(found, {"api": {"replicas": 2}})["services"][0]
    assert (service["current_mib"], service["peak_mib"]) == (140, 300)


def test_containers_of_something_else_are_left_out() -> None:
    assert status([container("other")], {})["services"] == []


def test_the_table_fits_100_columns_and_ends_with_the_verdict() -> None:
    long = "a" * 60
    shown = table(status([container(long, image=f"x:{'v' * 90}")], {long: {}, "b": {}}))
    assert max(map(len, shown.splitlines())) <= 100
    assert shown.splitlines()[-1] == "! b: 0 of 1 containers run"
    assert table(status([container("api")], {"api": {}})).splitlines()[-1] == "all is well"
    assert " -  " in shown
