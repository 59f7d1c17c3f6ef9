# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each server is killed while clients write. First, since it looks at servers that had nothing to do yet, too."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import docker
from docker.models.containers import Container
from testinfra.host import Host

from engines.containers import Container as Watched
from observing import running, wait_until
from powerloss import HEALTHY_SECONDS, writing

KILLS = 5
COMMITS = 1000
# Docker waits ever longer before it restarts a container that ended sooner than this.
UPTIME_SECONDS = 10


def seconds_to_healthy_when_killed(server: Callable[[], Container], host: Host) -> float:
    before = server()
    host.check_output("kill -9 %s", str(before.attrs["State"]["Pid"]))
    killed = time.monotonic()
    healthy = wait_until(lambda: running(server()) != running(before) and server().health == "healthy", HEALTHY_SECONDS)
    assert healthy, server().logs(tail=20).decode()
    assert server().id == before.id
    return time.monotonic() - killed


def test_a_server_that_was_killed_comes_back_by_itself_with_all_that_it_acknowledged(
    client: Callable[[], Any],
    server: Callable[[], Container],
    host: Host,
    engine: docker.DockerClient,
    measured: dict[str, Any],
) -> None:
    measured["idle_mib"] = round(Watched(engine, server().id).held_mib())
    client().begin()
    numbers = itertools.count()
    acknowledged: set[int] = set()
    seconds = []
    for _ in range(KILLS):
        with writing(client().writer, numbers) as written:
            time.sleep(UPTIME_SECONDS)
            assert wait_until(lambda one=written: len(one.acknowledged) >= COMMITS or one.errors, 300)
            assert written.errors == []
            seconds.append(seconds_to_healthy_when_killed(server, host))
        acknowledged |= set(written.acknowledged)
        assert acknowledged - client().found() == set()
        client().check(server())
    client().end()
    measured["killed"] = {
        "kills": KILLS,
        "acknowledged": len(acknowledged),
        "lost": 0,
        "median_seconds_to_healthy": round(statistics.median(seconds), 1),
        "worst_seconds_to_healthy": round(max(seconds), 1),
    }
