# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: data_format
short_description: What the format of a database server's files is called
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Servers of one format read each other's files. Another format needs a dump and a new volume, which
    C(playbooks/upgrade.yml) sees to.
  - It is the release series, with two numbers but for PostgreSQL, and the variant of PostgreSQL's image, since an index
    depends on the C library's way of sorting.
positional: _input, flavor
options:
  _input:
    description: Tag of the image, with the version in front; without one it is an error, and so is one of Alpine with
      PostgreSQL.
    type: str
    required: true
  flavor:
    description: The server.
    type: str
    required: true
    choices: [mariadb, mysql, postgresql, redis, valkey]
"""

EXAMPLES = r"""
- name: Show the format of a server's files
  ansible.builtin.debug:
    msg: "{{ '17.11-trixie' | onebox.stack.data_format('postgresql') }}"  # postgresql-17-trixie
"""

RETURN = r"""
_value:
  description: The name of the format.
  type: str
  sample: mariadb-11.8
"""

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils import _releases


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"data_format": _releases.data_format}
