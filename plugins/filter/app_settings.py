# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: app_settings
short_description: The settings of an app's processes for their memory
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - What P(onebox.stack.tuning#filter) gives for each process of an app, its runtime and its memory limit.
positional: _input, name, memory_mib
options:
  _input:
    description: The app, as C(onebox_apps) has it.
    type: dict
    required: true
  name:
    description: The app's name.
    type: str
    required: true
  memory_mib:
    description: The memory limit of each container, in MiB, by C(<app>-<process>).
    type: dict
    required: true
  cpus:
    description: The host's processors.
    type: int
    default: 2
"""

EXAMPLES = r"""
- name: Show the settings of a Node process
  ansible.builtin.debug:
    msg: "{{ onebox_apps.api | onebox.stack.app_settings('api', {'api-web': 256}) }}"
    # => {"api-web": {"NODE_OPTIONS": "--max-old-space-size=160"}}
"""

RETURN = r"""
_value:
  description: The settings by C(<app>-<process>). Empty for a process without a runtime.
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.onebox.stack.plugins.module_utils import _requests


def app_settings(app: dict[str, Any], name: str, memory_mib: dict[str, int], cpus: int = 2) -> dict[str, Any]:
    try:
        return _requests.settings(app, name, memory_mib, cpus)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"app_settings": app_settings}
