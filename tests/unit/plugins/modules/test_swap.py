# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils import _swap
from ansible_collections.onebox.stack.plugins.modules import swap

from unit.plugins.module_utils.test__swap import System

Run = Callable[..., dict[str, Any]]
WANTED = {"kind": "file", "mib": 1, "file": "/srv/onebox.swap"}


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """A host on which the module runs."""
    system = System(tmp_path)
    monkeypatch.setattr(swap, "Host", lambda _run: _swap.Host(system.run, system.root, lambda: True))
    return system


def test_check_mode_says_what_a_run_does_and_does_nothing(system: System, run_module: Run) -> None:
    foreseen = run_module(swap, _ansible_check_mode=True, **WANTED)
    assert system.used() == []
    done = run_module(swap, **WANTED)
    assert system.used() == ["/srv/onebox.swap"]
    assert foreseen == done
    assert done["changed"]
    assert done["actions"][-1] == "took /srv/onebox.swap of 1 MiB into use"
    assert done["diff"] == {
        "before": "swap: none\n",
        "after": "swap: /srv/onebox.swap of 1 MiB\nin use: yes\nat boot: yes\n",
    }


def test_a_second_run_changes_nothing(system: System, run_module: Run) -> None:
    before = run_module(swap, **WANTED)
    result = run_module(swap, **WANTED)
    assert (result["changed"], result["actions"]) == (False, [])
    assert result["diff"] == {"before": before["diff"]["after"], "after": before["diff"]["after"]}


def test_swap_turned_off_by_hand_shows_in_the_diff(system: System, run_module: Run) -> None:
    run_module(swap, **WANTED)
    system.run(["swapoff", "/srv/onebox.swap"])
    assert "in use: no" in run_module(swap, **WANTED)["diff"]["before"]


def test_swap_of_others_is_returned(system: System, run_module: Run) -> None:
    system.swaps.write_text("Filename\n/swap.img file 1 0 -2\n")
    result = run_module(swap, **WANTED)
    assert (result["changed"], result["others"]) == (False, ["/swap.img"])


def test_none_removes_it(system: System, run_module: Run) -> None:
    run_module(swap, kind="zram", mib=8)
    assert run_module(swap, kind="none")["diff"]["after"] == "swap: none\n"
    assert system.used() == []


def test_what_cannot_be_fails_with_the_reason(system: System, run_module: Run) -> None:
    system.mounted("/ overlay")
    result = run_module(swap, **WANTED)
    assert result["failed"]
    assert result["msg"].startswith("host_swap_file: '/srv/onebox.swap' would be on overlay")


@pytest.mark.parametrize("path", ["onebox.swap", "/a b.swap", "/srv/", "/", "/srv/..", "/srv/x%d"])
def test_a_path_that_needs_quoting_is_refused(system: System, run_module: Run, path: str) -> None:
    assert run_module(swap, kind="file", mib=1, file=path)["msg"] == (
        f"host_swap_file: '{path}' cannot be used. Give an absolute path of letters, digits, '.', '_' and '-'"
    )


def test_a_size_of_nothing_is_refused(system: System, run_module: Run) -> None:
    assert run_module(swap, kind="zram", mib=0)["msg"] == (
        "host_swap_mib: 0 is too little. Give 1 or more, or set host_swap to none"
    )


def test_a_link_to_the_directory_is_followed_as_the_kernel_does(tmp_path: Path, run_module: Run) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert swap._wanted({"kind": "file", "mib": 1, "file": f"{tmp_path}/link/x.swap"}).file == f"{tmp_path}/real/x.swap"


def test_a_missing_program_is_an_answer_like_another(monkeypatch: pytest.MonkeyPatch, run_module: Run) -> None:
    class Asking:
        def __init__(self, run: Callable[[list[str]], tuple[int, str, str]]) -> None:
            self.run = run

        def steps(self, _wanted: _swap.Swap, _beside_others: bool) -> list[_swap.Step]:
            code, _output, errors = self.run(["/no/such/program"])
            raise _swap.SwapError(f"{code}: {errors}")

    monkeypatch.setattr(swap, "Host", Asking)
    assert "127: [Errno 2] No such file or directory" in run_module(swap, kind="none")["msg"]


@pytest.mark.parametrize("missing", ["mib", "file"])
def test_a_file_needs_a_size_and_a_path(run_module: Run, missing: str) -> None:
    given = {name: value for name, value in WANTED.items() if name != missing}
    assert f"missing: {missing}" in run_module(swap, **given)["msg"]
