# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx."""

from __future__ import annotations

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils._tuning.engine import Engine, Settings, at_least

# Two workers with 768 idle connections took 4 MiB; the rest is room for shared zones.
BASE_MIB = 12
WORKER_MIB = 2
CONNECTION_KIB = 160
LEAST_CONNECTIONS = 256
MOST_CONNECTIONS = 2048


def _settings(limit_mib: int, *, cpus: int) -> Settings:
    """A worker a CPU, and as many connections as there is room for at 160 KiB each, up to 2048 a worker.

    Measured with slow clients on every connection: one that is proxied takes two, and held 169 KiB by TLS, 230 with
    28 KiB of request headers, and 570 with nginx's own buffers for gzip. With those of the role (4 x 8 KiB, a window
    and a hash of 16 KiB, one output buffer of 16 KiB) 78 of 96 MiB were the most, 108 of 128 and 167 of 192; at 128 KiB
    a connection, workers were killed at 192.
    """
    room_kib = (limit_mib - BASE_MIB - cpus * WORKER_MIB) * 1024
    connections = min(room_kib // CONNECTION_KIB // cpus, MOST_CONNECTIONS)
    at_least("worker_connections", connections, LEAST_CONNECTIONS)
    return {"worker_processes": cpus, "worker_connections": connections}


def _worst_kib(settings: Settings, **facts: Any) -> int:
    workers, connections = int(settings["worker_processes"]), int(settings["worker_connections"])
    return (BASE_MIB + workers * WORKER_MIB) * 1024 + workers * connections * CONNECTION_KIB


def _summary(settings: Settings) -> str:
    return f"{settings['worker_processes']} workers x {settings['worker_connections']} connections"


NGINX = Engine({"cpus": 2}, _settings, _worst_kib, _summary)
