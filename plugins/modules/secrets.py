#!/usr/bin/python
# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: secrets
short_description: Read a stack's secrets back from its host into the inventory, or make them anew
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - An initialised host knows its passwords. A second operator, a fresh checkout or a lost laptop gets them back from
    there, so that none is ever made anew.
  - A secret that the inventory has already is left alone, unless it shall change and is still the one in force. Set
    C(no_log) on the task; nothing of it is returned.
options:
  names:
    description: The secrets to read back.
    type: list
    elements: str
    required: true
  rotate:
    description: The secrets to make anew. Other services of the host take them up when they are applied.
    type: list
    elements: str
    default: []
  directory:
    description: The stack's directory on the host.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: The host is only read, and what it has is kept in the inventory's file. Nothing is made anew.
  diff_mode:
    support: none
    description: Secrets are not shown.
"""

EXAMPLES = r"""
- name: Read the missing secrets back from the host
  onebox.stack.secrets:
    names: "{{ onebox_host.secrets }}"
    directory: "{{ onebox_directory }}"
  no_log: true
"""

RETURN = r"""
names:
  description: The secrets that were kept in the inventory.
  type: list
  elements: str
  returned: always
"""

import pathlib

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.onebox.stack.plugins.module_utils import _host


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "rotate": {"type": "list", "elements": "str", "default": []},
            "directory": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    paths = _host.guarded_secrets(pathlib.Path(module.params["directory"]))
    asked = {*module.params["names"], *module.params["rotate"]} & set(paths)
    found = {name: pathlib.Path(paths[name]).read_text() for name in asked}
    module.exit_json(changed=False, secrets=found)


if __name__ == "__main__":
    main()
