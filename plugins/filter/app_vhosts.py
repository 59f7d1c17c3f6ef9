# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: app_vhosts
short_description: The virtual hosts that the apps need
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Each app with a process that serves requests is one virtual host of nginx.
positional: _input, project
options:
  _input:
    description: The apps, as C(onebox_apps) has them.
    type: dict
    required: true
  project:
    description: Name of the Compose project, the first part of every host name in it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what follows from the apps
  ansible.builtin.debug:
    msg: "{{ onebox_apps | onebox.stack.app_vhosts('shop') }}"
"""

RETURN = r"""
_value:
  description: >-
    For each app its C(app), C(domains), C(kind), C(upstream), C(public_path), C(body_mib) and C(timeout_seconds).
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils import _apps


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"app_vhosts": _apps.vhosts}
