# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import inspect
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader

# From ansible-core 2.19 on, a text is a template only where its source is trusted.
_TRUST = {"trusted_as_template": True}
_LOAD: dict[str, Any] = (
    _TRUST if "trusted_as_template" in inspect.signature(DataLoader.load_from_file).parameters else {}
)


@pytest.fixture
def inventory(tmp_path: pathlib.Path) -> Callable[[str], dict[str, Any]]:
    """Read variables from YAML as an inventory's file is read, templates in it included."""

    def inventory(text: str) -> dict[str, Any]:
        path = tmp_path / "inventory.yml"
        path.write_text(text)
        found: dict[str, Any] = DataLoader().load_from_file(str(path), **_LOAD)
        return found

    return inventory
