# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: stack_status
short_description: What a stack looks like now, beside what it should look like
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Joins the containers that run with what should run, and says what is wrong.
positional: _input, requests
options:
  _input:
    description: The containers, as M(onebox.stack.memory_info) returns them.
    type: list
    elements: dict
    required: true
  requests:
    description: The requests of the memory plan, which name all that should run.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the status
  onebox.stack.show:
    text: "{{ memory.containers | onebox.stack.stack_status(requests) | onebox.stack.status_table }}"
"""

RETURN = r"""
_value:
  description: C(well), whether all is; C(problems), a sentence each; C(services), a dictionary each.
  type: dict
"""

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils import _status


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"stack_status": _status.status}
