# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the lab starts an engine of its own, and what it takes away again."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from lab import engine
from lab.progress import Progress
from lab.settings import LabError


def test_no_engine_is_started_where_another_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "connect", lambda: None)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(LabError, match=r"No Docker engine answers\. Start Docker"):
        engine.ensure(Progress(io.StringIO()))


def test_no_engine_is_started_by_an_ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "connect", lambda: None)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match=r"No Docker engine answers\. Start Docker"):
        engine.ensure(Progress(io.StringIO()))


def test_a_process_that_took_over_the_number_is_not_the_labs_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(engine, "PID_FILE", tmp_path / "pid")
    assert not engine.started_here()
    (tmp_path / "pid").write_text(str(os.getpid()))
    assert not engine.started_here()


def test_only_dockers_own_firewall_rules_are_taken_away() -> None:
    before = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:mine - [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i onebox-lab ! -o onebox-lab -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
"""
    assert (
        engine.rules_without_docker(before)
        == """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:mine - [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
"""
    )
