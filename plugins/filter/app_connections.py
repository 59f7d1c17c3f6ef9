# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: app_connections
short_description: How many connections the apps need of the databases
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Adds up what the containers of all apps that use a kind of database can open at once, with as much memory as they
    may get, and one more container for a rollout.
  - With 10 for people and backups, at least 20, and rounded up to 10.
positional: _input, own
options:
  _input:
    description: The apps, as C(onebox_apps) has them.
    type: dict
    required: true
  own:
    description: The operator's own figures for the memory plan, as C(onebox_memory) has them.
    type: dict
    default: {}
  cpus:
    description: The host's processors.
    type: int
    default: 2
  tuned_for:
    description:
      - What the databases on the host are tuned for, as M(onebox.stack.preflight) returns it. One that takes more
        connections than are needed goes on so, and is not restarted.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show how many connections the apps need
  ansible.builtin.debug:
    msg: "{{ onebox_apps | onebox.stack.app_connections }}"
    # => {"mysql": 40, "postgresql": 20}
"""

RETURN = r"""
_value:
  description: Connections, by the kind of database, C(mysql) and C(postgresql).
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.onebox.stack.plugins.module_utils import _requests


def app_connections(
    apps: dict[str, Any],
    own: dict[str, Any] | None = None,
    cpus: int = 2,
    tuned_for: dict[str, dict[str, Any]] | None = None,
) -> dict[str, int]:
    try:
        return _requests.connections(apps, own or {}, int(cpus), tuned_for)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"app_connections": app_connections}
