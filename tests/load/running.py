# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all generators share: threads that repeat something until the time is up, and the report of it."""

from __future__ import annotations

import functools
import multiprocessing
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

# For an answer, and for a connection: servers that are busy take a while, those that are gone say nothing.
TIMEOUT_SECONDS = 60
CONNECT_TIMEOUT_SECONDS = 10
# After an error, so that a server that is gone is not asked a thousand times a second.
PAUSE_SECONDS = 0.2


@dataclass
class Report:
    """What a generator did: how often each thing, and how often each error, in `seconds` of load."""

    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0

    def fail(self, error: BaseException) -> None:
        self.errors[f"{type(error).__name__}: {error}"[:200]] += 1


def repeat(
    connect: Callable[[], AbstractContextManager[Callable[[], str]]], connections: int, seconds: float
) -> Report:
    """Open connections, and when all are, use each until the time is up, and at least once.

    `connect` is entered for a connection; what it gives is called over and over, and returns the name of what it did.
    """
    report = Report()
    # Counter's += is no single step.
    lock = threading.Lock()
    started = deadline = 0.0

    def begin() -> None:
        nonlocal started, deadline
        started = time.monotonic()
        deadline = started + seconds

    all_open = threading.Barrier(connections, action=begin)

    def work() -> None:
        # Waits the first time, with a connection or without.
        arrive = functools.cache(all_open.wait)
        over = False
        while not over:
            try:
                with connect() as step:
                    arrive()
                    while not over:
                        done = step()
                        with lock:
                            report.counts[done] += 1
                        over = time.monotonic() > deadline
            except Exception as error:  # whatever a client may raise is what this is to report
                with lock:
                    report.fail(error)
                arrive()
                time.sleep(PAUSE_SECONDS)
                over = time.monotonic() > deadline

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report.seconds = time.monotonic() - started
    return report


def at_once(generators: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Run generators side by side, and return what each returned by its name.

    They are `functools.partial(mysql.heavy_sorts, ...)`: each runs in a new process, and not in a fork of one with
    threads.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=len(generators), mp_context=context) as pool:
        running = {name: pool.submit(generator) for name, generator in generators.items()}
        return {name: future.result() for name, future in running.items()}


def split(address: str) -> tuple[str, int] | None:
    """Return the host and port of "HOST:PORT"; None for the path of a Unix socket."""
    if "/" in address:
        return None
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def open_socket(address: str, receive_bytes: int | None = None) -> socket.socket:
    """Return a connected socket, with a receive buffer of that size if given."""
    host = split(address)
    connection = socket.socket(socket.AF_INET if host else socket.AF_UNIX)
    try:
        connection.settimeout(CONNECT_TIMEOUT_SECONDS)
        if receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.connect(host or address)
        connection.settimeout(TIMEOUT_SECONDS)
    except OSError:
        connection.close()
        raise
    return connection
