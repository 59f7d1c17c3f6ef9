# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is seen of a box under load."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import docker
from testinfra.host import Host

LOOK_SECONDS = 0.5
# Usage and file pages of the box's control group: version 1 has them in memory/, version 2 has not.
LOOK = (
    f"cd /sys/fs/cgroup; while sleep {LOOK_SECONDS}; do grep -hE '^([0-9]+|(total_)?(in)?active_file [0-9]+)$'"
    " memory/memory.usage_in_bytes memory/memory.stat memory.current memory.stat; echo; done"
    " >/run/box-memory 2>/dev/null"
)


class Watch:
    """Looks at a box's memory, its containers and what happens to them, from `with` to the end of the block.

    `used_mib` are samples of the box, `peak_mib` the most that each container took, both less the pages of files.
    """

    def __init__(self, host: Host, engine: docker.DockerClient) -> None:
        self.host = host
        self.engine = engine
        self.used_mib: list[int] = []
        self.peak_mib: Counter[str] = Counter()
        self._events: dict[tuple[int, str], dict[str, Any]] = {}

    def __enter__(self) -> Watch:
        self.host.check_output("systemd-run --quiet --unit=box-memory sh -c %s", LOOK)
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._looking = self._pool.submit(self._look)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        self._looking.result()
        self.host.check_output("systemctl stop box-memory")
        for sample in self.host.check_output("cat /run/box-memory; rm /run/box-memory").split("\n\n"):
            words = sample.split()
            if words:  # none when the box had no memory to look
                details = dict(zip(words[1::2], map(int, words[2::2]), strict=True))
                self.used_mib.append(not_file_mib(int(words[0]), details))

    @property
    def most_used_mib(self) -> int:
        return max(self.used_mib)

    @property
    def troubles(self) -> list[str]:
        """What no container should meet with: "onebox-redis-1: oom", "onebox-redis-1: die 137".

        A health check may be late when the processors are busy; after three in a row the container is unhealthy.
        """
        told = []
        for event in self._events.values():
            name, action = event["Actor"]["Attributes"]["name"], event["Action"]
            exit_code = event["Actor"]["Attributes"].get("exitCode", "0")
            if action in ("oom", "restart", "health_status: unhealthy"):
                told.append(f"{name}: {action}")
            elif action == "die" and exit_code != "0":
                told.append(f"{name}: die {exit_code}")
        return told

    def _look(self) -> None:
        seen = int(time.time())
        while not self._stop.wait(LOOK_SECONDS):
            for container in self.engine.api.containers():
                with suppress(docker.errors.NotFound):
                    stats = self.engine.api.stats(container["Id"], stream=False, one_shot=True)["memory_stats"]
                    if stats:  # none when it has just ended
                        name = container["Names"][0].removeprefix("/")
                        self.peak_mib[name] = max(self.peak_mib[name], not_file_mib(stats["usage"], stats["stats"]))
            # The engine remembers the last 256 events and no more.
            now = int(time.time())
            for event in self.engine.events(since=seen, until=now, filters={"type": "container"}, decode=True):
                self._events[event["timeNano"], event["Action"]] = event
            seen = now - 1


def not_file_mib(usage: int, details: dict[str, int]) -> int:
    """What is in use less the pages of files, which the kernel takes back when somebody needs memory."""
    total = "total_" if "total_inactive_file" in details else ""
    return (usage - details[f"{total}inactive_file"] - details[f"{total}active_file"]) // 2**20
