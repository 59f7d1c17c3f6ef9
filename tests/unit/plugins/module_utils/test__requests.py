# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils import _requests, _tuning
from ansible_collections.onebox.stack.plugins.module_utils._memory import plan
from hypothesis import given, settings
from hypothesis import strategies as st

TABLE = {
    "redis": {"tuning": {"engine": "redis"}, "ideal_mib": 96, "ceiling_mib": 256, "priority": 0},
    "mysql": {"tuning": {"engine": "mysql", "connections": "200"}, "ideal_mib": "512", "ceiling_mib": 1536},
}
WEB = {"kind": "fastcgi", "port": 9000, "health": ["check"]}


def app(uses: tuple[str, ...] = (), **processes: Any) -> dict[str, Any]:
    return {"uses": list(uses), "processes": processes}


def bounds(ask: dict[str, Any]) -> tuple[int, int, int]:
    return ask["floor_mib"], ask["ideal_mib"], ask["ceiling_mib"]


def test_the_services_that_run_here_ask_and_without_any_all_do() -> None:
    assert list(_requests.requests(TABLE, ["redis"], {}, {})) == ["redis"]
    assert list(_requests.requests(TABLE, [], {}, {})) == ["redis", "mysql"]


def test_an_engine_s_floor_lifts_the_ideal_and_the_ceiling_of_the_table() -> None:
    floor = _tuning.floor_mib("mysql", connections=200)
    assert floor > 512
    assert bounds(_requests.requests(TABLE, ["mysql"], {}, {})["mysql"]) == (floor, floor, 1536)
    floor = _tuning.floor_mib("mysql", connections=500)
    table = {"mysql": {**TABLE["mysql"], "tuning": {"engine": "mysql", "connections": 500}}}
    assert floor > 1536
    assert bounds(_requests.requests(table, ["mysql"], {}, {})["mysql"]) == (floor, floor, floor)


def test_the_operator_s_own_word_is_laid_over_a_request_and_the_table_is_not_changed() -> None:
    asked = _requests.requests(TABLE, ["redis"], {}, {"redis": {"limit_mib": 128, "weight": 7, "priority": 2}})
    assert {key: asked["redis"][key] for key in ("limit_mib", "weight", "priority")} == {
        "limit_mib": 128,
        "weight": 7,
        "priority": 2,
    }
    assert "limit_mib" not in TABLE["redis"]


def test_the_operator_s_own_word_reaches_an_app_s_process_and_wins_over_the_app_s() -> None:
    apps = {"shop": app(worker={"command": ["work"], "memory": {"limit_mib": 200, "weight": 5}})}
    asked = _requests.requests({}, [], apps, {"shop-worker": {"limit_mib": 256}})
    assert (asked["shop-worker"]["limit_mib"], asked["shop-worker"]["weight"]) == (256, 5)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, (100, 200, 400)),
        ({"floor_mib": 300}, (300, 300, 400)),
        ({"floor_mib": 500}, (500, 500, 500)),
        ({"floor_mib": 50}, (50, 200, 400)),
        ({"ideal_mib": 600}, (100, 600, 600)),
        ({"ceiling_mib": 150}, (100, 150, 150)),
        ({"ceiling_mib": 900}, (100, 200, 900)),
        # An estimated floor gives way.
        ({"ideal_mib": 80}, (80, 80, 400)),
        ({"ceiling_mib": 80}, (80, 80, 80)),
        ({"limit_mib": 80}, (80, 200, 400)),
        ({"limit_mib": 250}, (100, 200, 400)),
    ],
)
def test_what_the_operator_did_not_say_is_fitted_to_what_he_did(
    own: dict[str, int], expected: tuple[int, int, int]
) -> None:
    ask = {"floor_mib": 100, "ideal_mib": 200, "ceiling_mib": 400}
    assert bounds(_requests.wished(ask, own)) == expected


@pytest.mark.parametrize(
    ("own", "error"),
    [
        ({"redsi": {}}, "onebox_memory.redsi: nothing of this name runs here; did you mean 'redis'?"),
        ({"mysql": {}}, "onebox_memory.mysql: nothing of this name runs here; there is redis"),
        ({"redis": {"limit": 5}}, "onebox_memory.redis.limit: unknown; did you mean 'limit_mib'?"),
        (
            {"redis": None, "x": {"weight": 0}},
            "onebox_memory.redis: a dictionary is needed, not None; "
            "onebox_memory.x.weight: 0 is too little; give 1 or more",
        ),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(own: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=rf"\A{re.escape(error)}\Z"):
        _requests.requests(TABLE, ["redis"], {}, own)


@pytest.mark.parametrize(
    ("own", "error"),
    [
        ({"limit_mib": 40}, "redis: limit_mib 40 is below floor_mib 48; raise limit_mib"),
        ({"ideal_mib": 40}, "redis: ideal_mib 40 is below floor_mib 48; raise ideal_mib"),
        ({"ceiling_mib": 40}, "redis: ceiling_mib 40 is below floor_mib 48; raise ceiling_mib"),
        ({"floor_mib": 40}, "redis: floor_mib 40 is below 48, the least for redis; raise it"),
        (
            {"floor_mib": 100, "ceiling_mib": 80},
            "redis: ceiling_mib 80 is below floor_mib 100; raise ceiling_mib or lower floor_mib",
        ),
        (
            {"ideal_mib": 100, "ceiling_mib": 80},
            "redis: ceiling_mib 80 is below ideal_mib 100; raise ceiling_mib or lower ideal_mib",
        ),
        (
            {"floor_mib": 100, "limit_mib": 80},
            "redis: limit_mib 80 is below floor_mib 100; raise limit_mib or lower floor_mib",
        ),
    ],
)
def test_wishes_below_an_engine_s_floor_or_against_each_other_are_refused_by_the_plan(
    own: dict[str, int], error: str
) -> None:
    with pytest.raises(ValueError, match=rf"\A{re.escape(error)}\Z"):
        plan(_requests.requests(TABLE, ["redis"], {}, {"redis": own}), 4096)


_FIGURES = ("floor_mib", "ideal_mib", "ceiling_mib", "limit_mib", "priority", "weight")


@settings(deadline=None)
@given(st.sampled_from(sorted(TABLE)), st.dictionaries(st.sampled_from(_FIGURES), st.integers(1, 2000)))
def test_an_own_figure_is_honoured_or_refused(name: str, own: dict[str, int]) -> None:
    refusal = ""
    try:
        planned = plan(_requests.requests(TABLE, [], {}, {name: own}), 16384)
    except ValueError as error:
        refusal = str(error)
    if refusal:
        # For what was said, and not for what was not.
        assert any(f"{key} {value} is below" in refusal for key, value in own.items())
        return
    service = planned["services"][name]
    shown = {key: value for key, value in own.items() if key in service}
    assert {key: service[key] for key in shown} == shown
    assert "limit_mib" in own or service["floor_mib"] <= service["limit_mib"] <= service["ceiling_mib"]


def test_every_process_asks_and_only_the_one_that_serves_requests_is_rolled_out() -> None:
    apps = {"shop": app(web=WEB, worker={"command": ["work"], "replicas": 2}, scheduler=None)}
    asked = _requests.requests({}, [], apps, {})
    assert list(asked) == ["shop-web", "shop-worker", "shop-scheduler"]
    assert [name for name, ask in asked.items() if ask["rolling"]] == ["shop-web"]
    assert [ask["replicas"] for ask in asked.values()] == [1, 2, 1]


def test_a_php_process_needs_what_its_workers_need() -> None:
    small, large = (
        _requests.requests({}, [], {"shop": app(web={**WEB, "worker_mib": mib})}, {})["shop-web"]["floor_mib"]
        for mib in (40, 200)
    )
    assert 40 < small < 200 < large


def test_the_processors_of_the_host_reach_the_engines() -> None:
    apps = {"shop": app(web={"kind": "http", "runtime": "octane"})}
    assert _requests.requests({}, [], apps, {}, cpus=8)["shop-web"]["tuning"] == {"engine": "octane", "cpus": 8}


# -- connections -------------------------------------------------------------------------------------------------------


def test_connections_are_for_all_workers_at_their_largest_a_rollout_s_copy_and_people() -> None:
    apps = {"shop": app(("mysql", "redis"), web=WEB, worker={"command": ["x"], "replicas": 2}, scheduler=None)}
    # 13 workers in 1024 MiB, and as many in the copy, 2 queue workers, the scheduler, and 10.
    assert 13 + 13 + 2 + 1 + 10 == 39
    assert _requests.connections(apps, {}) == {"mysql": 40, "postgresql": 20}


def test_only_one_copy_of_the_largest_app_is_counted_for_each_kind_of_database() -> None:
    node = {"kind": "http", "runtime": "node"}
    apps = {
        "a": app(("postgresql",), web={**node, "replicas": 4}),
        "b": app(("postgresql",), web=node),
        "c": app(("mysql",), web=node),
    }
    assert _requests.connections(apps, {}) == {"mysql": 10 + 10 + 10, "postgresql": 40 + 10 + 10 + 10}


@pytest.mark.parametrize(
    ("own", "expected"),
    [({"ceiling_mib": 416}, 20), ({"limit_mib": 416}, 20), ({"limit_mib": 2048}, 70), ({"ideal_mib": 2048}, 70)],
)
def test_connections_follow_from_an_own_ceiling_or_limit(own: dict[str, int], expected: int) -> None:
    apps = {"shop": app(("mysql",), web=WEB)}
    assert _requests.connections(apps, {"shop-web": own})["mysql"] == expected


def test_one_more_worker_seldom_changes_the_connections() -> None:
    counts = {
        workers: _requests.connections({"shop": app(("mysql",), worker={"replicas": workers})}, {})["mysql"]
        for workers in range(1, 31)
    }
    assert sorted(set(counts.values())) == [20, 30, 40]
    assert all(workers + 10 <= count for workers, count in counts.items())


def test_a_database_that_takes_more_connections_than_are_needed_goes_on_so() -> None:
    in_force = {"mysql": {"connections": "60"}, "postgresql": {"connections": 10}, "soketi": {}}
    assert _requests.connections({}, {}, tuned_for=in_force) == {"mysql": 60, "postgresql": 20}


def test_without_apps_there_are_20_connections() -> None:
    assert _requests.connections({}, {}) == {"mysql": 20, "postgresql": 20}


# -- settings ----------------------------------------------------------------------------------------------------------


def test_each_process_has_the_settings_of_its_runtime_for_its_own_limit() -> None:
    shop = app(
        web={"kind": "http", "runtime": "node"},
        jobs={"runtime": "sidekiq", "command": ["sidekiq"]},
        worker={"command": ["work"]},
    )
    assert _requests.settings(shop, "shop", {"shop-web": 256, "shop-jobs": 384, "shop-worker": 96}) == {
        "shop-web": {"NODE_OPTIONS": "--max-old-space-size=160"},
        "shop-jobs": _tuning.tuning(384, "sidekiq"),
        "shop-worker": {},
    }


def test_a_limit_too_small_for_a_runtime_is_an_error() -> None:
    with pytest.raises(ValueError, match="128 MiB is too little for node"):
        _requests.settings(app(web={"kind": "http", "runtime": "node"}), "shop", {"shop-web": 128})
