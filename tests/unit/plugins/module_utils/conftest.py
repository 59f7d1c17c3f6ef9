# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import secrets

import pytest
from ansible_collections.onebox.stack.plugins.module_utils import _stack

from unit.plugins.module_utils.fake_docker import Engine
from unit.plugins.module_utils.shop import Shop, apply


@pytest.fixture
def stack(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "opt" / "demo"


@pytest.fixture
def engine(stack: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine(stack)
    monkeypatch.setattr(_stack, "Docker", engine.client)
    monkeypatch.setattr(secrets, "token_hex", lambda size: "k" * 2 * size)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(_stack, "POLL_SECONDS", 0.01)
    return engine


@pytest.fixture
def shop(stack: pathlib.Path, engine: Engine) -> Shop:
    return Shop(str(stack))


@pytest.fixture
def running(shop: Shop, engine: Engine) -> Shop:
    """The shop as it runs after a first apply; the engine's record of calls starts afresh."""
    apply(shop)
    engine.calls.clear()
    engine.ran.clear()
    return shop
