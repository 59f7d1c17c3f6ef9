# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The power fails while clients write: what each server had promised them is on its disk."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from docker.models.containers import Container
from testinfra.host import Host

from observing import wait_until
from powerloss import Disk, writing

ROUNDS = 4
# With the weaker settings, a round in which nothing is lost is luck.
WEAKER_ROUNDS = 10
COMMITS = 3000


def acknowledged_before_a_cut(client: Callable[[], Any], disk: Disk, numbers: Iterator[int]) -> set[int]:
    """Write, and cut the power in the middle of it."""
    with writing(client().writer, numbers) as written:
        assert wait_until(lambda: len(written.acknowledged) >= COMMITS or written.errors, 300)
        disk.cut_power()
        assert written.errors == []
        acknowledged = set(written.acknowledged)
        disk.restore_power()
    return acknowledged


def test_a_power_cut_loses_nothing_that_was_acknowledged(
    service: str,
    client: Callable[[], Any],
    server: Callable[[], Container],
    disk: Disk,
    host: Host,
    measured: dict[str, Any],
) -> None:
    client().begin()
    numbers = itertools.count()
    acknowledged: set[int] = set()
    for _ in range(ROUNDS):
        acknowledged |= acknowledged_before_a_cut(client, disk, numbers)
        assert acknowledged - client().found() == set()
        client().check(server())
    settings = host.ansible.get_variables().get(f"{service}_settings", {})
    measured["power_cut"] = {"settings": settings, "cuts": ROUNDS, "acknowledged": len(acknowledged), "lost": 0}


def test_with_the_weaker_settings_a_power_cut_loses_what_was_acknowledged(
    client: Callable[[], Any], disk: Disk, weaker_settings: dict[str, Any], measured: dict[str, Any]
) -> None:
    client().begin()
    numbers = itertools.count()
    acknowledged: set[int] = set()
    lost: set[int] = set()
    cuts = 0
    while not lost and cuts < WEAKER_ROUNDS:
        acknowledged |= acknowledged_before_a_cut(client, disk, numbers)
        lost = acknowledged - client().found()
        cuts += 1
    assert lost
    measured["power_cut_with_weaker_settings"] = {
        "settings": weaker_settings,
        "cuts": cuts,
        "acknowledged": len(acknowledged),
        "lost": len(lost),
    }
