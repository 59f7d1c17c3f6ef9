# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: app_secrets
short_description: The generated secrets that an app reads
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - One for each service that the app C(uses), but for databases elsewhere, whose passwords are given.
positional: _input, name, managed
options:
  _input:
    description: The app, as C(onebox_apps) has it.
    type: dict
    required: true
  name:
    description: The app's name.
    type: str
    required: true
  managed:
    description: Databases that run elsewhere, as C(onebox_managed) has them.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what follows from an app
  ansible.builtin.debug:
    msg: "{{ onebox_apps.shop | onebox.stack.app_secrets('shop') }}"
"""

RETURN = r"""
_value:
  description: Names of secrets.
  elements: str
  sample: [shop_mysql_password, shop_redis_password]
  type: list
"""

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils import _apps


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"app_secrets": _apps.secret_names}
