# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PostgreSQL: what the plan gives is enough for every connection."""

from __future__ import annotations

import docker
import pytest
from ansible_collections.onebox.stack.plugins.module_utils._tuning import engine, tuning, worst_case_mib

from engines import services
from engines.plan import FLOOR, IDEAL, limit_mib
from load import postgresql

SECONDS = 6
# PostgreSQL's own defaults for what the tuning sets, but for the shared buffers.
STOCK: dict[str, int | str] = {"max_connections": 100, "work_mem": "4MB", "hash_mem_multiplier": 2}


@pytest.mark.parametrize(("connections", "size"), [(20, FLOOR), (20, IDEAL), (60, FLOOR)])
def test_full_buffers_and_heavy_sorts_in_every_connection_stay_below_the_limit(
    client: docker.DockerClient, connections: int, size: str
) -> None:
    limit = limit_mib("postgresql", size, postgresql_max_connections=connections)
    settings = tuning(limit, "postgresql", connections=connections)
    buffers = engine.kib(settings["shared_buffers"]) // 1024
    with services.postgresql(client, limit, settings) as server:
        # The connection that makes the table may take a moment to go.
        with server.container.watched() as used:
            report = postgresql.heavy_sorts(
                server.address,
                **services.POSTGRESQL_LOGIN,
                connections=connections - 1,
                seconds=SECONDS,
                mib=buffers + 16,
            )
        assert not report.errors
        assert buffers < used.peak_mib < worst_case_mib("postgresql", settings)
        assert server.container.running
        assert server.container.oom_kills() == 0


def test_the_same_load_on_stock_connections_is_killed(client: docker.DockerClient) -> None:
    limit = limit_mib("postgresql", FLOOR)
    buffers = tuning(limit, "postgresql")["shared_buffers"]
    with services.postgresql(client, limit, {**STOCK, "shared_buffers": buffers}) as server:
        report = postgresql.heavy_sorts(
            server.address, **services.POSTGRESQL_LOGIN, connections=90, seconds=SECONDS, mib=64
        )
        assert report.errors
        assert server.container.oom_kills() > 0
