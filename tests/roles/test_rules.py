# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from roles.rules import comment_faults, data_faults, spec_faults, task_faults, template_faults

DEFAULTS = """\
---
# How many of them.
shop_count: 2

# What each gets, in MiB.
shop_memory_mib: "{{ shop_count * 64 }}"
"""
SPEC = """\
---
argument_specs:
  main:
    short_description: A shop
    options:
      shop_count: {type: int, default: 2, description: How many.}
      shop_password: {type: str, required: true, no_log: true, description: A password.}
"""


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A role in which all is well."""
    return write(tmp_path / "shop", {"defaults/main.yml": DEFAULTS, "meta/argument_specs.yml": SPEC})


def test_a_role_in_which_all_is_well_has_no_faults(shop: Path) -> None:
    write(
        shop,
        {
            "templates/a.j2": "{{ ansible_managed }} {% for i in range(shop_count) %}{{ i }} {{ __shop }}{% endfor %}",
            "tasks/main.yml": "- ansible.builtin.command: uptime\n  changed_when: false\n  check_mode: false\n",
        },
    )
    rules = (spec_faults, comment_faults, template_faults, task_faults, data_faults)
    assert [fault for rule in rules for fault in rule(shop)] == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("default: 2", "default: 3", "shop_count is 2 by default, but 3 in its spec"),
        ("type: int, ", "", "shop_count has no type"),
        ("type: int", "type: list", "shop_count has no elements"),
        (", description: How many.", "", "shop_count has no description"),
        (", description: How many.", ", description: A, options: {x: {type: int}}", "shop_count.x has no description"),
        ("required: true, no_log: true, ", "", "shop_password has a spec, but no default, neither required nor secret"),
        ("shop_count:", "shop_size:", "shop_count has a default, but no spec"),
        (
            "shop_password: {type: str, required: true, no_log: true",
            "shop_memory_mib: {type: int, default: 1",
            "shop_memory_mib has a computed default, which its spec repeats",
        ),
    ],
)
def test_a_spec_that_differs_from_the_defaults_is_a_fault(shop: Path, old: str, new: str, fault: str) -> None:
    write(shop, {"meta/argument_specs.yml": SPEC.replace(old, new)})
    assert fault in spec_faults(shop)


def test_a_role_without_a_spec_is_a_fault(shop: Path) -> None:
    (shop / "meta/argument_specs.yml").unlink()
    assert spec_faults(shop) == ["shop_count has a default, but no spec"]


def test_a_default_without_a_comment_above_it_is_a_fault(shop: Path) -> None:
    write(shop, {"defaults/main.yml": DEFAULTS.replace("# How many of them.\n", "# How many of them.\n\n")})
    assert comment_faults(shop) == ["shop_count has no comment directly above it"]


@pytest.mark.parametrize("name", ["redis_password", "onebox_project", "ansible_facts", "hostvars", "vars", "shopping"])
def test_a_template_that_reads_another_roles_variable_is_a_fault(shop: Path, name: str) -> None:
    write(shop, {"templates/etc/a.conf.j2": f"{{% if shop_count %}}{{{{ {name} }}}}{{% endif %}}"})
    assert template_faults(shop) == [f"a.conf.j2 reads {name}, which is not the role's own"]


@pytest.mark.parametrize(
    ("task", "fault"),
    [
        ("ansible.builtin.set_fact: {a: 1}", "sets a fact; compute it where it is read"),
        ("ansible.builtin.stat: {path: /}, ignore_errors: true", "ignores errors; say with failed_when which are none"),
        ("copy: {src: a, dest: b}", "calls copy without its collection's name"),
        ("ansible.builtin.apt: {name: a}, changed_when: false", "hides with changed_when what its module reports"),
        (
            "ansible.builtin.command: uptime, changed_when: false",
            "says that it changes nothing, so that check mode may run it too: add check_mode: false",
        ),
        (
            "ansible.builtin.command: {argv: [docker, compose, up]}, changed_when: false, check_mode: false",
            "says that it changes nothing, but its command says 'up'",
        ),
    ],
)
@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tasks/main.yml", "- {{name: A, {task}}}"),
        ("handlers/main.yml", "- block:\n    - {{name: A, {task}}}"),
        ("site.yml", "- hosts: all\n  tasks:\n    - block: []\n      rescue:\n        - {{name: A, {task}}}"),
    ],
)
def test_a_task_that_breaks_a_rule_is_a_fault(tmp_path: Path, file: str, text: str, task: str, fault: str) -> None:
    write(tmp_path, {file: text.format(task=task)})
    assert task_faults(tmp_path) == [f"{file}: 'A' {fault}"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("docker volume prune --force", "prunes volumes"),
        ("argv: [docker, system, prune, --volumes]", "prunes volumes"),
        ("docker compose down -v", "takes a stack down with its volumes"),
        ('["docker", "compose", "down", "--timeout", "3", "--volumes"]', "takes a stack down with its volumes"),
        ("remove_volumes: true", "removes volumes"),
    ],
)
def test_what_removes_volumes_is_a_fault(tmp_path: Path, text: str, fault: str) -> None:
    write(tmp_path, {"templates/clean.sh.j2": text})
    assert data_faults(tmp_path) == [f"templates/clean.sh.j2 {fault}"]
