# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Valkey and Redis: at the planned maxmemory they rewrite their append-only file under writes, and live."""

from __future__ import annotations

import docker
import pytest
from ansible_collections.onebox.stack.plugins.module_utils._tuning import engine, tuning, worst_case_mib

from engines import services
from engines.plan import CEILING, FLOOR, IDEAL, limit_mib
from load import redis

SECONDS = 8
CONNECTIONS = 4


@pytest.mark.parametrize(
    ("flavor", "size"), [("valkey", FLOOR), ("valkey", IDEAL), ("valkey", CEILING), ("redis", IDEAL)]
)
def test_a_full_server_survives_rewrites_of_its_file_under_writes(
    client: docker.DockerClient, flavor: str, size: str
) -> None:
    limit = limit_mib("redis", size)
    settings = tuning(limit, "redis", flavor=flavor)
    with services.redis(client, limit, settings, flavor) as server:
        with server.container.watched() as used:
            report = redis.fill_and_rewrite(server.address, connections=CONNECTIONS, seconds=SECONDS)
        assert not report.errors
        assert report.counts["rewrites"] > 0
        assert engine.kib(settings["maxmemory"]) / 1024 < used.peak_mib < worst_case_mib("redis", settings)
        assert server.container.running
        assert server.container.oom_kills() == 0


def test_three_quarters_of_the_limit_as_maxmemory_are_too_much(client: docker.DockerClient) -> None:
    limit = limit_mib("redis", CEILING)
    settings = {**tuning(limit, "redis"), "maxmemory": f"{limit * 74 // 100}mb"}
    with services.redis(client, limit, settings) as server:
        report = redis.fill_and_rewrite(server.address, connections=CONNECTIONS, seconds=SECONDS)
        assert report.errors
        assert server.container.oom_kills() > 0


@pytest.mark.parametrize("size", [FLOOR, IDEAL, CEILING])
def test_a_full_cache_that_evicts_stays_below_the_limit(client: docker.DockerClient, size: str) -> None:
    limit = limit_mib("redis_cache", size)
    settings = tuning(limit, "redis", eviction_policy="allkeys-lru")
    with services.redis(client, limit, settings) as server:
        with server.container.watched() as used:
            report = redis.fill_and_rewrite(server.address, connections=CONNECTIONS, seconds=SECONDS, rewrites=False)
        assert not report.errors
        assert report.counts["rewrites"] == 0
        assert engine.kib(settings["maxmemory"]) / 1024 < used.peak_mib < worst_case_mib("redis", settings)
        assert server.container.oom_kills() == 0
