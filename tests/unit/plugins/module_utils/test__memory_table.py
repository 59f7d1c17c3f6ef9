# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils._memory import plan
from ansible_collections.onebox.stack.plugins.module_utils._memory_table import by_size, order_in_words, table
from hypothesis import given
from hypothesis import strategies as st

from unit.plugins.module_utils.stacks import Requests, ask, fitting, quick, tuned_requests

START_FIRST = "update order: start-first, a new replica is healthy before its old one stops"


def test_the_table_shows_the_largest_first_then_everything_else_and_what_changes() -> None:
    requests = {"app": ask(232, 416, 1024, rolling=True), "db": ask(264, 512, 1536), "worker": ask(96, replicas=4)}
    assert table(plan(requests, 2560, jobs_mib=700, current={"app": 640}, afresh=True)).splitlines() == [
        "MiB           replicas  floor  limit   share",
        "worker               4     96     96   15.0%",
        "db                   1    264    368   14.4%",
        "app                  1    232    304   11.9%",
        "reserve                          493   19.3%",
        "jobs                             700   27.3%",
        "rollout copy                     304   11.9%",
        "spare                              7    0.3%",
        "total                           2560  100.0%",
        START_FIRST,
        "limit changes: app 640 -> 304",
    ]


def test_the_main_settings_are_the_last_column() -> None:
    requests = {"redis": {"tuning": {"engine": "redis"}, "ideal_mib": 96, "ceiling_mib": 96}, "app": ask(64)}
    planned = plan(requests, 1024, reserve_mib=100)
    assert table(planned).splitlines()[:4] == [
        "MiB           replicas  floor  limit   share  settings",
        f"redis                1     48     96    9.4%  {planned['services']['redis']['summary']}",
        "app                  1     64     64    6.2%",
        "reserve                          100    9.8%",
    ]


def test_what_is_used_has_columns_of_its_own_and_dashes_for_what_is_not_known() -> None:
    requests = {"db": ask(264, 512, 512), "app": ask(64), "cache": ask(48)}
    used = {"db": {"current_mib": 301, "peak_mib": 322}, "cache": {"current_mib": 7, "peak_mib": None}}
    assert table(plan(requests, 1024, reserve_mib=100), used).splitlines()[:5] == [
        "MiB           replicas  floor  limit   share  used  peak",
        "db                   1    264    512   50.0%   301   322",
        "app                  1     64     64    6.2%     -     -",
        "cache                1     48     48    4.7%     7     -",
        "reserve                          100    9.8%",
    ]


def test_a_long_name_is_shown_whole_in_a_line_of_its_own() -> None:
    name = "an-application-with-a-name-that-leaves-no-room-for-the-other-columns"
    planned = plan({name: ask(64)}, 1024, reserve_mib=0)
    planned["services"][name]["summary"] = "s" * 30
    lines = table(planned, {name: {"current_mib": 1, "peak_mib": 2}}).splitlines()
    assert lines[1] == name
    assert lines[2].split() == ["1", "64", "64", "6.2%", "1", "2", "s" * 30]


@pytest.mark.parametrize(
    ("update_order", "rollout_mib", "words"),
    [
        ("start-first", 96, "start-first, a new replica is healthy before its old one stops"),
        ("start-first", 0, "start-first, and no service here needs a copy for it"),
        ("stop-first", 0, "stop-first, an old replica stops before its new one starts: both at once do not fit"),
    ],
)
def test_the_update_order_is_said_in_words(update_order: str, rollout_mib: int, words: str) -> None:
    assert order_in_words({"update_order": update_order, "rollout_mib": rollout_mib}) == words


def test_what_is_missing_stands_in_the_place_of_what_is_spare_and_nothing_is_said_of_updates() -> None:
    planned = plan({"db": ask(64)}, 1024, reserve_mib=0)
    lines = table({**planned, "spare_mib": -12}).splitlines()
    assert lines[-2].split() == ["missing", "12", "1.2%"]
    assert lines[-1].split() == ["total", "1024", "100.0%"]


@quick
@given(
    st.one_of(
        fitting().map(lambda drawn: plan(drawn[0], drawn[1], **drawn[2])),
        tuned_requests().map(lambda r: plan(r, 65536)),
    ),
    st.lists(st.text("abcdefghijklmnopqrstuvwxyz-_", min_size=1, max_size=130), min_size=6, max_size=6, unique=True),
    st.one_of(st.none(), st.tuples(st.one_of(st.none(), st.integers(0, 65536)), st.integers(0, 65536))),
)
def test_every_line_of_every_plan_fits_100_columns(
    planned: dict[str, Any], names: list[str], used: tuple[int | None, int] | None
) -> None:
    renamed = dict(zip(names, planned["services"].values(), strict=False))
    first = names[0]
    shown = {**planned, "services": renamed, "changes": [{"name": first, "from": 99999, "to": 99999}]}
    in_use = None if used is None else {first: {"current_mib": used[0], "peak_mib": used[1]}}
    lines = table(shown, in_use).splitlines()
    assert max(map(len, lines)) <= 100
    assert len(lines) >= 1 + len(renamed) + 5 + 2


@quick
@given(fitting())
def test_the_services_are_shown_from_the_largest_in_all_its_replicas_down(
    drawn: tuple[Requests, int, dict[str, int]],
) -> None:
    requests, total, options = drawn
    sizes = [service["limit_mib"] * service["replicas"] for _name, service in by_size(plan(requests, total, **options))]
    assert sizes == sorted(sizes, reverse=True)
