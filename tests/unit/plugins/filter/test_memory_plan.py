# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.onebox.stack.plugins.filter.memory_plan import FilterModule

memory_plan = FilterModule().filters()["memory_plan"]
REQUESTS = {
    "mysql": {"floor_mib": 264, "ideal_mib": 512, "ceiling_mib": 1536, "priority": 0, "weight": 5},
    "app": {"floor_mib": 232, "ideal_mib": 416, "ceiling_mib": 1024, "priority": 0, "weight": 4, "rolling": True},
}


def test_the_plan_of_the_documentation_is_the_one_that_is_made() -> None:
    assert memory_plan(REQUESTS, total_mib=2048) == {
        "total_mib": 2048,
        "reserve_mib": 457,
        "jobs_mib": 0,
        "rollout_mib": 488,
        "update_order": "start-first",
        "spare_mib": 7,
        "changes": [],
        "services": {
            "app": {"limit_mib": 488, "replicas": 1, "floor_mib": 232, "ideal_mib": 416, "ceiling_mib": 1024},
            "mysql": {"limit_mib": 608, "replicas": 1, "floor_mib": 264, "ideal_mib": 512, "ceiling_mib": 1536},
        },
    }
    asked = {"redis": {"tuning": {"engine": "redis"}, "ideal_mib": 96, "ceiling_mib": 256}}
    assert memory_plan(asked, total_mib=1024)["services"]["redis"] == {
        "limit_mib": 256,
        "replicas": 1,
        "floor_mib": 48,
        "ideal_mib": 96,
        "ceiling_mib": 256,
        "settings": {"maxmemory": "109mb", "maxmemory-policy": "noeviction", "appendonly": "yes", "save": '""'},
        "summary": "109mb, noeviction",
    }


def test_all_options_reach_the_plan() -> None:
    planned = memory_plan(REQUESTS, 1536, reserve_mib=36, jobs_mib=100, step_mib=50, current={"app": 400})
    assert planned["services"]["mysql"]["limit_mib"] == 600
    assert [planned[key] for key in ("reserve_mib", "jobs_mib", "rollout_mib", "spare_mib")] == [36, 100, 400, 0]


def test_limits_in_force_reach_the_plan_and_can_be_left_out_of_it() -> None:
    in_force = {"current": {"app": 300, "mysql": 400}, "running": {"app": 1, "mysql": 1}}
    assert memory_plan(REQUESTS, 2048, **in_force)["changes"] == []
    assert [change["name"] for change in memory_plan(REQUESTS, 2048, **in_force, afresh=True)["changes"]] == [
        "app",
        "mysql",
    ]


def test_how_many_run_reaches_the_plan() -> None:
    requests = {**REQUESTS, "app": {**REQUESTS["app"], "replicas": 2}}
    current = {"app": 300, "mysql": 400}
    orders = [memory_plan(requests, 1536, current=current, running={"app": n})["update_order"] for n in (1, 2)]
    assert orders == ["start-first", "stop-first"]


def test_without_a_total_everyone_has_its_ideal() -> None:
    assert memory_plan(REQUESTS)["services"]["mysql"]["limit_mib"] == 512


@pytest.mark.parametrize(
    ("total_mib", "message"),
    [
        (600, r"memory_plan: the services do not fit in memory: 377 MiB are missing\.\nMiB "),
        ("600m", r"memory_plan: total_mib must be a whole number, 1 or more, not '600m'\Z"),
    ],
)
def test_an_error_is_one_of_ansible_s_and_says_where_it_is_from(total_mib: object, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=rf"\A{message}"):
        memory_plan(REQUESTS, total_mib)
