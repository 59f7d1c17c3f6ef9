# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What everything that runs on a host asks of its memory plan, and what follows from the plan for the apps.

PRIVATE to the collection. Pure. A request is what `_memory.plan` takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils import _apps, _runtimes, _tuning
from ansible_collections.onebox.stack.plugins.module_utils._checks import hint

Wishes = Mapping[str, Mapping[str, int]]

# For people and backups, beside the apps.
ADMIN_CONNECTIONS = 10
LEAST_CONNECTIONS = 20
CONNECTIONS_STEP = 10


def requests(
    services: Mapping[str, Any], enabled: Iterable[str], apps: _apps.Apps, own: Wishes, cpus: int = 2
) -> dict[str, Any]:
    """Return what the enabled services and the apps' processes ask of the memory plan, in its own terms.

    ``services`` is the table of all services, ``own`` what the operator says instead. With nothing enabled, all ask.
    Raises ValueError for wishes that make no sense.
    """
    wrong = _apps.memory_problems(own)
    if wrong:
        raise ValueError("; ".join(wrong))
    on = list(enabled)
    asked = {name: wished(ask, own.get(name, {})) for name, ask in services.items() if not on or name in on}
    asked.update((key, ask) for _app, _process, key, ask in _of_processes(apps, own, cpus))
    for name in own:
        if name not in asked:
            raise ValueError(f"onebox_memory.{name}: nothing of this name runs here{hint(name, asked)}")
    return asked


def wished(ask: Mapping[str, Any], own: Mapping[str, int]) -> dict[str, Any]:
    """Return a request with the operator's own figures, and with those that he did not give fitted to them.

    A floor is that of the engine; where there is none it is an estimate, and gives way to a lower ideal, ceiling or
    limit. The ceiling goes up to the floor and the ideal, and the ideal goes up to the floor and down to the ceiling.
    """
    floor = own.get("floor_mib")
    if floor is None:
        tuning = ask.get("tuning")
        given = [own[key] for key in ("ideal_mib", "ceiling_mib", "limit_mib") if key in own]
        floor = _tuning.floor_mib(**tuning) if tuning else min([ask["floor_mib"], *given])
    ceiling = own.get("ceiling_mib", max(int(ask["ceiling_mib"]), floor, own.get("ideal_mib", 0)))
    ideal = own.get("ideal_mib", min(max(int(ask["ideal_mib"]), floor), ceiling))
    return {**ask, **own, "floor_mib": floor, "ideal_mib": ideal, "ceiling_mib": ceiling}


def _of_processes(
    apps: _apps.Apps, own: Wishes, cpus: int
) -> Iterator[tuple[_apps.App, Mapping[str, Any], str, dict[str, Any]]]:
    """Yield each process with its app, its key in the plan, and what it asks."""
    for app_name, app in apps.items():
        for name, given in app["processes"].items():
            process, key = given or {}, _apps.container_key(app_name, name)
            wishes = {**process.get("memory", {}), **own.get(key, {})}
            yield app, process, key, wished(_runtimes.request(name, process, cpus), wishes)


def connections(
    apps: _apps.Apps, own: Wishes, cpus: int = 2, tuned_for: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, int]:
    """Return how many connections each kind of database is to be tuned for, by the apps that use it.

    Every container with as much memory as it may get, one more of the largest for a rollout, and 10 for people and
    backups; at least 20, and a multiple of 10. A database that is tuned for more, by ``tuned_for``, stays so: one more
    container shall not restart it.
    """
    in_force = {engine: int(given.get("connections", 0)) for engine, given in (tuned_for or {}).items()}
    needed = dict.fromkeys(_apps.DATABASES, ADMIN_CONNECTIONS)
    copies = dict.fromkeys(_apps.DATABASES, 0)
    for app, process, _key, ask in _of_processes(apps, own, cpus):
        each = _runtimes.connections(process, ask.get("limit_mib") or ask["ceiling_mib"], cpus)
        for engine in set(_apps.DATABASES) & set(app.get("uses", [])):
            needed[engine] += each * ask["replicas"]
            copies[engine] = max(copies[engine], each if ask["rolling"] else 0)
    return {
        engine: max(
            LEAST_CONNECTIONS,
            -(-(needed[engine] + copies[engine]) // CONNECTIONS_STEP) * CONNECTIONS_STEP,
            in_force.get(engine, 0),
        )
        for engine in _apps.DATABASES
    }


def settings(app: _apps.App, name: str, memory_mib: Mapping[str, int], cpus: int = 2) -> dict[str, _tuning.Settings]:
    """Return the settings of each process of the app for its memory limit, by its key; none for one without runtime."""
    found: dict[str, _tuning.Settings] = {}
    for process_name, process in app["processes"].items():
        key, tuning = _apps.container_key(name, process_name), _runtimes.tuning(process, cpus)
        found[key] = _tuning.tuning(memory_mib[key], **tuning) if tuning else {}
    return found
