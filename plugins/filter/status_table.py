# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: status_table
short_description: Show a stack's status as a table
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Renders what P(onebox.stack.stack_status#filter) returns as plain text of at most 100 columns, in MiB.
  - The limit of the plan, the limit in force, what is used now and the peak are for one replica, the fullest. The peak
    has all file cache in it.
options:
  _input:
    description: The status.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the status
  onebox.stack.show:
    text: "{{ memory.containers | onebox.stack.stack_status(onebox_memory_plan) | onebox.stack.status_table }}"
"""

RETURN = r"""
_value:
  description: The table, and below it what is wrong and what may be worth a look.
  type: str
"""

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils import _status


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"status_table": _status.table}
