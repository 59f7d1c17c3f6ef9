# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.modules import preflight

ARGUMENTS = {"profile": "", "profiles": {}, "project": "shop", "ports": []}


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A Docker with a container of mysql and two of the shop's worker; the commands that it was given."""
    given = []

    def run(argv: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        given.append(argv)
        return subprocess.CompletedProcess(argv, 0, stdout="shop-worker\nmysql\nshop-worker\n", stderr="")

    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    return given


def test_the_limits_in_force_come_with_how_many_containers_they_are_for(
    run_module: Callable[..., dict[str, Any]], docker: list[list[str]], tmp_path: pathlib.Path
) -> None:
    record = tmp_path / "services/mysql/.state.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"limits_mib": {"mysql": 512}}))
    found = run_module(preflight, **ARGUMENTS, directory=str(tmp_path))
    assert (found["limits_mib"], found["replicas"]) == ({"mysql": 512}, {"mysql": 1, "shop-worker": 2})
    (command,) = docker
    assert "label=com.docker.compose.project=shop" in command
    assert "--all" in command


def test_a_host_without_docker_has_no_containers(
    run_module: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    found = run_module(preflight, **ARGUMENTS, directory=str(tmp_path))
    assert (found["changed"], found["replicas"], found["limits_mib"], found["secrets"]) == (False, {}, {}, [])
