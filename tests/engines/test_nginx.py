# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx: with every connection taken by slow clients, it lives."""

from __future__ import annotations

import docker
import pytest
from ansible_collections.onebox.stack.plugins.module_utils._tuning import tuning, worst_case_mib

from engines import services
from engines.plan import CEILING, FLOOR, IDEAL, limit_mib
from load import http

SECONDS = 4


@pytest.mark.parametrize("size", [FLOOR, IDEAL, CEILING])
def test_slow_clients_on_every_connection_stay_below_the_limit(client: docker.DockerClient, size: str) -> None:
    limit = limit_mib("nginx", size)
    settings = tuning(limit, "nginx")
    # Each takes two: its own, and that to the application. Some are left, since workers share the clients unevenly.
    clients = int(settings["worker_processes"]) * int(settings["worker_connections"]) * 9 // 20
    with (
        services.file_server(client, f"load-files-{size.partition('_')[0]}", kib=2048) as upstream,
        services.nginx(client, limit, upstream) as server,
    ):
        with server.container.watched() as used:
            report = http.slow_clients(
                f"https://{services.DOMAIN}/load.txt", connections=clients, seconds=SECONDS, address=server.address
            )
        assert not report.errors
        assert report.counts["opened"] == clients
        assert used.peak_mib < worst_case_mib("nginx", settings)
        assert server.container.oom_kills() == 0
