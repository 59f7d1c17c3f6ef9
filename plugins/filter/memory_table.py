# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: memory_table
short_description: Show a memory plan as a table
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Renders what P(onebox.stack.memory_plan#filter) returns as plain text of at most 100 columns, in MiB, the largest
    service first.
  - A floor, a limit and what is used are for one replica. A share is for all replicas, of the total.
  - The settings are the main ones that follow from the limit, of services whose requests have C(tuning).
  - A name that is too long for its column has a line of its own.
positional: _input
options:
  _input:
    description: The plan.
    type: dict
    required: true
  used:
    description:
      - What is in use, by the names of the services; for each, C(current_mib) and C(peak_mib) as
        M(onebox.stack.memory_info) returns them for a container. Null is shown as a dash.
      - Adds two columns.
    type: dict
seealso:
  - plugin: onebox.stack.memory_plan
    plugin_type: filter
  - module: onebox.stack.memory_info
"""

EXAMPLES = r"""
- name: Show the plan
  ansible.builtin.debug:
    msg: "{{ plan | onebox.stack.memory_table }}"

- name: Show the plan beside what is used
  ansible.builtin.debug:
    msg: "{{ plan | onebox.stack.memory_table(used=used) }}"
  vars:
    services: "{{ (memory['containers'] | onebox.stack.stack_status(plan)).services }}"  # from onebox.stack.memory_info
    used: "{{ dict(services | map(attribute='name') | zip(services)) }}"
  # => MiB           replicas  floor  limit   share  used  peak  settings
  #    mysql                1    264    608   29.7%   301   322  pool 360M, 20 connections
  #    app                  1    232    488   23.8%   187   240
  #    reserve                          457   22.3%
  #    jobs                               0    0.0%
  #    rollout copy                     488   23.8%
  #    spare                              7    0.3%
  #    total                           2048  100.0%
  #    update order: start-first, a new replica is healthy before its old one stops
"""

RETURN = r"""
_value:
  description: The table, with a line for each limit that changes at its end.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils._memory_table import table


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"memory_table": table}
