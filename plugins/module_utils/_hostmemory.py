# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory a host has, and what its containers use of it.

PRIVATE to the collection. Reads /proc and the cgroup files below ``root``, which tests set to a recorded tree. Figures
are whole MiB, rounded down; None is "not known" or "no limit". The files are described in the kernel's documentation,
admin-guide/cgroup-v1/memory.rst and admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

__all__ = ["DockerError", "containers", "host_memory"]

Run = Callable[[list[str]], tuple[int, str, str]]

_MIB = 2**20


class DockerError(Exception):
    """Docker is there and does not answer."""


class _Files(NamedTuple):
    """The names that one cgroup version has for the same figures; ``cold`` and ``reclaimable`` are in ``stat``."""

    limit: str
    usage: str
    peak: str
    cold: str
    reclaimable: tuple[str, ...]
    events: str
    stat: str = "memory.stat"


_V1 = _Files(
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    "memory.max_usage_in_bytes",
    "total_inactive_file",
    ("total_inactive_file", "total_active_file"),
    "memory.oom_control",
)
_V2 = _Files(
    "memory.max",
    "memory.current",
    "memory.peak",
    "inactive_file",
    ("inactive_file", "active_file", "slab_reclaimable"),
    "memory.events",
)

# Version 1 writes "no limit" as the largest multiple of a page that a signed 64-bit number holds.
_NO_LIMIT = 2**62


class _Hierarchy(NamedTuple):
    """Where the memory controller is mounted, and the path of the group that is seen there."""

    version: str
    files: _Files
    mount: Path
    top: str


class _Group(NamedTuple):
    """What one control group says of its memory, in bytes; None is "not known" or "no limit"."""

    limit: int | None = None
    current: int | None = None
    held: int | None = None
    peak: int | None = None
    oom_kills: int | None = None


def host_memory(root: Path = Path("/")) -> dict[str, Any]:
    """Return ``{total_mib, available_mib, swap_total_mib, swap_free_mib, cgroup}``.

    ``total_mib`` is the smaller of MemTotal and the limit of the topmost control group that is seen from here: inside a
    container, or a guest that shares its host's kernel, /proc/meminfo may show the memory of the whole machine.
    ``available_mib`` is what is free, or can be freed, within it. ``cgroup`` is v1, v2 or none.

    Raises OSError when /proc/meminfo cannot be read.
    """
    info = _pairs((root / "proc/meminfo").read_text())
    total, available = info["MemTotal:"] * 1024, info["MemAvailable:"] * 1024
    hierarchy = _hierarchy(root)
    if hierarchy:
        top = _group(hierarchy.mount, hierarchy.files)
        if top.limit is not None:
            total = min(total, top.limit)
            available = min(available, max(0, top.limit - (top.current or 0)))
    return {
        "total_mib": total // _MIB,
        "available_mib": available // _MIB,
        "swap_total_mib": info["SwapTotal:"] // 1024,
        "swap_free_mib": info["SwapFree:"] // 1024,
        "cgroup": hierarchy.version if hierarchy else "none",
    }


def containers(run: Run, project: str | None = None, root: Path = Path("/")) -> list[dict[str, Any]]:
    """Return the running containers, of one Compose project or all, sorted by name.

    ``run`` takes a command and returns its exit code, output and errors. A container is ``{name, service,
    onebox_service, image, state, health, restarts, started_at, limit_mib, current_mib, held_mib, peak_mib,
    oom_kills}``. ``current_mib`` is the working set, which leaves out file cache not in use, as ``docker stats`` does.
    ``held_mib`` is what the kernel cannot take back: no file cache at all. ``peak_mib`` has all file cache in it, so
    that it may well stand at the limit; the kernel keeps no peak of the other two. It is since ``started_at``, as is
    ``oom_kills``; "2026-11-21 04:37 UTC".

    Raises DockerError when Docker does not answer.
    """
    listing = ["docker", "ps", "--quiet", "--no-trunc"]
    if project is not None:
        listing += ["--filter", f"label=com.docker.compose.project={project}"]
    ids = _docker(run, listing).split()
    if not ids:
        return []
    # A container may be gone by now; then inspect fails, and still prints the others.
    output = _docker(run, ["docker", "inspect", "--type", "container", *ids], tolerated="no such container")
    hierarchy = _hierarchy(root)
    found = [_container(details, hierarchy, root) for details in json.loads(output)]
    return sorted(found, key=lambda container: str(container["name"]))


def _docker(run: Run, command: list[str], tolerated: str | None = None) -> str:
    code, output, errors = run(command)
    if code and not (tolerated and tolerated in errors.lower()):
        raise DockerError(f"'{' '.join(command[:2])}' failed: {errors.strip() or f'exit code {code}'}")
    return output


def _container(details: Mapping[str, Any], hierarchy: _Hierarchy | None, root: Path) -> dict[str, Any]:
    state = details["State"]
    labels = details["Config"].get("Labels") or {}
    path = hierarchy and _group_path(root / "proc" / str(state["Pid"]) / "cgroup", hierarchy, details["Id"])
    group = _group(path, hierarchy.files) if hierarchy and path else _Group()
    limit = group.limit or details["HostConfig"].get("Memory") or None
    return {
        "name": details["Name"].lstrip("/"),
        "service": labels.get("com.docker.compose.service"),
        "onebox_service": labels.get("onebox.service"),
        "image": details["Config"]["Image"],
        "state": state["Status"],
        "health": (state.get("Health") or {}).get("Status"),
        "restarts": details["RestartCount"],
        "started_at": f"{state['StartedAt'][:16].replace('T', ' ')} UTC",
        "limit_mib": _to_mib(limit),
        "current_mib": _to_mib(group.current),
        "held_mib": _to_mib(group.held),
        "peak_mib": _to_mib(group.peak),
        "oom_kills": group.oom_kills,
    }


def _hierarchy(root: Path) -> _Hierarchy | None:
    """The mounted memory controller: version 1 when both are, for then version 2 is there for systemd only."""
    found: dict[str, _Hierarchy] = {}
    for line in (_text(root / "proc/self/mountinfo") or "").splitlines():
        place, _dash, kind = line.partition(" - ")
        top, mount = place.split()[3:5]
        version, _source, options = kind.split()[:3]
        if version == "cgroup" and "memory" in options.split(","):
            found.setdefault("v1", _Hierarchy("v1", _V1, root / mount.lstrip("/"), top))
        elif version == "cgroup2":
            found.setdefault("v2", _Hierarchy("v2", _V2, root / mount.lstrip("/"), top))
    return found.get("v1") or found.get("v2")


def _group_path(membership: Path, hierarchy: _Hierarchy, container_id: str) -> Path | None:
    """Where the files of a container's group are, from the /proc/<pid>/cgroup of its first process; None if not here.

    In a container without a cgroup namespace of its own, that file has the whole path from the host's root, and only
    what is below the container's own group is mounted. A first process like systemd moves to a group below its own.
    """
    for line in (_text(membership) or "").splitlines():
        _number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(",") if hierarchy.version == "v1" else not controllers:
            group = PurePosixPath(path)
            group = next((outer for outer in reversed(group.parents) if container_id in outer.name), group)
            try:
                return hierarchy.mount / group.relative_to(hierarchy.top)
            except ValueError:
                return None
    return None


def _group(path: Path, files: _Files) -> _Group:
    usage = _bytes(path / files.usage)
    stat = _pairs(_text(path / files.stat) or "")
    cold, reclaimable = stat.get(files.cold, 0), sum(stat.get(name, 0) for name in files.reclaimable)
    return _Group(
        limit=_bytes(path / files.limit),
        current=None if usage is None else max(0, usage - cold),
        held=None if usage is None else max(0, usage - reclaimable),
        peak=_bytes(path / files.peak),
        oom_kills=_pairs(_text(path / files.events) or "").get("oom_kill"),
    )


def _bytes(path: Path) -> int | None:
    text = (_text(path) or "").strip()
    return int(text) if text.isdigit() and int(text) < _NO_LIMIT else None


def _pairs(text: str) -> dict[str, int]:
    """Lines of a word and a number, as in /proc/meminfo and memory.stat."""
    return {words[0]: int(words[1]) for words in map(str.split, text.splitlines())}


def _text(path: Path) -> str | None:
    """The file's text; None where there is none, as after the end of a container."""
    try:
        return path.read_text()
    except OSError:
        return None


def _to_mib(size: int | None) -> int | None:
    return None if size is None else size // _MIB
