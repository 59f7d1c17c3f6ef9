# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Docker engine: the one that answers, or, on a bare machine without one, Debian's, started by hand."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import docker
import requests

from lab import packages
from lab.progress import Progress
from lab.settings import BRIDGE, ENGINE_DATA_DIRECTORY, STATE_DIRECTORY, LabError

# A build or a push may be silent for minutes on a slow network.
API_TIMEOUT_SECONDS = 900
START_TIMEOUT_SECONDS = 30
STOP_TIMEOUT_SECONDS = 60

PID_FILE = STATE_DIRECTORY / "dockerd.pid"
RUNTIME_DIRECTORIES = (Path("/run/docker"), Path("/run/containerd"))
LOG_FILE = STATE_DIRECTORY / "dockerd.log"


def connect() -> docker.DockerClient | None:
    """Return a client of the engine that DOCKER_HOST or the current Docker context names, or None when none answers."""
    try:
        client = docker.from_env(timeout=API_TIMEOUT_SECONDS)
        client.ping()
    except (docker.errors.DockerException, requests.exceptions.RequestException):
        return None
    return client


def ensure(progress: Progress) -> docker.DockerClient:
    """Return a client; on a bare machine, install and start an engine first.

    Raises LabError when there is no engine and this machine is not one on which the lab may start its own.
    """
    client = connect()
    if client is not None:
        return client
    _refuse_where_the_engine_is_someone_elses()
    if shutil.which("dockerd") is None:
        packages.install(["docker.io", "iptables"], progress)
    with progress.step("engine") as step:
        client = _start()
        step.result = f"dockerd {client.version()['Version']} started, log in {LOG_FILE}"
    return client


def started_here() -> bool:
    """Whether the lab started the engine that runs now."""
    return _pid() is not None


def stop() -> None:
    """Stop the engine that the lab started and delete what it leaves behind."""
    pid = _pid()
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while _pid() is not None:
            if time.monotonic() > deadline:
                raise LabError(f"dockerd (process {pid}) did not stop in {STOP_TIMEOUT_SECONDS} s; see {LOG_FILE}")
            time.sleep(0.1)
    if ENGINE_DATA_DIRECTORY.exists() and connect() is None:
        for directory in (ENGINE_DATA_DIRECTORY, *RUNTIME_DIRECTORIES):
            shutil.rmtree(directory, ignore_errors=True)
        _remove_firewall_rules()


def _refuse_where_the_engine_is_someone_elses() -> None:
    managed = Path("/run/systemd/system").exists() or shutil.which("apt-get") is None or os.geteuid() != 0
    if managed or "DOCKER_HOST" in os.environ:
        raise LabError(
            "No Docker engine answers. Start Docker (Docker Desktop, or: sudo systemctl start docker), "
            "check that `docker info` works as this user, and try again."
        )


def _start() -> docker.DockerClient:
    STATE_DIRECTORY.mkdir(parents=True, exist_ok=True)
    with LOG_FILE.open("ab") as log:
        process = subprocess.Popen(
            ["dockerd", "--data-root", str(ENGINE_DATA_DIRECTORY), "--pidfile", str(PID_FILE)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        client = connect()
        if client is not None:
            return client
        time.sleep(0.1)
    last_lines = LOG_FILE.read_text(errors="replace").splitlines()[-10:]
    raise LabError("dockerd did not start. Its last log lines:\n" + "\n".join(last_lines))


def _pid() -> int | None:
    """Return the process id of the lab's dockerd while it runs: after a reboot the number may be anybody's."""
    try:
        pid = int(PID_FILE.read_text())
        return pid if Path(f"/proc/{pid}/exe").readlink().name == "dockerd" else None
    except (OSError, ValueError):
        return None


def _remove_firewall_rules() -> None:
    """dockerd leaves its bridges and its rules when it stops: drop them and keep everybody else's."""
    for bridge in ("docker0", BRIDGE):
        subprocess.run(["ip", "link", "delete", bridge], check=False, stderr=subprocess.DEVNULL)
    for family in ("iptables", "ip6tables"):
        if shutil.which(f"{family}-save") is None:
            continue
        rules = subprocess.run([f"{family}-save"], check=True, capture_output=True, text=True).stdout
        subprocess.run([f"{family}-restore"], check=True, input=rules_without_docker(rules), text=True)


def rules_without_docker(rules: str) -> str:
    """Return what iptables-save printed without the rules of Docker and the lab, and with FORWARD's policy undone."""
    theirs = ("DOCKER", "docker0", BRIDGE)
    kept = [line for line in rules.splitlines() if not any(name in line for name in theirs)]
    return "".join(line.replace(":FORWARD DROP", ":FORWARD ACCEPT") + "\n" for line in kept)
