# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's images: the table in images/images.toml, and the key that says what an image was made from."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.settings import IMAGES_DIRECTORY, LOCAL_REGISTRY

# Part of every key: raise it when the code that makes images changes what comes out.
RECIPE = 1

REGISTRY_IMAGE = "onebox-lab/registry:1"
APT_REPOSITORY_IMAGE = "onebox-lab/apt-repository:1"


@dataclass(frozen=True)
class Image:
    """One row of the table: a base made from Debian's `suite`, or an image built in `directory`."""

    name: str
    suite: str = ""
    directory: str = ""
    dockerfile: str = "Dockerfile"
    # Docker Hub has an image of this name, which is better than ours.
    upstream: bool = False
    # Made when first asked for, not by `up`.
    lazy: bool = False

    @property
    def repository(self) -> str:
        """Name in a registry, without the tag; official images are under library/."""
        name = self.name.rpartition(":")[0]
        return name if "/" in name else f"library/{name}"

    @property
    def tag(self) -> str:
        return self.name.rpartition(":")[2]

    @property
    def local_reference(self) -> str:
        """Name under which this machine's engine pushes to and pulls from the lab's registry."""
        return f"{LOCAL_REGISTRY}/{self.repository}:{self.tag}"

    @property
    def context(self) -> Path:
        return IMAGES_DIRECTORY / self.directory

    @property
    def bases(self) -> list[str]:
        return [] if self.suite else bases((self.context / self.dockerfile).read_text())


def load(path: Path = IMAGES_DIRECTORY / "images.toml") -> dict[str, Image]:
    """Return the table by name, a base before what is built from it."""
    rows = tomllib.loads(path.read_text())["image"]
    return {row["name"]: Image(**row) for row in rows}


def with_bases(names: Iterable[str], images: Mapping[str, Image]) -> list[Image]:
    """Return these images and all that they are built from, in the order of the table."""
    wanted: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name in images and name not in wanted:
            wanted.add(name)
            pending.extend(images[name].bases)
    return [image for image in images.values() if image.name in wanted]


def bases(dockerfile: str) -> list[str]:
    """Return the images that a Dockerfile is built from, without its own stages and `scratch`."""
    found: list[str] = []
    stages = {"scratch"}
    for source, stage in re.findall(r"^FROM\s+(\S+)(?:\s+AS\s+(\S+))?\s*$", dockerfile, re.MULTILINE | re.IGNORECASE):
        if source not in stages and source not in found:
            found.append(source)
        stages.add(stage)
    return found


def build_key(
    context: Path, dockerfile: str, identity: Callable[[str], str], arguments: Mapping[str, str] | None = None
) -> str:
    """Return the hash of all that a build depends on.

    That is the files of its context and which of them are executable, the name of its Dockerfile, its build arguments,
    and the identities of the images that it is built from.
    """
    digest = hashlib.sha256(f"{RECIPE} {dockerfile} {sorted((arguments or {}).items())}\n".encode())
    for base in bases((context / dockerfile).read_text()):
        digest.update(f"{base} {identity(base)}\n".encode())
    for path in sorted(path for path in context.rglob("*") if path.is_file()):
        executable = bool(path.stat().st_mode & 0o100)
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(context)} {executable} {content}\n".encode())
    return digest.hexdigest()


def suite_key(suite: str, options: list[str]) -> str:
    """Return the hash of what a base image is made from."""
    return hashlib.sha256(f"{RECIPE} {suite} {options}".encode()).hexdigest()
