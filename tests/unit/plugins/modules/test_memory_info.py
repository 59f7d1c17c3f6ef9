# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.modules import memory_info

CONTAINER = {
    "Id": "c0ffee",
    "Name": "/shop-app-1",
    "RestartCount": 0,
    "State": {"Status": "running", "Pid": 0, "StartedAt": "2026-11-21T05:50:32Z"},
    "Config": {"Image": "shop:1", "Labels": {"com.docker.compose.service": "app"}},
    "HostConfig": {"Memory": 64 * 2**20},
}


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A client that writes down how it was called and answers as recorded."""
    (tmp_path / "inspected.json").write_text(json.dumps([CONTAINER]))
    client = tmp_path / "docker"
    client.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n'
        f"case $1 in ps) echo c0ffee ;; inspect) cat {tmp_path}/inspected.json ;; esac\n"
    )
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return client


@pytest.mark.parametrize("check", [False, True])
def test_host_and_containers_are_returned_in_check_mode_too(docker: Path, run_module: Run, check: bool) -> None:
    result = run_module(memory_info, project="shop", _ansible_check_mode=check)
    assert (result["changed"], result["docker_error"]) == (False, None)
    assert result["total_mib"] >= result["available_mib"] > 0
    assert [(found["name"], found["limit_mib"]) for found in result["containers"]] == [("shop-app-1", 64)]
    assert "label=com.docker.compose.project=shop" in (docker.parent / "calls").read_text()


def test_without_docker_there_are_no_containers_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_module: Run
) -> None:
    monkeypatch.setattr(memory_info.AnsibleModule, "get_bin_path", lambda *args: None)
    result = run_module(memory_info)
    assert (result["containers"], result["docker_error"]) == ([], None)


def test_a_docker_that_does_not_answer_leaves_the_host_s_memory_and_says_why(docker: Path, run_module: Run) -> None:
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    result = run_module(memory_info)
    assert result["total_mib"] > 0
    assert (result["containers"], result["docker_error"]) == (
        [],
        "'docker ps' failed: Cannot connect to the Docker daemon",
    )


def test_a_host_that_does_not_tell_its_memory_is_an_error(monkeypatch: pytest.MonkeyPatch, run_module: Run) -> None:
    def unreadable() -> dict[str, Any]:
        raise PermissionError(13, "Permission denied", "/proc/meminfo")

    monkeypatch.setattr(memory_info, "host_memory", unreadable)
    result = run_module(memory_info)
    assert result["failed"]
    assert result["msg"] == ("cannot tell how much memory this host has: [Errno 13] Permission denied: '/proc/meminfo'")


def test_an_unknown_option_is_refused(run_module: Run) -> None:
    assert "Unsupported parameters" in run_module(memory_info, projekt="shop")["msg"]
