# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small shop as a service of a stack, and what the tests do with it."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import stat
from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils import _compose
from ansible_collections.onebox.stack.plugins.module_utils._stack import (
    Command,
    Container,
    File,
    Published,
    Result,
    Secret,
    Service,
    Wanted,
)

LOOK = (
    "ps --all --quiet --no-trunc --filter label=com.docker.compose.project=demo --filter label=onebox.service=shop "
    "--filter label=com.docker.compose.oneoff=False"
)
UP = "compose up --detach --no-deps web worker"
UP_AGAIN = "compose up --detach --no-deps --force-recreate"
RELOAD = Command("web", ("reload", "-s"))


@dataclasses.dataclass
class Shop:
    """A service with all that a service can have, made into what `_stack` takes as the action plugin does."""

    directory: str
    name: str = "shop"
    image: str = "shop:1"
    replicas: int = 2
    worker: str = "worker"
    limit_mib: int = 64
    files: dict[str, str] = dataclasses.field(
        default_factory=lambda: {"web.conf": "web", "worker.conf": "work", "live/a.conf": "a"}
    )
    secrets: dict[str, str] = dataclasses.field(default_factory=lambda: {"password": "geheim", "token": "tok"})
    guarded: tuple[str, ...] = ("password",)
    group: int = dataclasses.field(default_factory=os.getgid)
    checked: bool = False
    release: tuple[Command, ...] = ()
    publish: bool = False
    reload: Command | None = RELOAD
    rotate: tuple[str, ...] = ()
    data_format: str = ""
    accept_data_loss: bool = False

    def wanted(self) -> Wanted:
        services: dict[str, Any] = {
            "web": {
                "image": self.image,
                "networks": ["edge"],
                "volumes": ["./web.conf:/etc/web.conf:ro", "./live:/etc/live:ro", "data:/data"],
                "secrets": list(self.secrets),
                "healthcheck": {"test": ["CMD", "true"]},
            },
            self.worker: {
                "image": self.image,
                "networks": ["data"],
                "volumes": ["./worker.conf:/etc/worker.conf:ro"],
                "secrets": ["password"],
                "deploy": {"replicas": self.replicas},
            },
        }
        model = _compose.build(
            {"services": services, "volumes": {"data": {}}},
            name=self.name,
            project="demo",
            memory_mib=self.limit_mib,
            networks={"edge": {}, "data": {"internal": True}},
            secrets=sorted(self.secrets),
            data="data" if self.data_format else "",
        )
        check = _compose.check_model(model["services"]["web"], "web", ["web", "-t"], model["secrets"])
        settled = [path for path in self.files if not path.startswith("live/")]
        return Wanted(
            project="demo",
            directory=self.directory,
            name=self.name,
            files={
                **{path: File(content) for path, content in self.files.items()},
                "compose.yaml": File(json.dumps(model)),
            },
            secrets={
                name: Secret(content, self.group, guarded=name in self.guarded)
                for name, content in self.secrets.items()
            },
            containers={
                key: Container(
                    image=service["image"],
                    replicas=service["deploy"].get("replicas", 1),
                    limit_mib=_compose.limit_of(service),
                    files=tuple(_compose.inputs(service, settled)),
                    secrets=tuple(secret["target"] for secret in service["secrets"]),
                )
                for key, service in model["services"].items()
            },
            checks={"web": json.dumps(check)} if self.checked else {},
            release=self.release,
            publish=Published("web", "/srv/public", "public") if self.publish else None,
            reload=self.reload,
            reload_files=tuple(path for path in self.files if path.startswith("live/")) if self.reload else (),
            rotate=self.rotate,
            tuned_for={"connections": len(self.secrets)},
            data_format=self.data_format,
            accept_data_loss=self.accept_data_loss,
            wait_seconds=60,
        )

    def but(self, **changes: Any) -> Shop:
        """Return a copy that differs; of files and secrets only those given, None to leave one out."""
        for part in ("files", "secrets"):
            if part in changes:
                merged = {**getattr(self, part), **changes[part]}
                changes[part] = {name: content for name, content in merged.items() if content is not None}
        return dataclasses.replace(self, **changes)


def apply(shop: Shop, *, check_mode: bool = False) -> Result:
    return Service(shop.wanted(), check_mode=check_mode).apply()


def remove(shop: Shop, *, volumes: bool = False, heir: str = "", check_mode: bool = False) -> Result:
    return Service(shop.wanted(), check_mode=check_mode).remove(volumes=volumes, heir=heir)


def tree(root: pathlib.Path, *, times: bool = False) -> dict[str, tuple[Any, ...]]:
    """Return what lies below a directory: type and mode, content or target, and if asked for when it was changed."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted(root.rglob("*")):
        about = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else ""
        mode = "" if path.is_symlink() else stat.filemode(about.st_mode)
        found[str(path.relative_to(root))] = (mode, content, (about.st_mtime_ns, about.st_ino) if times else ())
    return found


def without_record(shot: dict[str, tuple[Any, ...]]) -> tuple[dict[str, tuple[Any, ...]], dict[str, Any]]:
    """Return a tree without the service's own record, and what that says."""
    record = "services/shop/.state.json"
    return {path: entry for path, entry in shot.items() if path != record}, json.loads(shot[record][1])


def state_of(stack: pathlib.Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((stack / "services/shop/.state.json").read_text())
    return state
