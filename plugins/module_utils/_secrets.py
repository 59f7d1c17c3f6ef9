# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generated secrets of one host, kept beside the inventory in a file that only its owner can read.

PRIVATE to the collection. Runs on the controller.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import re
import secrets
import string
from collections.abc import Iterator, Mapping

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
LENGTH = 32


def generate() -> str:
    """Return 32 letters and digits (190 bits), the first a letter: some programs read '1e9' or '007' as numbers."""
    alphabet = string.ascii_letters + string.digits
    return secrets.choice(string.ascii_letters) + "".join(secrets.choice(alphabet) for position in range(LENGTH - 1))


class Store:
    """A JSON object of secrets by name: ``<directory>/<host>.json``, mode 0600, never seen by git."""

    def __init__(self, directory: str, host: str) -> None:
        self.path = pathlib.Path(directory) / f"{host}.json"

    def names(self) -> set[str]:
        return set(self._load())

    def get(self, name: str) -> str:
        """Return the secret of this name, made now if there is none; ValueError for a name that cannot be a file's."""
        if not NAME.fullmatch(name):
            raise ValueError(f"'{name}' cannot be a secret's name: use letters, digits, '_' and '-', a letter first")
        with self._locked():
            known = self._load()
            if name not in known:
                known[name] = generate()
                self._save(known)
        return known[name]

    def add(self, found: Mapping[str, str]) -> None:
        """Keep secrets that a host already has, where there is none of the name."""
        with self._locked():
            self._save({**found, **self._load()})

    def renew(self, in_force: Mapping[str, str]) -> None:
        """Make anew those that are as they are in force; one that differs is new already, or was given."""
        with self._locked():
            known = self._load()
            old = [name for name, value in in_force.items() if known.get(name) == value]
            self._save({**known, **{name: generate() for name in old}})

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Tasks run in processes of their own, and two of them may ask for the same secret at once."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = self.path.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
        with open(self.path.parent / ".lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _load(self) -> dict[str, str]:
        try:
            known: dict[str, str] = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise ValueError(f"{self.path} is not JSON any more ({error}); mend it, or move it away") from error
        if not isinstance(known, dict) or not all(isinstance(value, str) for value in known.values()):
            raise ValueError(f"{self.path} is not a dictionary of texts; mend it, or move it away")
        return known

    def _save(self, known: Mapping[str, str]) -> None:
        temporary = self.path.with_suffix(".new")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            json.dump(known, stream, indent=1, sort_keys=True)
            stream.write("\n")
        os.replace(temporary, self.path)
