# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long containers are waited for, and which are given up."""

from __future__ import annotations

import dataclasses
import datetime
import time
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils._stack import (
    HOPELESS_RESTARTS,
    SETTLED_SECONDS,
    Service,
    StackError,
)

from unit.plugins.module_utils.fake_docker import Engine
from unit.plugins.module_utils.shop import Shop, apply


def started(seconds_ago: float) -> str:
    """Return the time as the engine writes it, in nanoseconds."""
    when = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds_ago)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def test_a_container_without_a_health_check_must_run_for_a_while(running: Shop, engine: Engine) -> None:
    engine.set_state("worker", StartedAt=started(0))
    engine.set_state("web", Health={"Status": "starting"})  # so that the run waits
    before = time.monotonic()
    assert apply(running).actions == []
    assert SETTLED_SECONDS - 1 < time.monotonic() - before < SETTLED_SECONDS + 2


def test_a_container_that_is_never_ready_is_given_up_when_its_time_is_over(running: Shop, engine: Engine) -> None:
    slow = dataclasses.replace(running.but(files={"web.conf": "slow"}).wanted(), wait_seconds=0)
    with pytest.raises(
        StackError, match=r"^shop: container demo-web-1 is starting after 0 s\.\nIts health check says: "
    ):
        Service(slow).apply()


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"Status": "exited", "ExitCode": 3}, r"is exited \(exit code 3\)"),
        ({"Status": "dead"}, "is dead"),
        ({"Health": {"Status": "unhealthy"}}, "is unhealthy"),
    ],
)
def test_a_container_that_will_not_get_well_is_given_up_at_once(
    running: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch, state: dict[str, Any], reason: str
) -> None:
    monkeypatch.setattr(
        engine, "step", lambda where: engine.set_state("web", **state) if "done with web" in where else None
    )
    before = time.monotonic()
    with pytest.raises(StackError, match=f"^shop: container demo-web-1 {reason}"):
        apply(running.but(limit_mib=96))
    assert time.monotonic() - before < 1


def test_a_container_that_was_restarted_often_before_is_given_some_more_tries(
    running: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = engine.of("worker")[0]
    worker["RestartCount"] = 1000
    ends = {"Status": "restarting", "ExitCode": 3}
    monkeypatch.setattr(
        engine, "step", lambda where: worker["State"].update(ends) if "done with worker" in where else None
    )
    engine.set_state("worker", Status="exited")
    with pytest.raises(StackError, match=r"demo-worker-1 is restarting \(exit code 3\)"):
        apply(running)
    assert worker["RestartCount"] >= 1000 + HOPELESS_RESTARTS


def test_the_container_that_is_given_up_is_the_one_that_is_named(running: Shop, engine: Engine) -> None:
    """And not its neighbour, which only has not started yet."""
    with pytest.raises(StackError, match=r"^shop: container demo-worker-1 is restarting"):
        apply(running.but(files={"web.conf": "slow", "worker.conf": "crash"}))
