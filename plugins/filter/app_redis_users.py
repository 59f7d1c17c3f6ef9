# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: app_redis_users
short_description: The users that Redis is to have
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Each app that C(uses) an instance of Redis is a user of its name there, with a secret of its own.
positional: _input, engine, declared
options:
  _input:
    description: The apps, as C(onebox_apps) has them.
    type: dict
    required: true
  engine:
    description: The instance of Redis.
    type: str
    required: true
    choices: [redis, redis_cache]
  declared:
    description: Names of further users, each with a secret of its own. A name that an app has, or that Redis has for
      itself, is an error.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show what follows from the apps
  ansible.builtin.debug:
    msg: "{{ onebox_apps | onebox.stack.app_redis_users('redis_cache') }}"
"""

RETURN = r"""
_value:
  description: For each user its C(name), and the name of the C(secret) with its password.
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils import _apps


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"app_redis_users": _apps.redis_users}
