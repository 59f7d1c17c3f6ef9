# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: memory_requests
short_description: What everything that runs on a host asks of the memory plan
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Joins the table of backing services, the processes of the apps, and the operator's own wishes into the requests that
    P(onebox.stack.memory_plan#filter) takes.
  - A floor is the least with which the engine's settings are of use; without an engine it is an estimate, and gives way
    to a lower wish. What the operator does not wish for is fitted to what he does - a ceiling goes up to the floor and
    the ideal, and an ideal up to the floor and down to the ceiling.
positional: _input, enabled, apps, own
options:
  _input:
    description: The table of backing services, a request each, by name.
    type: dict
    required: true
  enabled:
    description: The services of the table that run here. With none, all of them ask, for a role on its own.
    type: list
    elements: str
    required: true
  apps:
    description: The apps, as C(onebox_apps) has them.
    type: dict
    required: true
  own:
    description: What the operator says instead, by the names of the requests.
    type: dict
    default: {}
  cpus:
    description: The host's processors.
    type: int
    default: 2
"""

EXAMPLES = r"""
- name: Show the requests
  ansible.builtin.debug:
    msg: "{{ onebox_memory_services | onebox.stack.memory_requests(enabled=['redis'], apps={}) }}"
    # => {"redis": {"floor_mib": 48, "ideal_mib": 96, "ceiling_mib": 256, "priority": 0, "weight": 1, "keep": 1,
    #               "tuning": {"engine": "redis", "flavor": "valkey", "eviction_policy": "noeviction"}}}
"""

RETURN = r"""
_value:
  description: The requests, by service or by C(<app>-<process>).
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.onebox.stack.plugins.module_utils import _requests


def memory_requests(
    services: dict[str, Any], enabled: list[str], apps: dict[str, Any], own: dict[str, Any] | None = None, cpus: int = 2
) -> dict[str, Any]:
    try:
        return _requests.requests(services, enabled, apps, own or {}, cpus)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"memory_requests": memory_requests}
