# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read secrets back from the host, keep those that the inventory lacks, and make anew those that shall change."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.onebox.stack.plugins.module_utils._secrets import Store


class ActionModule(ActionBase):
    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        if not self._task.no_log:
            raise AnsibleActionFail("set no_log: true on this task; the connection plugin prints what the host answers")
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "names": {"type": "list", "elements": "str", "required": True},
                "rotate": {"type": "list", "elements": "str", "default": []},
                "directory": {"type": "path", "required": True},
            }
        )
        host = self._execute_module("onebox.stack.secrets", module_args=args, task_vars=task_vars)
        if host.get("failed"):
            return host
        store = Store(self._templar.template(variables["onebox_secrets_dir"]), variables["inventory_hostname"])
        store.add(host["secrets"])
        if not self._task.check_mode:
            store.renew({name: value for name, value in host["secrets"].items() if name in args["rotate"]})
        return {"changed": False, "names": sorted(host["secrets"])}
