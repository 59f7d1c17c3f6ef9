# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is, and what on it would stand in the way of a stack.

PRIVATE to the collection. Runs on the host, needs only the standard library (Python 3.9). Functions take the root of
the file system, so that they can be tested on a recorded tree.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils import _data

LISTENING = "0A"


def distribution(root: pathlib.Path) -> dict[str, str]:
    """Return ``{id, version, codename}`` from /etc/os-release, such as ``debian``, ``13``, ``trixie``."""
    path = root / "etc/os-release"
    lines = path.read_text().splitlines() if path.exists() else []
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    named = {"id": "ID", "version": "VERSION_ID", "codename": "VERSION_CODENAME"}
    return {name: fields.get(key, "").strip("\"'") for name, key in named.items()}


def free_mib(path: pathlib.Path) -> int:
    """Return the free space in MiB of the file system that holds the path, or would once it is made."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free // 2**20


def holder_of(port: int, root: pathlib.Path) -> str | None:
    """Return the program that listens on a TCP port, as ``nginx (pid 812)``; None when nobody does."""
    inodes = set()
    for table in ("proc/net/tcp", "proc/net/tcp6"):
        path = root / table
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    if not inodes:
        return None
    for process in sorted((root / "proc").glob("[0-9]*")):
        try:
            if any(os.readlink(descriptor) in inodes for descriptor in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:  # the process ended meanwhile, or is a kernel thread
            continue
    return "a program that does not show itself"


def container_on(port: int) -> dict[str, str] | None:
    """Return ``{name, project}`` of the container that publishes the port; None when there is none, or no Docker."""
    if not shutil.which("docker"):
        return None
    template = '{"name": {{json .Names}}, "project": {{json (.Label "com.docker.compose.project")}}}'
    done = _docker("ps", "--filter", f"publish={port}", "--format", template)
    found: list[dict[str, str]] = [json.loads(line) for line in done.stdout.splitlines()]
    return found[0] if done.returncode == 0 and found else None


def ports_in_the_way(ports: list[int], project: str, root: pathlib.Path) -> dict[int, str]:
    """Return who holds each of these ports, by port; those that are free or held by the stack itself are left out."""
    holders = {}
    for port in ports:
        program = holder_of(port, root)
        container = container_on(port) if program else None
        if program and not (container and container["project"] == project):
            holders[port] = f"the container {container['name']}" if container else program
    return holders


def guarded_secrets(stack: pathlib.Path) -> dict[str, str]:
    """Return the paths of the stack's own secrets on the host, by name.

    Services that share a secret have a copy each; after a change that was cut off the newest is the one in force.
    """
    found: dict[str, pathlib.Path] = {}
    for service, state in _states(stack):
        for name in state.get("guarded", []):
            secret = stack / "secrets" / service / name
            if secret.exists() and (name not in found or secret.stat().st_mtime > found[name].stat().st_mtime):
                found[name] = secret
    return {name: str(path) for name, path in found.items()}


def services(stack: pathlib.Path) -> list[str]:
    """Return the names of the services that the stack has on this host."""
    return sorted(path.parent.name for path in stack.glob("services/[!.]*/compose.yaml"))


def data(stack: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Return ``{format, volume, ready, there}`` of each service's data on record, by the service's name.

    ``there`` is false for a volume that is empty or gone; where Docker does not answer, it is taken to be there.
    """
    installed = shutil.which("docker") is not None
    return {
        name: {**dataclasses.asdict(held), "there": not installed or _data.is_there(held.volume, _docker)}
        for name, held in _data.read(stack).services.items()
    }


def _docker(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *argv], capture_output=True, text=True, check=False)


def limits_in_force(stack: pathlib.Path) -> dict[str, int]:
    """Return the memory limits, in MiB, with which the stack's containers were last started, by container key."""
    return {key: limit for _service, state in _states(stack) for key, limit in state.get("limits_mib", {}).items()}


def tuned_for(stack: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Return what the settings of the stack's services follow from beside their memory, by service."""
    return {service: state["tuned_for"] for service, state in _states(stack) if state.get("tuned_for")}


def _states(stack: pathlib.Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(stack.glob("services/*/.state.json")):
        with contextlib.suppress(ValueError):  # a damaged record is written anew when its service is applied
            yield path.parent.name, json.loads(path.read_text())
