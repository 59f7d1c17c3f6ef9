# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PHP-FPM: with every worker at the size that was planned for it, it lives."""

from __future__ import annotations

import docker
import pytest
from ansible_collections.onebox.stack.plugins.module_utils._tuning import floor_mib, tuning, worst_case_mib

from engines import services
from load import http

SECONDS = 5
WORKER_MIB = 60
HELD_SECONDS = 4


@pytest.mark.parametrize(
    ("limit", "worker_mib"), [(floor_mib("php_fpm"), WORKER_MIB), (416, WORKER_MIB), (1024, WORKER_MIB), (416, 30)]
)
def test_workers_that_all_hold_what_was_planned_stay_below_the_limit(
    client: docker.DockerClient, limit: int, worker_mib: int
) -> None:
    settings = started_at_once(tuning(limit, "php_fpm", worker_mib=worker_mib))
    workers = int(settings["pm.max_children"])
    with services.php_fpm(client, limit, settings, f"load-php-{limit}-{worker_mib}") as server:
        with server.container.watched() as used:
            report = http.requests(url(server, worker_mib), connections=workers, seconds=SECONDS)
        assert not report.errors
        assert set(report.counts) == {"200"}
        assert workers * worker_mib < used.peak_mib < worst_case_mib("php_fpm", dict(settings), worker_mib=worker_mib)
        assert server.container.oom_kills() == 0


def test_one_worker_more_than_the_limit_holds_is_killed(client: docker.DockerClient) -> None:
    limit = 416
    workers = limit // WORKER_MIB + 1
    settings = {**started_at_once(tuning(limit, "php_fpm", worker_mib=WORKER_MIB)), "pm.max_children": workers}
    with services.php_fpm(client, limit, settings, "load-php-more") as server:
        report = http.requests(url(server, WORKER_MIB), connections=workers, seconds=SECONDS)
        assert report.counts["502"] > 0
        assert server.container.oom_kills() > 0


def started_at_once(settings: services.Settings) -> services.Settings:
    """Return the same with all workers from the start, so that there is a moment in which all of them are full."""
    return {**settings, "pm": "static"}


def url(server: services.Server, worker_mib: int) -> str:
    return f"http://{server.address}/?mib={worker_mib}&seconds={HELD_SECONDS}"
