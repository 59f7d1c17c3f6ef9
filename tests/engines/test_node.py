# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Node and soketi: a full heap ends in Node's own error, and not in a kill."""

from __future__ import annotations

import docker
import pytest
from ansible_collections.onebox.stack.plugins.module_utils._tuning import floor_mib, tuning, worst_case_mib

from engines import containers, services
from engines.plan import CEILING, FLOOR, IDEAL, limit_mib
from load import websocket

HOG = "const held = []; for (;;) held.push(new Array(1000).fill(held.length));"
SECONDS = 6
CONNECTIONS = 500


@pytest.mark.parametrize("limit", [floor_mib("node"), 168, 192, 256, 384, 512, 1024])
def test_a_program_that_fills_its_heap_ends_with_nodes_own_error(client: docker.DockerClient, limit: int) -> None:
    exit_code, output, kills = hog(client, limit, tuning(limit, "node"))
    assert "heap out of memory" in output
    assert exit_code == 134
    assert kills == 0


def test_without_the_flag_it_is_killed_in_a_small_container(client: docker.DockerClient) -> None:
    exit_code, output, kills = hog(client, 256, {})
    assert "heap out of memory" not in output
    assert exit_code == 137
    assert kills > 0


def hog(client: docker.DockerClient, limit: int, settings: services.Settings) -> tuple[int, str, int]:
    """Return how the program ends: its exit code, what it says, and how often the kernel killed."""
    with containers.run(client, services.NODE, limit, ["node", "-e", HOG], environment=settings, init=True) as node:
        return node.wait(), node.logs(), node.oom_kills()


@pytest.mark.parametrize("size", [FLOOR, IDEAL, CEILING])
def test_soketi_with_many_clients_stays_below_the_limit(client: docker.DockerClient, size: str) -> None:
    limit = limit_mib("soketi", size)
    settings = tuning(limit, "soketi")
    with services.soketi(client, limit, settings) as server:
        with server.container.watched() as used:
            report = websocket.subscribers(
                server.address, **services.SOKETI_APP, connections=CONNECTIONS, seconds=SECONDS
            )
        assert not report.errors
        assert report.counts["received"] > CONNECTIONS
        assert 0 < used.peak_mib < worst_case_mib("soketi", settings)
        assert server.container.running
        assert server.container.oom_kills() == 0
