# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: memory_page
short_description: Show a memory plan as a page of HTML
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Renders what P(onebox.stack.memory_plan#filter) returns as one page with a picture of the box, to scale, and a table
    of the same figures.
  - The page needs no other file, no script and no network.
positional: _input, name, measured
options:
  _input:
    description: The plan.
    type: dict
    required: true
  name:
    description: What the plan is of, for the title.
    type: str
    required: true
  measured:
    description: What the host uses; shown beside the plan.
    type: dict
    suboptions:
      at:
        description: When it was measured, as a text.
        type: str
        required: true
      total_mib:
        description: Memory of the host, in MiB.
        type: int
        required: true
      available_mib:
        description: What of it is free, or can be freed, in MiB.
        type: int
        required: true
      services:
        description: By name, C(current_mib) and C(peak_mib) of the fullest replica. Null where it is not known.
        type: dict
        required: true
seealso:
  - plugin: onebox.stack.memory_plan
    plugin_type: filter
  - plugin: onebox.stack.memory_table
    plugin_type: filter
  - module: onebox.stack.memory_info
"""

EXAMPLES = r"""
- name: Write the plan as a page
  ansible.builtin.copy:
    content: "{{ plan | onebox.stack.memory_page(name='shop') }}"
    dest: /tmp/shop.html
    mode: "0644"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The page.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils._memory_page import page


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"memory_page": page}
