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
  - Joins the containers that run with the memory plan, says what is wrong, and where a limit is far from what is used.
positional: _input, plan
options:
  _input:
    description: The containers, as M(onebox.stack.memory_info) returns them.
    type: list
    elements: dict
    required: true
  plan:
    description: The memory plan, as P(onebox.stack.memory_plan#filter) returns it, which names all that should run.
    type: dict
    required: true
seealso:
  - module: onebox.stack.memory_info
  - plugin: onebox.stack.status_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the status
  onebox.stack.show:
    text: "{{ memory.containers | onebox.stack.stack_status(onebox_memory_plan) | onebox.stack.status_table }}"
"""

RETURN = r"""
_value:
  description: The stack as it is.
  type: dict
  contains:
    well:
      description: Whether there are no problems.
      type: bool
    problems:
      description: What is wrong, a sentence each.
      type: list
      elements: str
    hints:
      description:
        - What may be worth a look, a sentence each; no reason to call the stack unwell.
        - A limit is called small when over 90 % of it are held and cannot be taken back by the kernel, so without any
          file cache; that fills what a limit leaves, and goes when it is needed.
        - A limit is called large when the peak is under half of it, with all file cache.
      type: list
      elements: str
    services:
      description:
        - For each service that should run, C(name), C(version), C(health), C(running) and C(replicas), the last of them
          as many as should run.
        - In MiB, for one replica, the largest; C(planned_mib) and C(limit_mib), the limits of the plan and in force;
          C(current_mib), C(held_mib) and C(peak_mib) as M(onebox.stack.memory_info) has them. Null when not known.
        - C(started_at), since when the peak counts; C(restarts) and C(oom_kills), of all replicas together.
      type: list
      elements: dict
"""

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils import _status


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"stack_status": _status.status}
