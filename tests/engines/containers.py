# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers with a memory limit and no swap, and what they use of it."""

from __future__ import annotations

import io
import statistics
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import docker

from lab.settings import LABEL, NETWORK

MIB = 2**20
SAMPLE_SECONDS = 0.1
START_TIMEOUT_SECONDS = 90
FILE_CACHE = ("active_file", "inactive_file")


class Used:
    """What a container held while it was watched, in MiB."""

    def __init__(self) -> None:
        self.samples: list[float] = []

    @property
    def peak_mib(self) -> float:
        return max(self.samples)

    @property
    def median_mib(self) -> float:
        return statistics.median(self.samples)


class Container:
    """A container that runs, on a network that this machine reaches."""

    def __init__(self, client: docker.DockerClient, container_id: str) -> None:
        self.client = client
        self.id = container_id
        self.started = int(time.time())

    @property
    def state(self) -> dict[str, Any]:
        return dict(self.client.api.inspect_container(self.id)["State"])

    @property
    def running(self) -> bool:
        return bool(self.state["Running"])

    def address(self, port: int) -> str:
        networks = self.client.api.inspect_container(self.id)["NetworkSettings"]["Networks"]
        return f"{networks[NETWORK]['IPAddress']}:{port}"

    def exec(self, *command: str) -> tuple[int, str]:
        """Run a command inside, where it counts against the limit; return its exit code and output."""
        exit_code, output = self.client.containers.get(self.id).exec_run(list(command))
        return exit_code, output.decode(errors="replace")

    def wait(self) -> int:
        """Return the exit code, when the container has ended by itself."""
        return int(self.client.api.wait(self.id)["StatusCode"])

    def logs(self) -> str:
        return str(self.client.api.logs(self.id).decode(errors="replace"))

    def held_mib(self) -> float:
        """What it holds now: all that counts against its limit but the file cache, which the kernel takes back at need.

        That is anonymous and shared memory, tmpfs, and the kernel's own memory for it.
        """
        memory = self.client.api.stats(self.id, stream=False, one_shot=True)["memory_stats"]
        if not memory.get("usage"):
            return 0
        # Version 1 of control groups counts those below apart, in total_*. Neither version has shared memory in *_file.
        files = (memory["stats"].get(f"total_{name}", memory["stats"].get(name, 0)) for name in FILE_CACHE)
        return float((memory["usage"] - sum(files)) / MIB)

    def oom_kills(self) -> int:
        """How often the kernel killed a process in it because it was at its limit."""
        events = self.client.events(
            since=self.started,
            until=int(time.time()) + 1,
            filters={"container": self.id, "event": "oom"},
            decode=True,
        )
        return sum(1 for _ in events)

    @contextmanager
    def watched(self) -> Iterator[Used]:
        """Look at what the container holds, several times a second, for as long as the block lasts."""
        used = Used()
        over = threading.Event()

        def watch() -> None:
            while not over.wait(SAMPLE_SECONDS):
                used.samples.append(self.held_mib())

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield used
        finally:
            over.set()
            watcher.join()


@contextmanager
def run(
    client: docker.DockerClient,
    image: str,
    limit_mib: int,
    command: Sequence[str] = (),
    *,
    files: Mapping[str, str] | None = None,
    environment: Mapping[str, int | str] | None = None,
    alias: str | None = None,
    user: str | None = None,
    **host: Any,
) -> Iterator[Container]:
    """Have a container for as long as the block lasts.

    `files` has texts by their paths inside, `alias` is how others on the network call it, `host` is more of its host
    configuration (tmpfs, say). Memory and swap together are limited to `limit_mib`; 0 is no limit.
    """
    api = client.api
    created = api.create_container(
        image,
        command=list(command) or None,
        user=user,
        environment=dict(environment or {}),
        labels={LABEL: "engine"},
        host_config=api.create_host_config(
            mem_limit=limit_mib * MIB, memswap_limit=limit_mib * MIB, network_mode=NETWORK, **host
        ),
        networking_config=api.create_networking_config(
            {NETWORK: api.create_endpoint_config(aliases=[alias] if alias else None)}
        ),
    )
    try:
        api.put_archive(created["Id"], "/", _archive(files or {}))
        api.start(created["Id"])
        yield Container(client, created["Id"])
    finally:
        api.remove_container(created["Id"], force=True, v=True)


def wait_until(container: Container, ready: Callable[[], object]) -> None:
    """Return when `ready` returns without an error; raise what the container said when it ends or takes too long."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        try:
            ready()
        except Exception as error:  # each client has its own for a server that is not there yet
            if not container.running or time.monotonic() > deadline:
                raise RuntimeError(f"the container is not ready ({error}):\n{container.logs()[-3000:]}") from error
            time.sleep(0.1)
        else:
            return


def _archive(files: Mapping[str, str]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(text.encode()), 0o644
            tar.addfile(member, io.BytesIO(text.encode()))
    return archive.getvalue()
