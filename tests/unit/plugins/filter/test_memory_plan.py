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
            "app": {"limit_mib": 488, "reservation_mib": 232, "replicas": 1},
            "mysql": {"limit_mib": 608, "reservation_mib": 264, "replicas": 1},
        },
    }


def test_all_options_reach_the_plan() -> None:
    planned = memory_plan(REQUESTS, 1536, reserve_mib=36, jobs_mib=100, step_mib=50, current={"app": 400})
    assert planned["services"]["mysql"]["limit_mib"] == 600
    assert [planned[key] for key in ("reserve_mib", "jobs_mib", "rollout_mib", "spare_mib")] == [36, 100, 400, 0]


def test_without_a_total_everyone_has_its_ideal() -> None:
    assert memory_plan(REQUESTS)["services"]["mysql"]["limit_mib"] == 512


@pytest.mark.parametrize(
    ("total_mib", "message"),
    [
        (600, r"memory_plan: the services do not fit in memory: 377 MiB are missing\.\nMiB "),
        ("600", r"memory_plan: total_mib must be a whole number, 1 or more, not '600'\Z"),
    ],
)
def test_an_error_is_one_of_ansible_s_and_says_where_it_is_from(total_mib: object, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=rf"\A{message}"):
        memory_plan(REQUESTS, total_mib)
