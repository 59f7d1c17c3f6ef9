# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: app_environment
short_description: The environment of an app's containers
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Where the services are that the app C(uses), under the names that frameworks expect; what is secret is the path of
    a file.
  - Of a database elsewhere, also what makes clients verify its certificate and its name.
positional: _input, name, project, managed
options:
  _input:
    description: The app, as C(onebox_apps) has it.
    type: dict
    required: true
  name:
    description: The app's name.
    type: str
    required: true
  project:
    description: Name of the Compose project, the first part of every host name in it.
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
    msg: "{{ onebox_apps.shop | onebox.stack.app_environment('shop', 'onebox') }}"
"""

RETURN = r"""
_value:
  description: The variables by name.
  sample: {DB_HOST: onebox-mysql, DB_PASSWORD_FILE: /run/secrets/shop_mysql_password}
  type: dict
"""

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils import _apps


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"app_environment": _apps.environment}
