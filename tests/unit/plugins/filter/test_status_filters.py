# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.onebox.stack.plugins.filter import memory_page, stack_status, status_table
from ansible_collections.onebox.stack.plugins.module_utils._memory import ideals

PLAN = ideals({"redis": {"floor_mib": 48, "ideal_mib": 96, "ceiling_mib": 256}})


def test_the_filters_are_found_by_their_names() -> None:
    now = stack_status.FilterModule().filters()["stack_status"]([], PLAN)
    assert now["problems"] == ["redis: 0 of 1 containers run"]
    assert "! redis: 0 of 1 containers run" in status_table.FilterModule().filters()["status_table"](now)


def test_a_page_is_made_of_a_plan() -> None:
    planned = {
        **PLAN,
        "total_mib": 128,
        "reserve_mib": 32,
        "jobs_mib": 0,
        "rollout_mib": 0,
        "spare_mib": 0,
        "update_order": "start-first",
        "changes": [],
    }
    made = memory_page.FilterModule().filters()["memory_page"](planned, name="shop")
    assert made.startswith("<!DOCTYPE html>")
    assert "<h1>Memory plan of shop</h1>" in made
