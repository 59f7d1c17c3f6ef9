# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: enabled_services
short_description: The backing services that run on a host
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - A profile's services, with what the operator adds to them and takes out.
positional: _input, services
options:
  _input:
    description: The services of the profile.
    type: list
    elements: str
    required: true
  services:
    description: Services to add, with true, or to take out, with false, by name.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Run a stack without nginx, with a cache
  ansible.builtin.debug:
    msg: "{{ ['nginx', 'redis'] | onebox.stack.enabled_services({'nginx': false, 'redis_cache': true}) }}"
    # => ["redis", "redis_cache"]
"""

RETURN = r"""
_value:
  description: Names of services.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils._inputs import enabled_services


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"enabled_services": enabled_services}
