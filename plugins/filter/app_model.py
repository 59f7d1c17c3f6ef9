# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: app_model
short_description: An app as its role deploys it
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Fills in the defaults of each process, and finds the one that serves requests.
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
    msg: "{{ onebox_apps.shop | onebox.stack.app_model('shop') }}"
"""

RETURN = r"""
_value:
  description: >-
    C(processes), C(front), C(fastcgi), C(body_mib), C(volumes), C(release), C(release_steps), C(secret_files) and
    C(given_passwords), as the role reads them.
  type: dict
"""

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils import _apps


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"app_model": _apps.model}
