# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which volumes hold a stack's data, by the record that is kept of them on the host.

PRIVATE to the collection. Needs only the standard library (Python 3.9).

The record, ``.data.json`` in the stack's directory, outlives the services: a server is never started on an empty volume
in place of a full one, nor on the files of another server. ``services`` has the volume of each service, ``kept`` the
volumes that held its data before.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

FILE = ".data.json"


@dataclass(frozen=True)
class Held:
    """The volume with a service's data; ``ready`` once the server that made it was healthy."""

    format: str
    volume: str
    ready: bool


@dataclass
class Record:
    """What the host knows of its data: volumes by service, and the service of each volume that is kept."""

    services: dict[str, Held] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    def new_volume(self, project: str, data_format: str) -> str:
        """Return a name that no volume on record has: that of the format, with a number from the second on."""
        taken = {*self.kept, *(held.volume for held in self.services.values())}
        name = f"{project}_{data_format}"
        numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
        return name if name not in taken else next(one for one in numbered if one not in taken)

    def hand_over(self, service: str, heir: str) -> None:
        """Make the data of one service that of another, whose own is kept."""
        if service in self.services:
            if heir in self.services:
                self.kept[self.services[heir].volume] = heir
            self.services[heir] = self.services.pop(service)


def read(stack: pathlib.Path) -> Record:
    """Return the record of the stack in this directory; an empty one where there is none."""
    path = stack / FILE
    if not path.exists():
        return Record()
    found = json.loads(path.read_text())
    return Record({name: Held(**held) for name, held in found["services"].items()}, found["kept"])


def is_there(volume: str, docker: Callable[..., subprocess.CompletedProcess[str]]) -> bool:
    """Whether there is such a volume with anything in it; ``docker`` runs the client with the arguments it is given."""
    found = docker("volume", "inspect", "--format", "{{.Mountpoint}}", volume)
    if found.returncode != 0:
        # When Docker does not run, that is what everything else will say.
        return "no such volume" not in found.stderr.lower()
    directory = pathlib.Path(found.stdout.strip())
    return directory.is_dir() and any(path.name != "lost+found" for path in directory.iterdir())


def refusal(service: str, wanted: str, held: Held, there: bool, *, loss_accepted: bool) -> str:
    """Return why the service may not be started with the wanted format of data; empty when it may.

    ``there`` says whether the volume exists and is not empty.
    """
    if not held.ready or loss_accepted:
        return ""
    if held.format != wanted:
        return (
            f"{service}: its data on this host is of {held.format} (volume {held.volume}), and {wanted} was asked for, "
            f"which has files of its own. Ask for {held.format} again, or take the data along: "
            f"ansible-playbook onebox.stack.upgrade -e service={service}"
        )
    if not there:
        return (
            f"{service}: the host has a record of data in the volume {held.volume}, which is empty or gone. Bring "
            f"the volume back, or give its data up: -e onebox_accept_data_loss={service}"
        )
    return ""
