# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lab remembers between its commands: files in the state directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.progress import Progress
from lab.settings import STATE_DIRECTORY


@contextmanager
def lock(progress: Progress) -> Iterator[None]:
    """Let one lab command at a time make things; the others wait."""
    STATE_DIRECTORY.mkdir(parents=True, exist_ok=True)
    with (STATE_DIRECTORY / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.line("waiting for another lab command to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class NameList:
    """A file of names, one a line."""

    def __init__(self, name: str) -> None:
        self.path = STATE_DIRECTORY / name

    def read(self) -> list[str]:
        return self.path.read_text().split() if self.path.exists() else []

    def add(self, names: list[str]) -> None:
        STATE_DIRECTORY.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.writelines(f"{name}{os.linesep}" for name in names)

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)


def cached_file(name: str) -> Path:
    """Return the path of a file of the cache, whose directory exists."""
    path = STATE_DIRECTORY / "images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
