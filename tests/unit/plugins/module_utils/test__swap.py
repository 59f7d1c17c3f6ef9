# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import itertools
import os
import re
import shutil
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils import _swap
from ansible_collections.onebox.stack.plugins.module_utils._swap import (
    DEVICE,
    ENABLED,
    KEEP_FREE_MIB,
    NONE,
    UNIT,
    Host,
    State,
    Swap,
    SwapError,
    unit,
)

MIB = 2**20
PAGE = os.sysconf("SC_PAGE_SIZE")
FILE = Swap("file", 1, "/srv/onebox.swap")
LARGER = Swap("file", 2, "/srv/onebox.swap")
ELSEWHERE = Swap("file", 1, "/data/other.swap")
ZRAM = Swap("zram", 8)
HEADING = "Filename\tType\tSize\tUsed\tPriority\n"
PROVIDERS = "/dev/vda2 partition 524284 0 -2\n"


class System:
    """What systemd, util-linux and the kernel do, kept in files so that it outlives a process that is killed.

    systemd runs what the unit said when it was last read. The kernel takes only swap files that are whole.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.swaps = root / "proc/swaps"
        self.loaded = root / "run/loaded-unit"
        self.service = root / "run/service-is-active"
        self.stuck = root / "run/memory-is-full"
        self.calls: list[list[str]] = []
        for directory in ("etc/systemd/system/swap.target.wants", "proc/self", "run", "srv", "data", "sys/module/zram"):
            (root / directory).mkdir(parents=True)
        self.swaps.write_text(HEADING)
        self.mounted("/ ext4", "/data xfs")

    def mounted(self, *mounts: str) -> None:
        lines = (f"1 0 8:1 / {point} rw - {kind} /dev/x rw\n" for point, kind in map(str.split, mounts))
        (self.root / "proc/self/mountinfo").write_text("".join(lines))

    def used(self) -> list[str]:
        return [line.split()[0] for line in self.swaps.read_text().splitlines()[1:]]

    def run(self, command: list[str]) -> tuple[int, str, str]:
        self.calls.append(command)
        name, *arguments = command
        return getattr(self, f"_{name}")(*arguments)

    def _modprobe(self, *_arguments: str) -> tuple[int, str, str]:
        return 1, "", ""

    def _mkswap(self, path: str) -> tuple[int, str, str]:
        with open(path, "r+b") as file:
            file.seek(PAGE - 10)
            file.write(b"SWAPSPACE2")
        return 0, "", ""

    def _swapoff(self, name: str) -> tuple[int, str, str]:
        if self.stuck.exists():
            return 1, "", "swapoff failed: Cannot allocate memory\n"
        kept = [line for line in self.swaps.read_text().splitlines(keepends=True) if line.split()[0] != name]
        self.swaps.write_text("".join(kept))
        return 0, "", ""

    def _swapon(self, name: str) -> tuple[int, str, str]:
        if name in self.used():
            return 1, "", "swapon failed: Device or resource busy\n"
        path = self.root / name.lstrip("/")
        if name != "/dev/zram0" and path.read_bytes()[PAGE - 10 : PAGE] != b"SWAPSPACE2":
            return 1, "", "swapon failed: Invalid argument\n"
        with self.swaps.open("a") as file:
            file.write(f"{name} file 4092 0 -2\n")
        return 0, "", ""

    def _journalctl(self, *_arguments: str) -> tuple[int, str, str]:
        return 0, "swapon: swapon failed: Operation not permitted\n", ""

    def _systemctl(self, verb: str, *_arguments: str) -> tuple[int, str, str]:
        code, errors = 0, ""
        if verb == "daemon-reload":
            if (self.root / UNIT).exists():
                shutil.copy(self.root / UNIT, self.loaded)
            else:
                self.loaded.unlink(missing_ok=True)
        if verb in ("stop", "restart", "disable") and self.service.exists():
            self.service.unlink()
            self._swapoff(self._what())
        if verb == "restart":
            if self._is_zram():
                (self.root / DEVICE).write_text("/dev/zram0\n")
            code, _output, errors = self._swapon(self._what())
            if not code:
                self.service.touch()
        if verb == "enable" and not os.path.lexists(self.root / ENABLED):
            (self.root / ENABLED).symlink_to("../onebox-swap.service")
        if verb == "disable" and os.path.lexists(self.root / ENABLED):
            (self.root / ENABLED).unlink()
        return code, "", errors

    def _is_zram(self) -> bool:
        return "Kind=zram" in self.loaded.read_text()

    def _what(self) -> str:
        return "/dev/zram0" if self._is_zram() else re.findall("^File=(.*)$", self.loaded.read_text(), re.M)[0]


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


@pytest.fixture
def apply(system: System) -> Callable[..., list[str]]:
    """Bring the host to what is wanted; return what was done."""

    def apply(wanted: Swap, beside_others: bool = False, allowed: bool = True) -> list[str]:
        steps = Host(system.run, system.root, lambda: allowed).steps(wanted, beside_others)
        for step in steps:
            step.do()
        return [step.text for step in steps]

    return apply


def tree(root: Path) -> dict[str, Any]:
    """All there is of ours on the host, and what is in use."""
    found = [path for path in root.rglob("*") if path.is_file() and path.parent.name not in ("proc", "self", "run")]
    return {
        "files": {str(path.relative_to(root)): path.stat().st_size for path in found},
        "modes": {path.stat().st_mode & 0o777 for path in found if path.suffix == ".swap"},
        "enabled": os.path.lexists(root / ENABLED),
        "used": (root / "proc/swaps").read_text(),
    }


# -- from one to another -----------------------------------------------------------------------------------------------


def test_a_file_is_made_and_taken_into_use_now_and_at_boot(system: System, apply: Callable[..., list[str]]) -> None:
    assert apply(FILE) == [
        "wrote onebox-swap.service",
        "made /srv/onebox.swap of 1 MiB",
        "took /srv/onebox.swap of 1 MiB into use",
    ]
    path = system.root / "srv/onebox.swap"
    assert (path.stat().st_size, path.stat().st_mode & 0o777) == (MIB, 0o600)
    assert path.stat().st_blocks * 512 >= MIB, "it has holes"
    assert system.used() == ["/srv/onebox.swap"]
    assert (system.root / ENABLED).exists()
    assert Host(system.run, system.root).state() == State(FILE, True, True, [])


KINDS = {"a file": FILE, "a larger one": LARGER, "one elsewhere": ELSEWHERE, "zram": ZRAM, "none": NONE}
CHANGES = [
    pytest.param(KINDS[former], KINDS[wanted], id=f"from {former} to {wanted}")
    for former, wanted in itertools.permutations(KINDS, 2)
]


@pytest.mark.parametrize(("former", "wanted"), CHANGES)
def test_nothing_of_the_former_is_left_and_a_second_run_has_nothing_to_do(
    former: Swap, wanted: Swap, tmp_path: Path
) -> None:
    ends = []
    for name, wishes in {"fresh": [wanted], "changed": [former, wanted]}.items():
        system = System(tmp_path / name)
        for wish in wishes:
            for step in Host(system.run, system.root, lambda: True).steps(wish, False):
                step.do()
        assert Host(system.run, system.root).steps(wanted, False) == []
        ends.append(tree(system.root))
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    ("former", "wanted"),
    [(NONE, FILE), (FILE, LARGER), (FILE, ELSEWHERE), (FILE, ZRAM), (ZRAM, FILE), (FILE, NONE)],
    ids=lambda swap: f"{swap.kind}-{swap.mib}{swap.file}",
)
def test_a_run_killed_anywhere_is_finished_by_the_next_and_nothing_half_made_is_ever_in_use(
    former: Swap, wanted: Swap, tmp_path: Path
) -> None:
    def run(system: System, wish: Swap) -> None:
        for step in Host(system.run, system.root, lambda: True).steps(wish, False):
            step.do()

    unbroken = System(tmp_path / "unbroken")
    run(unbroken, former)
    run(unbroken, wanted)
    for lines in itertools.count(1):
        system = System(tmp_path / str(lines))
        run(system, former)
        killed = killed_after(lines, functools.partial(run, system, wanted))
        for name in set(system.used()) - {"/dev/zram0"}:
            host = Host(system.run, system.root)
            assert any(host._is_whole(swap) for swap in (former, wanted) if swap.file == name), lines
        run(system, wanted)
        assert tree(system.root) == tree(unbroken.root), f"killed after {lines} lines"
        if not killed:
            assert lines > 20
            return


def killed_after(lines: int, work: Callable[[], None]) -> bool:
    """Do the work in a process that ends without any cleaning up when it reaches its n-th line of _swap.py."""
    process = os.fork()
    if not process:
        left = itertools.count(lines, -1)

        def trace(frame: Any, event: str, _argument: Any) -> Any:
            if frame.f_code.co_filename != _swap.__file__:
                return None
            if event == "line" and not next(left):
                os._exit(9)
            return trace

        sys.settrace(trace)
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9


@pytest.mark.parametrize(
    ("damage", "done"),
    [
        (lambda system: system.run(["swapoff", FILE.file]), ["took /srv/onebox.swap of 1 MiB into use"]),
        (lambda system: (system.root / ENABLED).unlink(), ["took /srv/onebox.swap of 1 MiB into use"]),
        (
            lambda system: (system.root / UNIT).write_text((system.root / UNIT).read_text() + "# mine\n"),
            ["wrote onebox-swap.service", "took /srv/onebox.swap of 1 MiB into use"],
        ),
        (
            lambda system: (system.root / "srv/onebox.swap").chmod(0o644),
            [
                "took /srv/onebox.swap of 1 MiB out of use",
                "removed /srv/onebox.swap",
                "made /srv/onebox.swap of 1 MiB",
                "took /srv/onebox.swap of 1 MiB into use",
            ],
        ),
        (
            lambda system: (system.run(["swapoff", FILE.file]), os.truncate(system.root / "srv/onebox.swap", MIB // 2)),
            [
                "removed /srv/onebox.swap",
                "made /srv/onebox.swap of 1 MiB",
                "took /srv/onebox.swap of 1 MiB into use",
            ],
        ),
    ],
    ids=["turned off", "not for the next boot", "another unit", "readable by all", "truncated"],
)
def test_what_was_changed_by_hand_is_put_right(
    damage: Callable[[System], None], done: list[str], system: System, apply: Callable[..., list[str]]
) -> None:
    apply(FILE)
    as_made = tree(system.root)
    damage(system)
    assert apply(FILE) == done
    assert tree(system.root) == as_made


def test_a_unit_that_says_more_is_rewritten_without_turning_swap_off(
    system: System, apply: Callable[..., list[str]]
) -> None:
    apply(FILE)
    (system.root / UNIT).write_text(unit(FILE).replace("Before=", "# Before="))
    system.calls.clear()
    apply(FILE)
    assert [call[:2] for call in system.calls] == [["systemctl", "daemon-reload"], ["systemctl", "enable"]]


def test_swap_in_use_that_does_not_fit_into_memory_stays_and_so_does_its_file(
    system: System, apply: Callable[..., list[str]]
) -> None:
    apply(FILE)
    before = tree(system.root)
    system.stuck.touch()
    error = (
        "/srv/onebox.swap of 1 MiB cannot be taken out of use: swapoff failed: Cannot allocate memory. What is in it "
        "has to fit into memory: stop something, and run again"
    )
    with pytest.raises(SwapError, match=rf"\A{re.escape(error)}\Z"):
        apply(NONE)
    assert tree(system.root) == before
    system.stuck.unlink()
    apply(NONE)
    assert tree(system.root)["files"] == {}


# -- swap of others ----------------------------------------------------------------------------------------------------


def test_a_host_with_swap_of_its_own_is_left_as_it_is(system: System, apply: Callable[..., list[str]]) -> None:
    system.swaps.write_text(HEADING + PROVIDERS)
    for wanted in (FILE, ZRAM, NONE):
        assert apply(wanted) == []
    assert tree(system.root) == {"files": {}, "modes": set(), "enabled": False, "used": HEADING + PROVIDERS}


def test_when_asked_for_ours_comes_and_goes_beside_swap_of_others(
    system: System, apply: Callable[..., list[str]]
) -> None:
    system.swaps.write_text(HEADING + PROVIDERS)
    apply(FILE, beside_others=True)
    assert system.used() == ["/dev/vda2", "/srv/onebox.swap"]
    assert Host(system.run, system.root).state().others == ["/dev/vda2"]
    assert apply(FILE) == []
    apply(ZRAM)
    assert system.used() == ["/dev/vda2", "/dev/zram0"]
    apply(NONE)
    assert system.used() == ["/dev/vda2"]


def test_a_service_of_that_name_by_another_hand_is_not_a_record_of_ours(
    system: System, apply: Callable[..., list[str]]
) -> None:
    (system.root / UNIT).write_text("[Service]\nExecStart=/sbin/swapon /srv/mine.swap\n")
    (system.root / "srv/mine.swap").write_text("precious")
    apply(NONE)
    assert (system.root / "srv/mine.swap").read_text() == "precious"


# -- what cannot be ----------------------------------------------------------------------------------------------------


def refused(system: System, wanted: Swap, error: str, allowed: bool = True) -> None:
    """What cannot be is refused, in these words, when the steps are asked for: nothing was done by then."""
    before = tree(system.root)
    with pytest.raises(SwapError, match=rf"\A{re.escape(error)}\Z"):
        Host(system.run, system.root, lambda: allowed).steps(wanted, False)
    assert tree(system.root) == before


@pytest.mark.parametrize("wanted", [FILE, ZRAM], ids=["file", "zram"])
def test_a_guest_that_may_not_swap_is_told_which_variable_to_set(system: System, wanted: Swap) -> None:
    error = (
        f"host_swap: '{wanted.kind}' cannot be, since this host's kernel does not let it use swap, as in a container "
        "or a guest that shares its kernel (LXC, OpenVZ). Set host_swap to none"
    )
    refused(system, wanted, error, allowed=False)


def test_a_kernel_without_zram_is_told_of(system: System) -> None:
    (system.root / "sys/module/zram").rmdir()
    error = (
        "host_swap: 'zram' needs the kernel's module zram, which this host lacks (Ubuntu has it in the package "
        f"linux-modules-extra-{os.uname().release}). Install it, or set host_swap to file"
    )
    refused(system, ZRAM, error)


@pytest.mark.parametrize("kind", ["btrfs", "overlay", "zfs", "tmpfs", "nfs4"])
def test_a_file_system_that_takes_no_swap_file_is_refused(system: System, kind: str) -> None:
    system.mounted("/ ext4", f"/srv {kind}", "/srv/onebox.swapping ext4")
    error = (
        f"host_swap_file: '/srv/onebox.swap' would be on {kind}, and a swap file has to be on ext4 or xfs. Give a path "
        "on one of these, or set host_swap to zram or none"
    )
    refused(system, FILE, error)


def test_of_file_systems_mounted_over_each_other_the_last_counts(system: System) -> None:
    system.mounted("/ overlay", "/srv btrfs", "/srv ext4")
    assert len(Host(system.run, system.root, lambda: True).steps(FILE, False)) == 3


def test_a_directory_that_does_not_exist_is_refused(system: System) -> None:
    error = "host_swap_file: '/no/onebox.swap' cannot be made, since its directory does not exist"
    refused(system, Swap("file", 1, "/no/onebox.swap"), error)


@pytest.mark.parametrize("taken", ["srv/onebox.swap", "srv/onebox.swap.new"])
@pytest.mark.parametrize("former", [NONE, ELSEWHERE], ids=["without swap of ours", "with a file of ours elsewhere"])
def test_a_path_that_is_taken_is_refused(
    system: System, apply: Callable[..., list[str]], taken: str, former: Swap
) -> None:
    apply(former)
    system.run(["mkswap", str(shutil.copy(os.devnull, system.root / taken))])
    os.truncate(system.root / taken, FILE.mib * MIB)
    (system.root / taken).chmod(0o600)
    error = (
        f"host_swap_file: '/{taken}' exists, and is not of this role's making. It was left as it is: remove it, or "
        "give another path"
    )
    refused(system, FILE, error)


def test_a_disk_without_room_is_refused_and_a_former_file_counts_as_room(
    system: System, apply: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(FILE)
    usage = namedtuple("usage", "total used free")
    for free, fits in ((KEEP_FREE_MIB, False), (KEEP_FREE_MIB + 1, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, free=free: usage(0, 0, free * MIB))
        if fits:
            apply(LARGER)
        else:
            error = (
                f"host_swap_mib: 2 MiB do not fit on the disk of '/srv/onebox.swap': {free + 1} MiB are free, and 1024 "
                "MiB have to stay so. Make room, lower host_swap_mib, or set host_swap to zram or none"
            )
            refused(system, LARGER, error)


def test_a_disk_that_fills_up_meanwhile_leaves_no_file_and_no_swap(
    system: System, apply: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    error = "host_swap_file: '/srv/onebox.swap' cannot be made: [Errno 28] No space left on device"
    with pytest.raises(SwapError, match=rf"\A{re.escape(error)}\Z"):
        apply(FILE)
    assert list((system.root / "srv").iterdir()) == []
    monkeypatch.undo()
    apply(FILE)
    assert system.used() == ["/srv/onebox.swap"]


def test_swap_that_the_kernel_refuses_after_all_is_told_with_its_words_and_none_cleans_up(
    system: System, apply: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "_swapon", lambda _name: (1, "", "Job for onebox-swap.service failed.\n"))
    error = (
        "host_swap: 'file' does not work on this host. Job for onebox-swap.service failed.\nswapon: swapon failed: "
        "Operation not permitted\nSet host_swap to another kind, or to none"
    )
    with pytest.raises(SwapError, match=rf"\A{re.escape(error)}\Z"):
        apply(FILE)
    apply(NONE)
    assert tree(system.root) == {"files": {}, "modes": set(), "enabled": False, "used": HEADING}


def test_a_failing_systemctl_is_told(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_systemctl", lambda *_arguments: (1, "", "Failed to connect to bus\n"))
    with pytest.raises(SwapError, match=r"\Asystemctl daemon-reload failed: Failed to connect to bus\Z"):
        Host(system.run, system.root)._activate(FILE)
