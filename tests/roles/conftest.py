# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests of roles get: each role's directory, and its variables and templates as Ansible computes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar

ROLES = Path(__file__).parents[2] / "roles"

# Up to ansible-core 2.18 every string is a template, and text that looks like YAML becomes data unless told not to.
# Since then only strings of trusted sources are templates, and text stays text.
OLD = "trusted_as_template" not in inspect.signature(DataLoader.load_from_file).parameters
LOAD: dict[str, Any] = {} if OLD else {"trusted_as_template": True}
RENDER: dict[str, Any] = {"convert_data": False} if OLD else {}

# The host that the tests imagine, as far as facts go.
FACTS = {"distribution": "Debian", "distribution_release": "trixie", "os_family": "Debian", "processor_vcpus": 2}


@pytest.fixture(params=sorted(path for path in ROLES.glob("*") if path.is_dir()), ids=lambda path: path.name)
def role(request: pytest.FixtureRequest) -> Path:
    """The directory of each role in turn."""
    return request.param


@pytest.fixture
def render(tmp_path: Path) -> Callable[..., str]:
    """Render a template: `render("redis", "redis.conf.j2", redis_memory_mib=256)` returns the file's text.

    It sees what it would see in a play: the defaults of roles/onebox, the role's own defaults and vars, then the
    keywords. A role is a name, or a directory outside of roles/. Secrets that are not given are generated.
    """

    def render(role: str | Path, template: str, **variables: Any) -> str:
        templar = _templar(ROLES / role, tmp_path, variables)
        lookup = lookup_loader.get("ansible.builtin.template", loader=DataLoader(), templar=templar)
        return str(lookup.run([template], templar.available_variables, **RENDER)[0])

    return render


@pytest.fixture
def value(tmp_path: Path) -> Callable[..., Any]:
    """Compute a variable: `value("redis", "redis_image", redis_flavor="redis")`; what it sees is as for `render`."""

    def value(role: str | Path, name: str, **variables: Any) -> Any:
        templar = _templar(ROLES / role, tmp_path, variables)
        return templar.template(templar.available_variables[name])

    return value


def _templar(role: Path, inventory_directory: Path, variables: dict[str, Any]) -> Templar:
    loader = DataLoader()
    merged: dict[str, Any] = {
        "ansible_check_mode": False,
        "ansible_facts": FACTS,
        "ansible_search_path": [str(role)],
        "inventory_dir": str(inventory_directory),
        "inventory_hostname": "box",
        "role_path": str(role),
    }
    for path in (ROLES / "onebox/defaults/main.yml", role / "defaults/main.yml", role / "vars/main.yml"):
        if path.exists():
            merged |= loader.load_from_file(str(path), **LOAD) or {}
    return Templar(loader=loader, variables=merged | variables)
