# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests look at in a running stack, and in what a run of Ansible says."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable

from docker.models.containers import Container
from testinfra.host import Host


def wait_until(reached: Callable[[], object], seconds: float = 60) -> bool:
    """Ask again and again until the answer is yes; return whether it came in time."""
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def running(container: Container) -> tuple[str, str]:
    """Return what changes when a container is recreated or restarted."""
    return container.id, container.attrs["State"]["StartedAt"]


def health(host: Host) -> list[str]:
    """Return each container of the stack with its health, such as `redis healthy`; none while Docker is not there."""
    command = "docker compose --project-directory /opt/onebox ps --all --format '{{.Service}} {{.Health}}'"
    return sorted(str(host.run(command).stdout).splitlines())


def remote_executions(output: str) -> Counter[str]:
    """Return how often each task asked the host, from the output of a run with -vvv."""
    counts: Counter[str] = Counter()
    task = ""
    for line in output.splitlines():
        if heading := re.match(r"TASK \[(.*)\]", line):
            task = heading[1]
        counts[task] += "SSH: EXEC" in line
    return +counts
