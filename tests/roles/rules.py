# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for roles and playbooks. Each function returns the faults it finds as sentences, none when all is well."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import jinja2
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.block import Block
from ansible.playbook.handler import Handler
from jinja2 import meta, nodes
from jinja2.defaults import DEFAULT_NAMESPACE

# What a template may read beside its own role's variables.
SHARED_NAMES = {"ansible_managed"} | set(DEFAULT_NAMESPACE)

TASK_KEYWORDS = set(Handler.fattributes) | set(Block.fattributes)
TASK_LISTS = ("pre_tasks", "tasks", "post_tasks", "handlers", "block", "rescue", "always")

COMMANDS = {
    "ansible.builtin.command",
    "ansible.builtin.raw",
    "ansible.builtin.script",
    "ansible.builtin.shell",
    "community.docker.docker_compose_v2_exec",
    "community.docker.docker_compose_v2_run",
    "community.docker.docker_container_exec",
}
WORDS_THAT_CHANGE = re.compile(
    r"\b(alter|cp|create|delete|disable|down|drop|enable|grant|insert|install|kill|mkdir|mv|prune|pull|push|reload"
    r"|restart|rm|start|stop|tee|truncate|up|update)\b"
)

# Between two words of a command there are spaces, or the quotes and commas of a list.
GAP = r"[\s\"',\[\]]+"
LOSES_DATA = {
    "prunes volumes": re.compile(rf"\bvolume{GAP}prune\b|\bprune\b.*--volumes"),
    "takes a stack down with its volumes": re.compile(rf"\bdown{GAP}(\S+{GAP})*(-v|--volumes)\b"),
    "removes volumes": re.compile(r"\bremove_volumes:\s*(true|yes)\b", re.IGNORECASE),
}


def spec_faults(role: Path) -> list[str]:
    """Compare meta/argument_specs.yml with defaults/main.yml.

    A literal default is repeated in the spec. A computed one is not, since a spec is templated before the role's first
    task; the option may be left out altogether. Without a default, an option is required or secret.
    """
    defaults = _load(role / "defaults/main.yml") or {}
    specs = (_load(role / "meta/argument_specs.yml") or {}).get("argument_specs", {})
    options = [(name, option) for spec in specs.values() for name, option in (spec.get("options") or {}).items()]
    faults = [fault for name, option in options for fault in _option_faults(name, option)]
    literal = {name for name, default in defaults.items() if not _is_computed(default)}
    faults += [f"{name} has a default, but no spec" for name in sorted(literal - {name for name, _option in options})]
    for name, option in options:
        if name not in defaults:
            if not option.get("required") and not option.get("no_log"):
                faults.append(f"{name} has a spec, but no default, neither required nor secret")
        elif name not in literal:
            if "default" in option:
                faults.append(f"{name} has a computed default, which its spec repeats")
        elif option.get("default") != defaults[name]:
            faults.append(f"{name} is {defaults[name]!r} by default, but {option.get('default')!r} in its spec")
    return faults


def _option_faults(name: str, option: dict[str, Any]) -> Iterator[str]:
    for key in ("type", "description"):
        if not option.get(key):
            yield f"{name} has no {key}"
    if option.get("type") == "list" and "elements" not in option:
        yield f"{name} has no elements"
    for inner_name, inner in (option.get("options") or {}).items():
        yield from _option_faults(f"{name}.{inner_name}", inner)


def _is_computed(value: Any) -> bool:
    return "{{" in str(value) or "{%" in str(value)


def comment_faults(role: Path) -> list[str]:
    """Each default has a comment on the line above it."""
    path = role / "defaults/main.yml"
    lines = ["", *path.read_text().splitlines()] if path.exists() else []
    return [
        f"{line.partition(':')[0]} has no comment directly above it"
        for above, line in pairwise(lines)
        if re.match(r"\w+:", line) and not above.startswith("# ")
    ]


def template_faults(role: Path) -> list[str]:
    """A template reads no variables but its own role's: `redis_*`, and `__redis_*` from the role's vars."""
    own = re.compile(rf"(__)?{role.name}(_|$)")
    return [
        f"{path.name} reads {name}, which is not the role's own"
        for path in sorted((role / "templates").rglob("*.j2"))
        for name in sorted(_variables(path.read_text()) - SHARED_NAMES)
        if not own.match(name)
    ]


def _variables(template: str) -> set[str]:
    """Names that a template reads and does not set itself."""
    tree = jinja2.Environment(autoescape=True).parse(template)
    # Jinja refuses names that it does not know, and Ansible's plugins are not the point here.
    for node in tree.find_all(nodes.Filter):
        node.name = "string"
    for node in tree.find_all(nodes.Test):
        node.name = "defined"
    return meta.find_undeclared_variables(tree)


def task_faults(directory: Path) -> list[str]:
    """Look at the tasks, handlers and plays in all YAML files below a directory."""
    return [
        f"{path.relative_to(directory)}: {task.get('name', 'a task')!r} {fault}"
        for path in sorted(directory.rglob("*.yml"))
        if path.parent.name not in ("defaults", "meta", "vars")
        for task in _tasks(_load(path))
        for fault in _faults_of_task(task)
    ]


def _tasks(data: Any) -> Iterator[dict[str, Any]]:
    """All tasks in a file's list of tasks or plays; those in blocks with the check_mode of their block."""
    for item in data if isinstance(data, list) else []:
        lists = [item[key] for key in TASK_LISTS if key in item]
        inherited = {key: item[key] for key in ("check_mode",) if key in item}
        for inner in lists:
            yield from (inherited | task for task in _tasks(inner))
        if not lists and "hosts" not in item:
            yield item


def _faults_of_task(task: dict[str, Any]) -> Iterator[str]:
    modules = [key for key in task if key not in TASK_KEYWORDS and not key.startswith("with_")]
    for module in modules:
        if not re.fullmatch(r"\w+\.\w+\.\w+", module):
            yield f"calls {module} without its collection's name"
    if "ansible.builtin.set_fact" in modules or "set_fact" in modules:
        yield "sets a fact; compute it where it is read"
    if task.get("ignore_errors"):
        yield "ignores errors; say with failed_when which are none"
    if task.get("changed_when") in (False, "false"):
        yield from _faults_of_silence(task, modules)


def _faults_of_silence(task: dict[str, Any], modules: list[str]) -> Iterator[str]:
    """Look at a task that says it never changes anything: a command that only reads, or a module that only computes."""
    commands = [str(task[module]) for module in modules if module in COMMANDS]
    if not commands and not any(module.endswith("_pipe") for module in modules):
        yield "hides with changed_when what its module reports"
    for command in commands:
        if task.get("check_mode") is not False:
            yield "says that it changes nothing, so that check mode may run it too: add check_mode: false"
        if word := WORDS_THAT_CHANGE.search(command):
            yield f"says that it changes nothing, but its command says {word[0]!r}"


def data_faults(directory: Path) -> list[str]:
    """No file below a directory may remove volumes."""
    return [
        f"{path.relative_to(directory)} {what}"
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
        for what, pattern in LOSES_DATA.items()
        if pattern.search(path.read_text())
    ]


def _load(path: Path) -> Any:
    return DataLoader().load_from_file(str(path)) if path.exists() else None
