# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils import _runtimes, _tuning


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        (None, "none"),
        ({"command": ["work"]}, "none"),
        ({"kind": "http"}, "none"),
        ({"kind": "fastcgi"}, "php_fpm"),
        ({"kind": "http", "runtime": "node"}, "node"),
        ({"runtime": "sidekiq"}, "sidekiq"),
    ],
)
def test_php_fpm_runs_where_fastcgi_is_spoken_and_nothing_we_know_where_nothing_is_said(
    process: dict[str, Any] | None, expected: str
) -> None:
    assert _runtimes.runtime(process) == expected


def test_every_runtime_but_none_is_an_engine_with_settings() -> None:
    assert set(_runtimes.RUNTIMES) - {"none"} <= set(_tuning.ENGINES)


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        ({"kind": "http"}, {}),
        ({"kind": "fastcgi", "port": 9000}, {"engine": "php_fpm"}),
        ({"kind": "fastcgi", "worker_mib": 40, "workers": 3, "jit_mib": 64},
         {"engine": "php_fpm", "worker_mib": 40, "workers": 3, "jit_mib": 64}),
        ({"kind": "http", "runtime": "octane", "server": "swoole"},
         {"engine": "octane", "server": "swoole", "cpus": 4}),
        ({"kind": "http", "runtime": "puma"}, {"engine": "puma", "cpus": 4}),
        ({"runtime": "sidekiq", "command": ["sidekiq"]}, {"engine": "sidekiq"}),
    ],
)  # fmt: skip
def test_an_engine_gets_its_facts_from_the_process_and_the_host(
    process: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert _runtimes.tuning(process, cpus=4) == expected


PROCESSES: list[dict[str, Any]] = [
    {"kind": "fastcgi"},
    *({"kind": "http", "runtime": runtime} for runtime in ("octane", "node", "puma", "none")),
    *({"runtime": runtime} for runtime in ("sidekiq", "gotenberg", "none")),
]


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_asks_for_more_than_its_floor_and_can_use_more_than_its_ideal(process: dict[str, Any]) -> None:
    ask = _runtimes.request("web", process, cpus=2)
    floor = ask.get("floor_mib") or _tuning.floor_mib(**ask["tuning"])
    assert floor < ask["ideal_mib"] < ask["ceiling_mib"]
    assert ("floor_mib" in ask) != ("tuning" in ask)


def test_what_serves_requests_comes_first_and_is_rolled_out() -> None:
    asks = {name: _runtimes.request(name, process, cpus=2) for name, process in {
        "web": {"kind": "http", "replicas": 4},
        "worker": {"command": ["work"]},
        "scheduler": None,
    }.items()}  # fmt: skip
    assert [(ask["priority"], ask["rolling"], ask["replicas"]) for ask in asks.values()] == [
        (0, True, 4),
        (1, False, 1),
        (1, False, 1),
    ]
    assert asks["scheduler"]["ideal_mib"] < asks["worker"]["ideal_mib"] < asks["web"]["ideal_mib"]


@pytest.mark.parametrize(
    ("process", "limit_mib", "expected"),
    [
        ({"kind": "fastcgi", "worker_mib": 60}, 1024, 13),
        ({"kind": "fastcgi", "worker_mib": 60}, 232, 2),
        ({"kind": "http", "runtime": "octane"}, 1024, 8),
        ({"kind": "http", "runtime": "octane", "server": "swoole", "worker_mib": 100}, 1024, 5),
        ({"kind": "http", "runtime": "node"}, 512, 10),
        ({"kind": "http", "runtime": "puma"}, 384, 3),
        ({"kind": "http", "runtime": "puma"}, 768, 10),
        ({"runtime": "sidekiq"}, 256, 5),
        ({"runtime": "sidekiq"}, 768, 10),
        ({"runtime": "gotenberg"}, 640, 0),
        ({"kind": "http"}, 256, 10),
        ({"command": ["work"]}, 192, 1),
        (None, 96, 1),
    ],
)
def test_a_container_has_a_connection_for_each_that_may_be_in_a_query_at_once(
    process: dict[str, Any] | None, limit_mib: int, expected: int
) -> None:
    assert _runtimes.connections(process, limit_mib, cpus=2) == expected
