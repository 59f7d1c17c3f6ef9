# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puma and Sidekiq, with a small Rails application."""

from __future__ import annotations

import time
from urllib.request import Request, urlopen

import docker
import pytest
from ansible_collections.onebox.stack.plugins.module_utils._tuning import floor_mib, tuning, worst_case_mib

from engines import services
from load import http

SECONDS = 8
JOBS = 400


@pytest.mark.parametrize("limit", [floor_mib("puma"), 384, 768])
def test_puma_with_every_thread_busy_stays_below_the_limit(client: docker.DockerClient, limit: int) -> None:
    settings = tuning(limit, "puma")
    connections = max(int(settings["WEB_CONCURRENCY"]), 1) * int(settings["RAILS_MAX_THREADS"])
    with services.puma(client, limit, settings) as server:
        with server.container.watched() as used:
            report = http.requests(f"http://{server.address}/", connections=connections, seconds=SECONDS)
        assert not report.errors
        assert set(report.counts) == {"200"}
        assert 0 < used.peak_mib < worst_case_mib("puma", settings)
        assert server.container.oom_kills() == 0


@pytest.mark.parametrize("limit", [floor_mib("sidekiq"), 384])
def test_sidekiq_with_every_thread_busy_stays_below_the_limit(client: docker.DockerClient, limit: int) -> None:
    settings = tuning(limit, "sidekiq")
    with services.sidekiq(client, limit, settings) as server:
        with server.container.watched() as used:
            urlopen(Request(f"http://{server.address}/jobs?count={JOBS}", method="POST")).close()
            time.sleep(SECONDS)
        with urlopen(f"http://{server.address}/jobs") as answer:
            assert JOBS - int(answer.read()) > int(settings["RAILS_MAX_THREADS"]), "jobs were done"
        assert 0 < used.peak_mib < worst_case_mib("sidekiq", settings)
        assert server.container.running
        assert server.container.oom_kills() == 0
