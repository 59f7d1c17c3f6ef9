#!/usr/bin/python
# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a virtual module that is entirely implemented as an action plugin and runs on the controller

from __future__ import annotations

DOCUMENTATION = r"""
module: show
short_description: Print a text as it is
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Prints a table or a summary on the controller's screen, without the quoting that M(ansible.builtin.debug) adds.
options:
  text:
    description: The text.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: The same as without.
  diff_mode:
    support: none
    description: Changes nothing.
"""

EXAMPLES = r"""
- name: Show the memory plan
  onebox.stack.show:
    text: "{{ onebox_memory_table }}"
"""

RETURN = r""" # """
