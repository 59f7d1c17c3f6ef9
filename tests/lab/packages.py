# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian packages that the lab needs on a bare machine: installed once, remembered, and purged by `clean --all`."""

from __future__ import annotations

import os
import shutil
import subprocess

from lab import state
from lab.progress import Progress
from lab.settings import LabError

INSTALLED = state.NameList("installed-packages.txt")


def install(names: list[str], progress: Progress) -> None:
    """Install Debian packages without their recommendations, and remember which ones that brought."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise LabError(f"The lab needs {' and '.join(names)}: install it, or run the lab as root on Debian")
    with progress.step(f"packages {' '.join(names)}") as step:
        before = _present()
        _apt_get("update")
        _apt_get("install", "--no-install-recommends", *names)
        brought = sorted(_present() - before)
        INSTALLED.add(brought)
        step.result = f"installed {len(brought)}"


def purge_installed() -> None:
    """Purge what install() brought."""
    names = sorted(set(INSTALLED.read()) & _present())
    if names:
        _apt_get("purge", *names)
    INSTALLED.delete()


def run(command: list[str], **environment: str) -> str:
    """Run a command without input and return its output; raise LabError with the end of it when the command fails."""
    result = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        raise LabError(f"{' '.join(command)} failed:\n{result.stdout[-3000:]}")
    return result.stdout


def _present() -> set[str]:
    status = run(["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev} ${binary:Package}\n"])
    return {name for abbreviation, name in map(str.split, status.splitlines()) if abbreviation == "ii"}


def _apt_get(*arguments: str) -> None:
    run(["apt-get", "--quiet", "--yes", *arguments], DEBIAN_FRONTEND="noninteractive")
