# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: secret
short_description: A generated secret of this host, kept beside the inventory
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Returns secrets by name. One that does not exist yet is generated (32 letters and digits, a letter first) and kept
    in C(<onebox_secrets_dir>/<inventory_hostname>.json), which only its owner can read and git ignores. In check mode
    too, so that the real run uses the same.
  - Before a stack is applied, the preflight of the role onebox.stack.onebox reads those that the host has and the
    inventory lacks back into that file.
options:
  _terms:
    description: Names of secrets; letters, digits, C(_) and C(-), a letter first.
    type: list
    elements: str
    required: true
  variables_first:
    description: Take a variable of the secret's name where one is defined, from a vault for instance.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show how a role asks for its password
  ansible.builtin.debug:
    msg: "{{ lookup('onebox.stack.secret', 'redis_password') }}"
"""

RETURN = r"""
_raw:
  description: The secrets, in the order of the names.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.onebox.stack.plugins.module_utils._secrets import Store


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        known = variables or {}
        if "onebox_secrets_dir" not in known:
            raise AnsibleError("onebox_secrets_dir is not defined; it has a default in the role onebox.stack.onebox")
        directory = self._templar.template(known["onebox_secrets_dir"])
        store = Store(directory, known["inventory_hostname"])
        variables_first = self.get_option("variables_first")
        try:
            return [
                str(self._templar.template(known[name])) if variables_first and name in known else store.get(name)
                for name in terms
            ]
        except (OSError, ValueError) as error:
            raise AnsibleError(f"secret: {error}") from error
