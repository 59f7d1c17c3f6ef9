# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render a service of the stack on the controller, and hand all of it to the host in one execution."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail
from ansible.module_utils.compat.version import LooseVersion
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader
from ansible.release import __version__ as ansible_version
from ansible_collections.onebox.stack.plugins.module_utils._arguments import COMPOSE_SERVICE
from ansible_collections.onebox.stack.plugins.module_utils._compose import (
    ComposeError,
    build,
    check_model,
    group_of,
    inputs,
    limit_of,
)
from ansible_collections.onebox.stack.plugins.module_utils._secrets import NAME

PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{15,}")

# Before ansible-core 2.19, the lookup makes a dictionary of what looks like one.
KEEP_TEXT = {"convert_data": False} if LooseVersion(ansible_version) < LooseVersion("2.19") else {}

HEADER = "# Made by onebox.stack. Change the inventory and run the playbook: a change made here is undone.\n"


class ActionModule(ActionBase):
    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        self._vars = task_vars or {}
        _validation, args = self.validate_argument_spec(
            argument_spec=COMPOSE_SERVICE,
            required_if=[("state", "present", ["compose", "memory_mib"])],
        )
        module_args = {
            "name": args["name"],
            "state": args["state"],
            "remove_volumes": args["remove_volumes"],
            "heir": args["heir"],
            "project": args["project"] or self._variable("onebox_project"),
            "directory": args["directory"] or self._variable("onebox_directory"),
        }
        if args["state"] == "present":
            try:
                module_args.update(self._payload(args, module_args["project"]))
            except ComposeError as error:
                raise AnsibleActionFail(str(error)) from error
        return self._execute_module("onebox.stack.compose_service", module_args=module_args, task_vars=task_vars)

    def _variable(self, name: str) -> Any:
        if name not in self._vars:
            raise AnsibleActionFail(f"{name} is not defined; it has a default in the role onebox.stack.onebox")
        return self._templar.template(self._vars[name])

    def _payload(self, args: dict[str, Any], project: str) -> dict[str, Any]:
        """Return what the module needs beside its name: files, secrets, and what each container mounts of them."""
        files: dict[str, dict[str, str]] = {}
        secrets = {name: _password(name, value) for name, value in args["secrets"].items()}
        guarded = set(secrets)
        for entry in args["files"]:
            path, content, mode, secret = self._file(entry)
            if secret:
                secrets[path] = content
            else:
                files[path] = {"content": content, "mode": mode}
        model = build(
            self._parse(args["compose"]),
            name=args["name"],
            project=project,
            memory_mib=self._memory(args["memory_mib"]),
            networks=args["networks"] or self._variable("onebox_networks"),
            secrets=sorted(secrets),
            data=args["data"]["volume"] if args["data"] else "",
        )
        reload = self._reload(args["reload"], [*files, *secrets])
        loaded = set(reload["files"]) if reload else set()
        settled = [path for path in files if path not in loaded]
        groups: dict[str, int] = {}
        containers = {}
        for key, service in model["services"].items():
            mounted = [secret["target"] for secret in service.get("secrets", [])]
            # One with a profile is started by hand, or by a release step.
            if "profiles" not in service:
                containers[key] = {
                    "image": service["image"],
                    "replicas": service["deploy"].get("replicas", 1),
                    "limit_mib": limit_of(service),
                    "files": inputs(service, settled),
                    "secrets": [secret for secret in mounted if secret not in loaded],
                }
            for secret in mounted:
                if groups.setdefault(secret, group_of(service)) != group_of(service):
                    raise ComposeError(f"'{key}' mounts {secret} as another group than its neighbours: use one user:")
        checks = {
            key: _dump(check_model(model["services"][key], key, command, model.get("secrets", {})))
            for key, command in args["checks"].items()
        }
        files["compose.yaml"] = {"content": HEADER + _dump(model), "mode": "0644"}
        return {
            "secrets": secrets,
            "tuned_for": args["tuned_for"],
            "wait_seconds": args["wait_seconds"],
            "rotate": args["rotate"] or self._variable("onebox_rotate_secrets"),
            "payload": {
                "files": files,
                "secret_rights": {name: {"group": groups.get(name, 0), "guarded": name in guarded} for name in secrets},
                "containers": containers,
                "checks": checks,
                "release": args["release"],
                "publish": args["publish"],
                "reload": reload,
                "data_format": args["data"]["format"] if args["data"] else "",
                "accept_data_loss": bool(args["data"]) and args["name"] in self._variable("onebox_accept_data_loss"),
            },
        }

    def _render(self, template: str) -> str:
        lookup = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        return str(lookup.run([template], self._vars, **KEEP_TEXT)[0])

    def _parse(self, template: str) -> dict[str, Any]:
        try:
            model = yaml.safe_load(self._render(template))
        except yaml.YAMLError as error:
            raise ComposeError(f"{template} is not YAML once rendered: {error}") from error
        if not isinstance(model, dict):
            raise ComposeError(f"{template} is not a Compose file once rendered")
        return model

    def _file(self, entry: Any) -> tuple[str, str, str, bool]:
        entry = {"template": entry} if isinstance(entry, str) else dict(entry)
        template = entry.pop("template", "")
        path = entry.pop("path", template.removesuffix(".j2"))
        content = entry.pop("content", None)
        mode = entry.pop("mode", "0644")
        secret = entry.pop("secret", False)
        if entry:
            raise ComposeError(f"files: '{next(iter(entry))}' is not one of template, content, path, mode, secret")
        if bool(template) == (content is not None) or not path:
            raise ComposeError("files: each needs either a template, or a content and a path")
        return path, self._render(template) if template else str(content), mode, secret

    @staticmethod
    def _memory(value: Any) -> int | dict[str, int]:
        try:
            return {str(k): int(v) for k, v in value.items()} if isinstance(value, dict) else int(value)
        except (TypeError, ValueError) as error:
            raise ComposeError(
                f"memory_mib: '{value}' is not a whole number of MiB, or a dictionary of such"
            ) from error

    @staticmethod
    def _reload(reload: dict[str, Any] | None, known: list[str]) -> dict[str, Any] | None:
        if not reload:
            return None
        named = [name.rstrip("/") for name in reload["files"]]
        files = [path for path in known if any(path == name or path.startswith(f"{name}/") for name in named)]
        return {**reload, "files": files}


def _password(name: str, value: Any) -> str:
    if not NAME.fullmatch(name) or not PASSWORD.fullmatch(str(value)):
        raise ComposeError(
            f"{name}: 16 or more letters, digits, '_' and '-' are needed, a letter first; some programs take other "
            f"characters for SQL, for a number, or for the end of the text. Nothing was changed"
        )
    return str(value)


def _dump(model: dict[str, Any]) -> str:
    # Through JSON, since ansible-core 2.19 gives strings of a type of its own, which PyYAML does not know.
    plain = json.loads(json.dumps(model))
    return yaml.safe_dump(plain, sort_keys=False, default_flow_style=False, width=120)
