# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests of roles get: each role's directory, and its variables and templates as Ansible computes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader

from rendering import RENDER, ROLES, templar


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
        renderer = templar(ROLES / role, tmp_path, variables)
        lookup = lookup_loader.get("ansible.builtin.template", loader=DataLoader(), templar=renderer)
        return str(lookup.run([template], renderer.available_variables, **RENDER)[0])

    return render


@pytest.fixture
def value(tmp_path: Path) -> Callable[..., Any]:
    """Compute a variable: `value("redis", "redis_image", redis_flavor="redis")`; what it sees is as for `render`."""

    def value(role: str | Path, name: str, **variables: Any) -> Any:
        renderer = templar(ROLES / role, tmp_path, variables)
        return renderer.template(renderer.available_variables[name])

    return value
