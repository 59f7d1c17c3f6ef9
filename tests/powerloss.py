# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Power cuts: clients that note what a server acknowledged, and a disk that keeps what was written to it alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field

from docker.models.containers import Container
from testinfra.host import Host

from observing import wait_until

# A VPS has no udev that would make them; more than a machine has in use.
LOOP_DEVICES = """
test -e /dev/loop-control || mknod /dev/loop-control c 10 237
for number in $(seq 0 63); do test -e /dev/loop$number || mknod /dev/loop$number b 7 $number; done
"""
# The size of the file is that of what is in it. Without "lazy", the kernel would go on making the file system later.
MAKE = """
truncate --size=8G "$file"
mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$file"
mount -o loop "$file" /mnt
cp --archive "$data"/. /mnt
rmdir /mnt/lost+found
umount /mnt
"""
CONNECTIONS = 8
HEALTHY_SECONDS = 180


@dataclass
class Written:
    """Numbers that the server acknowledged, and with which errors the clients that wrote them ended."""

    acknowledged: list[int] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)


@contextmanager
def writing(
    connect: Callable[[], AbstractContextManager[Callable[[int], object]]], numbers: Iterator[int]
) -> Iterator[Written]:
    """Write numbers in several connections for as long as the block lasts, in each until the server is gone.

    `connect` is entered for a connection; what it gives commits a number, and returns when the server says so.
    """
    written = Written()
    over = threading.Event()

    def work() -> None:
        try:
            with connect() as write:
                while not over.is_set():
                    number = next(numbers)
                    write(number)
                    written.acknowledged.append(number)
        except Exception as error:  # each client has its own for a server that is gone
            written.errors.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    try:
        yield written
    finally:
        over.set()
    # Only when all went well: those of a server that is frozen would wait for ever.
    for thread in threads:
        thread.join()


class Disk:
    """A file system in a file, with a service's data. Its power can be cut, as often as one likes.

    What is lost then is what the file system had in memory alone. A real disk may also lose what is in its own cache.
    """

    def __init__(self, host: Host, container: Callable[[], Container], data: str) -> None:
        """`container` returns the service's container as it is now, `data` is its volume's directory on the host."""
        self._host = host
        self._container = container
        self._data = data
        self._file = f"/var/tmp/{container().name}.disk"

    def cut_power(self) -> None:
        """Freeze the server, and put aside what is on the disk at that moment.

        What it has acknowledged is known when this returns. Later it may acknowledge more, while it is killed.
        """
        self._container().pause()
        # The kernel may still be writing: the copy is of one moment when nothing was written while it was made.
        assert wait_until(self._copied_in_one_moment), f"{self._data} is written to without an end"

    def restore_power(self) -> None:
        """Have the server start on what was put aside, and wait until it is healthy."""
        self.take_out()
        self._run('mv "$file.cut" "$file"')
        self.put_in()

    def put_in(self) -> None:
        """Start the service on the disk."""
        self._run('mount -o loop "$file" "$data"')
        start(self._container)

    def take_out(self) -> None:
        """Kill the service, and let go of the disk."""
        if (container := self._container()).status != "exited":
            container.kill()
        self._run('if mountpoint --quiet "$data"; then umount "$data"; fi')

    def make(self) -> None:
        self._run(LOOP_DEVICES + MAKE)

    def remove(self) -> None:
        self._run('rm --force "$file" "$file.cut"')

    def _copied_in_one_moment(self) -> bool:
        """Whether no write was under way or came in while the file was copied."""
        fields = "awk '{ print $5, $9 }' /sys/block/$(basename $(findmnt --noheadings --output SOURCE \"$data\"))/stat"
        before, after = self._run(f'{fields}; cp --sparse=always "$file" "$file.cut"; {fields}').splitlines()
        return before == after and before.endswith(" 0")

    def _run(self, script: str) -> str:
        return str(self._host.check_output("data=%s file=%s; set -e; " + script, self._data, self._file))


@contextmanager
def own_disk(host: Host, container: Callable[[], Container], destination: str) -> Iterator[Disk]:
    """Have a service's data on a disk of its own for as long as the block lasts; then it has again those of before.

    `destination` is where the container has its volume.
    """
    (data,) = (mount["Source"] for mount in container().attrs["Mounts"] if mount["Destination"] == destination)
    disk = Disk(host, container, data)
    with ExitStack() as undo:
        undo.callback(start, container)
        container().stop()
        undo.callback(disk.remove)
        disk.make()
        undo.callback(disk.take_out)
        disk.put_in()
        yield disk


def start(container: Callable[[], Container]) -> None:
    """Start a service's container, and wait until it is healthy."""
    container().start()
    assert wait_until(lambda: container().health == "healthy", HEALTHY_SECONDS), container().logs(tail=20).decode()
