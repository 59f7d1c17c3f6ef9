# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part that all load generators share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from load.running import Report, at_once, repeat, split


def test_every_connection_is_used_at_least_once_however_short_the_time() -> None:
    @contextmanager
    def connect() -> Iterator[Callable[[], str]]:
        yield lambda: "done"

    report = repeat(connect, connections=5, seconds=0)
    assert report.counts == {"done": 5}
    assert report.errors == {}


def test_nothing_is_asked_before_all_connections_are_open() -> None:
    opened = []

    @contextmanager
    def connect() -> Iterator[Callable[[], str]]:
        opened.append(1)
        yield lambda: f"asked with {len(opened)} open"

    assert repeat(connect, connections=5, seconds=0).counts == {"asked with 5 open": 5}


def test_what_fails_is_reported_and_the_connection_tries_again() -> None:
    attempts = itertools.count()

    @contextmanager
    def connect() -> Iterator[Callable[[], str]]:
        if next(attempts) == 0:
            raise ConnectionError("no server yet")
        yield lambda: "done"

    report = repeat(connect, connections=1, seconds=0.5)
    assert report.errors == {"ConnectionError: no server yet": 1}
    assert report.counts["done"] > 0


def test_generators_run_side_by_side_in_processes_of_their_own() -> None:
    reports = at_once({"first": partial(Report, seconds=1), "second": partial(Report, seconds=2)})
    assert {name: report.seconds for name, report in reports.items()} == {"first": 1, "second": 2}


@pytest.mark.parametrize(
    ("address", "where"),
    [("10.0.0.2:3306", ("10.0.0.2", 3306)), ("[fd00::2]:80", ("fd00::2", 80)), ("/tmp/tunnel/0", None)],
)
def test_an_address_is_a_host_with_a_port_or_a_socket(address: str, where: tuple[str, int] | None) -> None:
    assert split(address) == where
