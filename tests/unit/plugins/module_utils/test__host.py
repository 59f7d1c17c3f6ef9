# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import pathlib
import shutil

import pytest
from ansible_collections.onebox.stack.plugins.module_utils import _host

TABLE = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LISTEN, ESTABLISHED = "0A", "01"


# -- the distribution --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n\nID=debian\n',
            {"id": "debian", "version": "13", "codename": "trixie"},
        ),
        (
            'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n',
            {"id": "ubuntu", "version": "24.04", "codename": "noble"},
        ),
        ("ID='alpine'\nURL=https://x/?a=b\n", {"id": "alpine", "version": "", "codename": ""}),
        (None, {"id": "", "version": "", "codename": ""}),
    ],
)
def test_the_distribution_is_read(tmp_path: pathlib.Path, content: str | None, expected: dict[str, str]) -> None:
    if content is not None:
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc/os-release").write_text(content)
    assert _host.distribution(tmp_path) == expected


# -- disk --------------------------------------------------------------------------------------------------------------


def test_free_space_is_that_of_the_file_system_on_which_the_directory_will_be(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    free = {tmp_path: 3 * 2**20 + 5}
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free[path]))
    assert _host.free_mib(tmp_path / "var/lib/docker") == 3


# -- ports -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def proc(tmp_path: pathlib.Path) -> pathlib.Path:
    """A host on which sshd listens on 22, and on which somebody is connected to a port 80 elsewhere."""
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/tcp").write_text(
        TABLE + _socket("00000000", 22, LISTEN, 100) + _socket("0100007F", 80, ESTABLISHED, 200)
    )
    _process(tmp_path, 1, "systemd", [5])
    _process(tmp_path, 812, "sshd", [7, 100])
    (tmp_path / "proc/self").symlink_to("812")
    return tmp_path


def _socket(address: str, port: int, state: str, inode: int) -> str:
    return (
        f"   0: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0  0 {inode} 1\n"
    )


def _process(root: pathlib.Path, pid: int, name: str, inodes: list[int]) -> None:
    descriptors = root / "proc" / str(pid) / "fd"
    descriptors.mkdir(parents=True)
    (descriptors.parent / "comm").write_text(f"{name}\n")
    (descriptors / "0").symlink_to("/dev/null")
    for number, inode in enumerate(inodes, 3):
        (descriptors / str(number)).symlink_to(f"socket:[{inode}]")


def test_the_program_that_listens_is_named(proc: pathlib.Path) -> None:
    assert _host.holder_of(22, proc) == "sshd (pid 812)"


def test_a_connection_does_not_hold_a_port(proc: pathlib.Path) -> None:
    assert _host.holder_of(80, proc) is None


def test_a_program_that_listens_on_ipv6_only_is_found(proc: pathlib.Path) -> None:
    (proc / "proc/net/tcp6").write_text(TABLE + _socket("0" * 32, 443, LISTEN, 300))
    _process(proc, 900, "caddy", [300])
    assert _host.holder_of(443, proc) == "caddy (pid 900)"


def test_a_program_of_which_nothing_can_be_seen_still_holds_its_port(proc: pathlib.Path) -> None:
    (proc / "proc/net/tcp6").write_text(TABLE + _socket("0" * 32, 443, LISTEN, 300))
    (proc / "proc/950").mkdir()
    assert _host.holder_of(443, proc) == "a program that does not show itself"


def _docker(directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch, output: str, code: int = 0) -> None:
    """Put a docker client on the PATH that notes its arguments, prints this and ends so."""
    directory.mkdir()
    program = directory / "docker"
    program.write_text(f"#!/bin/sh\necho \"$@\" > {directory}/asked\nprintf %s '{output}'\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")


def test_the_container_that_publishes_a_port_is_named_with_its_project(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _docker(tmp_path / "bin", monkeypatch, '{"name": "demo-nginx-1", "project": "demo"}')
    assert _host.container_on(80) == {"name": "demo-nginx-1", "project": "demo"}
    assert (tmp_path / "bin/asked").read_text().startswith("ps --filter publish=80 --format ")


@pytest.mark.parametrize(("output", "code"), [("", 0), ("", 1)], ids=["there is none", "docker does not run"])
def test_no_container_publishes_a_port(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, output: str, code: int
) -> None:
    _docker(tmp_path / "bin", monkeypatch, output, code)
    assert _host.container_on(80) is None


def test_where_docker_is_not_installed_no_container_publishes_a_port(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _host.container_on(80) is None


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        (None, {443: "caddy (pid 900)"}),
        ({"name": "old-web-1", "project": "old"}, {443: "the container old-web-1"}),
        ({"name": "demo-nginx-1", "project": "demo"}, {}),
    ],
    ids=["a program", "another stack", "the stack itself"],
)
def test_a_port_is_in_the_way_unless_it_is_free_or_the_stack_s_own(
    proc: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    container: dict[str, str] | None,
    expected: dict[int, str],
) -> None:
    (proc / "proc/net/tcp6").write_text(TABLE + _socket("0" * 32, 443, LISTEN, 300))
    _process(proc, 900, "caddy", [300])
    monkeypatch.setattr(_host, "container_on", lambda port: container if port == 443 else None)
    assert _host.ports_in_the_way([80, 443], "demo", proc) == expected


# -- the stack ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def stack(tmp_path: pathlib.Path) -> pathlib.Path:
    states = {
        "redis": json.dumps(
            {"guarded": ["redis_password"], "limits_mib": {"redis": 96}, "tuned_for": {"connections": 40}}
        ),
        "shop": json.dumps(
            {"guarded": ["shop_mysql_password", "gone"], "limits_mib": {"shop-web": 416, "shop-job": 96}}
        ),
        "begun": json.dumps({"recreate": []}),
        "damaged": "{",
    }
    for service, state in states.items():
        (tmp_path / "services" / service).mkdir(parents=True)
        (tmp_path / "services" / service / ".state.json").write_text(state)
    for path in ("redis/redis_password", "redis/users.acl", "shop/shop_mysql_password"):
        (tmp_path / "secrets" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "secrets" / path).write_text("x")
    return tmp_path


def test_the_stack_s_own_secrets_are_found_and_no_others(stack: pathlib.Path) -> None:
    assert _host.guarded_secrets(stack) == {
        "redis_password": f"{stack}/secrets/redis/redis_password",
        "shop_mysql_password": f"{stack}/secrets/shop/shop_mysql_password",
    }


def test_the_limits_in_force_are_found(stack: pathlib.Path) -> None:
    assert _host.limits_in_force(stack) == {"redis": 96, "shop-web": 416, "shop-job": 96}


def test_what_a_service_was_tuned_for_is_found(stack: pathlib.Path) -> None:
    assert _host.tuned_for(stack) == {"redis": {"connections": 40}}


def test_a_host_without_a_stack_has_neither_secrets_nor_limits(tmp_path: pathlib.Path) -> None:
    assert _host.guarded_secrets(tmp_path / "none") == {}
    assert _host.limits_in_force(tmp_path / "none") == {}
