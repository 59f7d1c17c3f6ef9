# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: app_databases
short_description: The databases that the apps need, and those declared beside them
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Each app that C(uses) an engine has a database and a user of its name there, and a secret of its own. On a server
    elsewhere they may have other names.
  - A declared database has a user of its name, unless it says another, and a secret of its own.
positional: _input, engine, declared, managed
options:
  _input:
    description: The apps, as C(onebox_apps) has them.
    type: dict
    required: true
  engine:
    description: The engine.
    type: str
    required: true
    choices: [mysql, postgresql]
  declared:
    description: Further databases, each with C(name), and C(user) where it is another. A name that an app has, or that
      the engine has for itself, is an error, and so are unknown keys.
    type: list
    elements: dict
    default: []
  managed:
    description: Databases that run elsewhere, as C(onebox_managed) has them.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what follows from the apps
  ansible.builtin.debug:
    msg: "{{ onebox_apps | onebox.stack.app_databases('mysql') }}"
"""

RETURN = r"""
_value:
  description: For each database its C(name), its C(user), and the name of the C(secret) with the user's password.
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils import _apps


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"app_databases": _apps.databases}
