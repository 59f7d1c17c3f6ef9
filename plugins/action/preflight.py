# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the variables on the controller, the host in one remote execution, and that everything fits."""

from __future__ import annotations

import datetime
import pathlib
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.compat.version import LooseVersion
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible.release import __version__ as ansible_version
from ansible_collections.onebox.stack.plugins.module_utils import _apps, _data, _inputs, _managed, _releases
from ansible_collections.onebox.stack.plugins.module_utils._arguments import PREFLIGHT
from ansible_collections.onebox.stack.plugins.module_utils._checks import hint
from ansible_collections.onebox.stack.plugins.module_utils._secrets import Store

ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"
# From ansible-core 2.19 on, only what is said to be trusted is templated.
TRUSTED = {"trusted_as_template": True} if LooseVersion(ansible_version) >= LooseVersion("2.19") else {}
SUPPORTED = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04", "26.04")}


class ActionModule(ActionBase):
    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        _validation, args = self.validate_argument_spec(argument_spec=PREFLIGHT)
        problems = self._of_variables(args, variables)
        if problems:
            return _refusal(problems)
        host: dict[str, Any] = {"changed": False}
        if args["host"]:
            # The module does not look at them, and the apps' secrets would be among what -vvv shows of it.
            module_args = {**args, "apps": {}, "managed": {}}
            host = self._execute_module("onebox.stack.preflight", module_args=module_args, task_vars=task_vars)
            if host.get("failed"):
                return host
            problems = _of_host(host, args["disk_mib"])
            if args["deploy"]:
                problems += self._of_what_is_there(args, variables, host)
            store = Store(self._templar.template(variables["onebox_secrets_dir"]), variables["inventory_hostname"])
            host["secrets"] = [name for name in host["secrets"] if name not in store.names()]
        problems += self._of_memory(args, variables, host)
        return _refusal(problems) if problems else host

    def _of_variables(self, args: dict[str, Any], variables: dict[str, Any]) -> list[str]:
        table = variables["onebox_memory_services"]
        problems = _inputs.misspelt(variables, _inputs.role_variables(ROLES))
        problems += _inputs.services_problems(args["profile"], args["profiles"], args["services"], table)
        problems += _apps.memory_problems(args["memory"])
        if problems:
            return problems
        enabled = _inputs.enabled_services(args["profiles"][args["profile"]], args["services"])
        if args["deploy"]:
            problems += _inputs.without_role(enabled, table, ROLES)
            problems += self._of_releases(args, variables, enabled)
        problems += _managed.problems(args["managed"], args["apps"], enabled)
        usable = [*enabled, *args["managed"]] if isinstance(args["managed"], dict) else enabled
        problems += _apps.problems(args["apps"], usable, table)
        if problems:
            return problems
        problems += self._of_passwords(args, variables) if args["deploy"] else []
        return problems + self._of_databases(args, variables, enabled)

    def _of_passwords(self, args: dict[str, Any], variables: dict[str, Any]) -> list[str]:
        names = _managed.password_names(args["managed"], args["apps"])
        given = {name: self._templar.template(variables[name]) for name in names if name in variables}
        return _managed.password_problems(args["managed"], args["apps"], given)

    def _of_releases(self, args: dict[str, Any], variables: dict[str, Any], enabled: list[str]) -> list[str]:
        today = datetime.datetime.now(datetime.UTC).date()
        found = [
            _releases.problem(f"{role}_tag", tag, flavor, args["accept_end_of_life"], today)
            for role, (tag, flavor) in self._servers(variables, enabled).items()
        ]
        known = [f"{flavor}-{number}" for flavor, ends in _releases.ENDS.items() for number in ends]
        found += [
            f"onebox_accept_end_of_life: '{name}' is no release series{hint(name, known)}"
            for name in args["accept_end_of_life"]
            if name.rpartition("-")[0] not in _releases.ENDS
        ]
        return [problem for problem in found if problem]

    def _of_databases(self, args: dict[str, Any], variables: dict[str, Any], enabled: list[str]) -> list[str]:
        """Look at the databases that are declared beside those of the apps, and those that are to go."""
        problems = []
        for engine in sorted(_apps.DATABASES.keys() & enabled):
            value = self._of_role(engine, variables)
            try:
                databases = _apps.databases(args["apps"], engine, value(f"{engine}_databases"))
            except ValueError as error:
                problems.append(str(error))
            else:
                problems += _apps.absent_problems(databases, engine, value(f"{engine}_absent_databases"))
        return problems

    def _of_role(self, role: str, variables: dict[str, Any]) -> Callable[[str], Any]:
        """Return what gives a role's variable by its name, as the role will see it."""
        values = {**DataLoader().load_from_file(str(ROLES / role / "defaults/main.yml"), **TRUSTED), **variables}
        templar = self._templar.copy_with_new_env(available_variables=values)
        return lambda name: templar.template(values.get(name))

    def _servers(self, variables: dict[str, Any], enabled: list[str]) -> dict[str, tuple[str, str]]:
        """Return the tag and the flavour of the servers with data, by their role, as the roles will see them."""
        table = variables["onebox_memory_services"]
        roles = {str(table[name]["tuning"]["engine"]) for name in enabled}
        found = {}
        for role in sorted(roles & {"mysql", "postgresql", "redis"}):
            value = self._of_role(role, variables)
            flavor = str(value(f"{role}_flavor") or role)
            if flavor in _releases.ENDS:  # the memory plan says what is wrong with any other
                found[role] = (str(value(f"{role}_tag")), flavor)
        return found

    def _of_what_is_there(self, args: dict[str, Any], variables: dict[str, Any], host: dict[str, Any]) -> list[str]:
        """Compare the inventory with the services and the data that the host has."""
        enabled = _inputs.enabled_services(args["profiles"][args["profile"]], args["services"])
        problems = _inputs.removal_problems(host["services"], [*enabled, *args["apps"]], args["remove"])
        servers = self._servers(variables, enabled)
        for name, entry in host["data"].items():
            if name in enabled and name in servers and name != args["upgrade"]:
                held = _data.Held(entry["format"], entry["volume"], entry["ready"])
                accepted = name in args["accept_data_loss"]
                wanted = _releases.data_format(*servers[name])
                problems.append(_data.refusal(name, wanted, held, entry["there"], loss_accepted=accepted))
        problems += [
            f"onebox_rotate_secrets: '{name}' is no secret of this host{hint(name, host['secrets'])}"
            for name in args["rotate"]
            if name not in host["secrets"]
        ]
        return [problem for problem in problems if problem]

    def _of_memory(self, args: dict[str, Any], variables: dict[str, Any], host: dict[str, Any]) -> list[str]:
        """Plan the memory as the roles will, for the sake of its errors."""
        templar = self._templar.copy_with_new_env(available_variables={**variables, "onebox_host": host})
        try:
            plan = templar.template(variables["onebox_memory_plan"])
            requests = templar.template(variables["onebox_memory_requests"])
        except AnsibleError as error:
            return [_reason(error)]
        changes = [f"  {change['name']}: {change['from']} to {change['to']} MiB" for change in plan.get("changes", [])]
        for name, facts in host.get("tuned_for", {}).items():
            wanted = requests.get(name, {}).get("tuning", facts)
            changes += [
                f"  {name}: {value} to {wanted[fact]} {fact}"
                for fact, value in facts.items()
                if int(value) != int(wanted[fact])
            ]
        if not changes or args["replan"] or not args["deploy"]:
            return []
        lines = "\n".join(changes)
        return [
            f"the memory plan changes what is in force, and restarts:\n{lines}\n  Allow it with -e onebox_replan=true"
        ]


def _reason(error: BaseException) -> str:
    """Return our own words from below those of Ansible."""
    below: BaseException | None = error
    while below and not isinstance(below, ValueError):
        below = below.__cause__ or below.__context__
    return str(below or error)


def _of_host(host: dict[str, Any], disk_mib: int) -> list[str]:
    problems = []
    found = host["distribution"]
    if found["version"] not in SUPPORTED.get(found["id"], ()):
        names = ", ".join(f"{name} {' '.join(versions)}" for name, versions in SUPPORTED.items())
        problems.append(f"the host runs '{found['id']} {found['version']}'; onebox.stack supports {names}")
    if host["disk_free_mib"] < disk_mib:
        free = host["disk_free_mib"]
        problems.append(
            f"only {free} MiB of disk are free for Docker, {disk_mib} are needed; make room, or a bigger disk"
        )
    for port, holder in host["ports"].items():
        problems.append(f"port {port} is held by {holder}; nginx needs it. Stop and disable that program")
    return problems


def _refusal(problems: list[str]) -> dict[str, Any]:
    lines = "\n".join(f"- {problem}" for problem in problems)
    return {"failed": True, "msg": f"Nothing was changed. To mend:\n{lines}"}
