# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.onebox.stack.plugins.filter.memory_table import FilterModule
from ansible_collections.onebox.stack.plugins.module_utils._memory import plan

memory_table = FilterModule().filters()["memory_table"]
REQUESTS = {
    "mysql": {"floor_mib": 264, "ideal_mib": 512, "ceiling_mib": 1536, "priority": 0, "weight": 5},
    "app": {"floor_mib": 232, "ideal_mib": 416, "ceiling_mib": 1024, "priority": 0, "weight": 4, "rolling": True},
}


def test_the_table_of_the_documentation_is_the_one_that_is_shown() -> None:
    used = {"mysql": {"current_mib": 301, "peak_mib": 322}, "app": {"current_mib": 187, "peak_mib": 240}}
    assert memory_table(plan(REQUESTS, 2048), REQUESTS, used=used) == (
        "MiB          replicas    floor    limit    share     used     peak\n"
        "mysql               1      264      608    29.7%      301      322\n"
        "app                 1      232      488    23.8%      187      240\n"
        "reserve                             457    22.3%\n"
        "jobs                                  0     0.0%\n"
        "rollout copy                        488    23.8%\n"
        "spare                                 7     0.3%\n"
        "total                              2048   100.0%\n"
        "update order: start-first"
    )


def test_an_error_is_one_of_ansible_s_and_says_where_it_is_from() -> None:
    with pytest.raises(AnsibleFilterError, match=r"\Amemory_table: mysql: ceiling_mib is missing\Z"):
        memory_table(plan(REQUESTS, 2048), {"mysql": {"floor_mib": 8, "ideal_mib": 8}})
