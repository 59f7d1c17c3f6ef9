# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's variables as Ansible computes them, without a host."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar

ROOT = Path(__file__).parents[1]
ROLES = ROOT / "roles"

# Up to ansible-core 2.18 every string is a template, and text that looks like YAML becomes data unless told not to.
# Since then only strings of trusted sources are templates, and text stays text.
OLD = "trusted_as_template" not in inspect.signature(DataLoader.load_from_file).parameters
LOAD: dict[str, Any] = {} if OLD else {"trusted_as_template": True}
RENDER: dict[str, Any] = {"convert_data": False} if OLD else {}

# The host that is imagined, as far as facts go.
FACTS = {"distribution": "Debian", "distribution_release": "trixie", "os_family": "Debian", "processor_vcpus": 2}


def find_collections() -> None:
    """Let this collection and those of the `ansible` package be imported, as Ansible does. Once, before any is."""
    init_plugin_loader([str(ROOT / ".collections")])


def load(path: Path) -> dict[str, Any]:
    """Return a file of variables, whose values may be templates."""
    return DataLoader().load_from_file(str(path), **LOAD) or {}


def templar(role: Path, inventory_directory: Path, variables: dict[str, Any]) -> Templar:
    """Return what computes variables and templates of a role, a directory, as in a play.

    It sees the defaults and vars of roles/onebox, the role's own, then ``variables``. Secrets that are not
    given are generated in ``inventory_directory``.
    """
    merged: dict[str, Any] = {
        "ansible_check_mode": False,
        "ansible_facts": FACTS,
        "ansible_search_path": [str(role)],
        "inventory_dir": str(inventory_directory),
        "inventory_hostname": "box",
        "role_path": str(role),
    }
    for directory in (ROLES / "onebox", role):
        for path in (directory / "defaults/main.yml", directory / "vars/main.yml"):
            merged |= load(path) if path.exists() else {}
    return Templar(loader=DataLoader(), variables=merged | variables)
