# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import textwrap

from ansible_collections.onebox.stack.plugins.filter import memory_table
from ansible_collections.onebox.stack.plugins.module_utils._memory import plan

FILTER = memory_table.FilterModule().filters()["memory_table"]
REQUESTS = {
    "mysql": {"tuning": {"engine": "mysql"}, "ideal_mib": 512, "ceiling_mib": 1536, "priority": 0, "weight": 5},
    "app": {"floor_mib": 232, "ideal_mib": 416, "ceiling_mib": 1024, "priority": 0, "weight": 4, "rolling": True},
}


def test_the_table_of_the_documentation_is_the_one_that_is_shown() -> None:
    used = {"mysql": {"current_mib": 301, "peak_mib": 322}, "app": {"current_mib": 187, "peak_mib": 240}}
    shown = FILTER(plan(REQUESTS, 2048), used=used)
    _before, _arrow, documented = memory_table.EXAMPLES.partition("  # => ")
    assert textwrap.dedent(documented.replace("\n  #    ", "\n")).strip() == shown
