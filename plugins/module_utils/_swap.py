# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The swap that a host gets from the role host: one area at a time, a file or compressed memory (zram).

PRIVATE to the collection. Runs on the host, needs only the standard library (Python 3.9), systemd and util-linux.

One systemd service takes the area into use, at boot too. It is also the record of what is ours: it names kind, size and
file of the area, is written before the file is made, and removed after it. So a run that died anywhere is finished by
the next, and swap of anybody else is never touched. A file gets its name when it is whole.
"""

from __future__ import annotations

import ctypes
import errno
import os
import pathlib
import re
import shutil
import stat
from collections.abc import Callable
from typing import NamedTuple

SERVICE = "onebox-swap.service"
UNIT = f"etc/systemd/system/{SERVICE}"
ENABLED = f"etc/systemd/system/swap.target.wants/{SERVICE}"
# Which device of zram is ours, since the first one may be taken.
DEVICE = "run/onebox-swap"

# A full disk stops every service of a host, so that a file leaves so much free.
KEEP_FREE_MIB = 1024
# Elsewhere a swap file is impossible (overlay, ZFS, NFS) or takes conditions that are easily lost (btrfs).
FILE_SYSTEMS = ("ext2", "ext3", "ext4", "xfs")

_MIB = 2**20
_SIGNATURE = b"SWAPSPACE2"

_UNIT = """\
# Made by onebox.stack. Changes are undone by its next run.
[Unit]
Description=Swap of {mib} MiB ({kind})
DefaultDependencies=no
{dependencies}
Before=swap.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={start}
ExecStop=-{stop}

[Install]
WantedBy=swap.target

[X-Onebox]
Kind={kind}
Mib={mib}
File={file}
"""
# The size before compression. What does not work out leaves no device behind.
_ZRAM_START = (
    "/bin/sh -ec 'device=$$(zramctl --find --size {mib}MiB); "
    'if mkswap "$$device" && swapon --priority 100 "$$device"; '
    'then echo "$$device" >/run/onebox-swap; else zramctl --reset "$$device"; exit 1; fi\''
)
_ZRAM_STOP = (
    "/bin/sh -ec 'read -r device </run/onebox-swap; "
    'swapoff "$$device"; rm /run/onebox-swap; zramctl --reset "$$device"\''
)

Run = Callable[[list[str]], tuple[int, str, str]]


class SwapError(Exception):
    """The swap cannot be as wanted; the text is for the operator."""


class Swap(NamedTuple):
    """A swap area: ``kind`` is file, zram or none. Only a file has ``file``, its absolute path."""

    kind: str
    mib: int = 0
    file: str = ""

    def __str__(self) -> str:
        return f"{self.file or self.kind} of {self.mib} MiB"


NONE = Swap("none")


class Step(NamedTuple):
    """What is to be done, in words and as a call."""

    text: str
    do: Callable[[], None]


class State(NamedTuple):
    """The area of ours as it is; ``enabled`` is for the next boot, ``others`` are swap areas that are not ours."""

    swap: Swap
    active: bool
    enabled: bool
    others: list[str]


def unit(swap: Swap) -> str:
    """Return the text of the systemd service that takes the area into use."""
    if swap.kind == "zram":
        return _UNIT.format(
            dependencies="Wants=modprobe@zram.service\nAfter=modprobe@zram.service",
            start=_ZRAM_START.format(mib=swap.mib),
            stop=_ZRAM_STOP,
            **swap._asdict(),
        )
    return _UNIT.format(
        dependencies=f"RequiresMountsFor={swap.file}\nAfter=systemd-remount-fs.service",
        start=f"/sbin/swapon {swap.file}",
        stop=f"/sbin/swapoff {swap.file}",
        **swap._asdict(),
    )


def swapping_allowed() -> bool:
    """Tell whether the kernel lets this process use swapon(2), as it does not in a guest that shares its kernel.

    The kernel looks at the right to it before it looks at the path, which is one that cannot be.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.swapon(b"", 0)
    return ctypes.get_errno() == errno.ENOENT


class Host:
    """The host below ``root``; ``run`` takes a command and returns its exit code, output and errors."""

    def __init__(
        self, run: Run, root: pathlib.Path = pathlib.Path("/"), allowed: Callable[[], bool] = swapping_allowed
    ) -> None:
        self.run = run
        self.root = root
        self.allowed = allowed

    def state(self) -> State:
        """Look at the host."""
        swap = self._recorded()
        used = self._used()
        device = self._device(swap)
        return State(
            swap, device in used, os.path.lexists(self.root / ENABLED), [name for name in used if name != device]
        )

    def steps(self, wanted: Swap, beside_others: bool) -> list[Step]:
        """Return what it takes to get from here to ``wanted``, nothing when all is well.

        Where the host has swap of its own and none of ours, it stays so unless ``beside_others``. Raises SwapError when
        the host cannot have what is wanted.
        """
        now = self.state()
        if wanted.kind != "none" and now.swap.kind == "none" and now.others and not beside_others:
            return []
        made = wanted.kind != "file" or (wanted.file == now.swap.file and self._is_whole(wanted))
        kept = now.swap == wanted and made
        steps = []
        if not kept and now.active:
            steps.append(Step(f"took {now.swap} out of use", lambda: self._deactivate(now.swap)))
        if not kept:
            steps += [Step(f"removed {name}", self._path(name).unlink) for name in self._left_by(now.swap)]
        if wanted.kind == "none":
            if (self.root / UNIT).exists():
                steps.append(Step(f"removed {SERVICE}", self._remove_unit))
            return steps
        if self._text(UNIT) != unit(wanted):
            steps.append(Step(f"wrote {SERVICE}", lambda: self._write_unit(wanted)))
        if not made:
            steps.append(Step(f"made {wanted}", lambda: self._make_file(wanted)))
        if steps or not now.active or not now.enabled:
            steps.append(Step(f"took {wanted} into use", lambda: self._activate(wanted)))
        if not kept or not now.active:
            self._refuse(wanted, now.swap, made)
        return steps

    # -- what cannot be ------------------------------------------------------------------------------------------------

    def _refuse(self, wanted: Swap, former: Swap, made: bool) -> None:
        if not self.allowed():
            raise SwapError(
                f"host_swap: '{wanted.kind}' cannot be, since this host's kernel does not let it use swap, as in a "
                "container or a guest that shares its kernel (LXC, OpenVZ). Set host_swap to none"
            )
        if wanted.kind == "zram":
            if not self._has_zram():
                raise SwapError(
                    "host_swap: 'zram' needs the kernel's module zram, which this host lacks (Ubuntu has it in the "
                    f"package linux-modules-extra-{os.uname().release}). Install it, or set host_swap to file"
                )
        elif not made:
            self._refuse_file(wanted, former)

    def _refuse_file(self, wanted: Swap, former: Swap) -> None:
        path = self._path(wanted.file)
        if not path.parent.is_dir():
            raise SwapError(f"host_swap_file: '{wanted.file}' cannot be made, since its directory does not exist")
        if former.file != wanted.file:
            for name in self._left_by(wanted):
                raise SwapError(
                    f"host_swap_file: '{name}' exists, and is not of this role's making. It was left as it is: remove "
                    "it, or give another path"
                )
        kind = self._file_system(wanted.file)
        if kind not in FILE_SYSTEMS:
            raise SwapError(
                f"host_swap_file: '{wanted.file}' would be on {kind}, and a swap file has to be on ext4 or xfs. Give a "
                "path on one of these, or set host_swap to zram or none"
            )
        free = (shutil.disk_usage(path.parent).free + self._reclaimed(wanted, former)) // _MIB
        if free < wanted.mib + KEEP_FREE_MIB:
            raise SwapError(
                f"host_swap_mib: {wanted.mib} MiB do not fit on the disk of '{wanted.file}': {free} MiB are free, and "
                f"{KEEP_FREE_MIB} MiB have to stay so. Make room, lower host_swap_mib, or set host_swap to zram or none"
            )

    def _reclaimed(self, wanted: Swap, former: Swap) -> int:
        """Bytes on the wanted file's disk that files of ours hold, which go before it is made."""
        device = self._path(wanted.file).parent.stat().st_dev
        found = [self._path(name).lstat() for name in self._left_by(former)]
        return sum(file.st_blocks * 512 for file in found if file.st_dev == device)

    def _file_system(self, file: str) -> str:
        """The type of the file system that a path is on, which is that of the longest mount point above it."""
        found = ("", "unknown")
        for line in self._text("proc/self/mountinfo").splitlines():
            place, _dash, kind = line.partition(" - ")
            point = place.split()[4]
            if os.path.commonpath([point, file]) == point and len(point) >= len(found[0]):
                found = (point, kind.split()[0])
        return found[1]

    def _has_zram(self) -> bool:
        loaded = any((self.root / path).exists() for path in ("sys/class/zram-control", "sys/module/zram"))
        return loaded or self.run(["modprobe", "--dry-run", "--quiet", "zram"])[0] == 0

    # -- what there is -------------------------------------------------------------------------------------------------

    def _recorded(self) -> Swap:
        """The area that the service names; none when there is no service, or no service of ours."""
        fields = dict(re.findall(r"^(Kind|Mib|File)=(.*)$", self._text(UNIT).partition("[X-Onebox]")[2], re.MULTILINE))
        if len(fields) != 3 or not fields["Mib"].isdigit():
            return NONE
        return Swap(fields["Kind"], int(fields["Mib"]), fields["File"])

    def _used(self) -> list[str]:
        """The areas in use, by the kernel's names for them: proc(5), /proc/swaps."""
        return [line.split()[0] for line in self._text("proc/swaps").splitlines()[1:]]

    def _device(self, swap: Swap) -> str:
        return self._text(DEVICE).strip() if swap.kind == "zram" else swap.file

    def _left_by(self, swap: Swap) -> list[str]:
        """The files that there are of an area, whole and half-made."""
        names = (swap.file, _half_made(swap.file)) if swap.file else ()
        return [name for name in names if os.path.lexists(self._path(name))]

    def _is_whole(self, swap: Swap) -> bool:
        path = self._path(swap.file)
        if not os.path.lexists(path):
            return False
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077 or found.st_size != swap.mib * _MIB:
            return False
        with path.open("rb") as file:
            return file.read(os.sysconf("SC_PAGE_SIZE")).endswith(_SIGNATURE)

    def _text(self, path: str) -> str:
        try:
            return (self.root / path).read_text()
        except FileNotFoundError:
            return ""

    def _path(self, file: str) -> pathlib.Path:
        return self.root / file.lstrip("/")

    # -- what is done --------------------------------------------------------------------------------------------------

    def _deactivate(self, swap: Swap) -> None:
        device = self._device(swap)
        self.run(["systemctl", "stop", SERVICE])
        if device not in self._used():
            return
        # The service did not take it into use, or could not take it out.
        code, _output, errors = self.run(["swapoff", device])
        if code:
            raise SwapError(
                f"{swap} cannot be taken out of use: {errors.strip()}. What is in it has to fit into memory: stop "
                "something, and run again"
            )

    def _remove_unit(self) -> None:
        self._systemctl("disable", "--now", SERVICE)
        (self.root / UNIT).unlink()
        self._systemctl("daemon-reload")

    def _write_unit(self, swap: Swap) -> None:
        path = self.root / _half_made(UNIT)
        with path.open("w") as file:
            file.write(unit(swap))
            file.flush()
            os.fsync(file.fileno())
        path.chmod(0o644)
        os.replace(path, self.root / UNIT)

    def _make_file(self, swap: Swap) -> None:
        """Make the file under another name, and give it its own once it is whole."""
        path = self._path(_half_made(swap.file))
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            # A file with holes is no swap file: this makes none, on any file system.
            os.posix_fallocate(descriptor, 0, swap.mib * _MIB)
            code, _output, errors = self.run(["mkswap", str(path)])
            os.fsync(descriptor)
        except OSError as exc:
            code, errors = 1, str(exc)
        finally:
            os.close(descriptor)
        if code:
            path.unlink()
            raise SwapError(f"host_swap_file: '{swap.file}' cannot be made: {errors.strip()}")
        os.replace(path, self._path(swap.file))

    def _activate(self, swap: Swap) -> None:
        self._systemctl("daemon-reload")
        self._systemctl("enable", SERVICE)
        if self._device(swap) in self._used():
            return
        code, _output, errors = self.run(["systemctl", "restart", SERVICE])
        if code or self._device(swap) not in self._used():
            log = self.run(["journalctl", "--unit", SERVICE, "--lines", "5", "--output", "cat", "--no-pager"])[1]
            raise SwapError(
                f"host_swap: '{swap.kind}' does not work on this host. {errors.strip()}\n{log.strip()}\n"
                "Set host_swap to another kind, or to none"
            )

    def _systemctl(self, *arguments: str) -> None:
        code, _output, errors = self.run(["systemctl", *arguments])
        if code:
            raise SwapError(f"systemctl {' '.join(arguments)} failed: {errors.strip()}")


def _half_made(file: str) -> str:
    return f"{file}.new"
