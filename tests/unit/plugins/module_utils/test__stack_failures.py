# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils._stack import (
    Command,
    Service,
    StackError,
    Wanted,
)

from unit.plugins.module_utils.fake_docker import Engine
from unit.plugins.module_utils.shop import UP, UP_AGAIN, Shop, apply, remove, state_of, tree, without_record

# -- what fails ------------------------------------------------------------------------------------------------------


def test_when_the_new_containers_fail_the_old_files_secrets_and_state_are_back(
    running: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    before, picture = tree(stack), engine.picture()
    with pytest.raises(StackError) as failed:
        apply(
            running.but(
                files={"web.conf": "broken", "worker.conf": "w", "live/a.conf": "b", "live/b.conf": "b"},
                secrets={"password": "other", "token": "new", "extra": "x"},
                rotate=("password",),
                limit_mib=96,
            )
        )
    assert str(failed.value) == (
        "shop: container demo-web-1 is unhealthy.\n"
        "Its health check says: connection refused\n"
        "Last log lines:\n"
        "line 1 of /demo-web-1\nline 2 of /demo-web-1\nline 3 of /demo-web-1\n"
        "The configuration before this run is in force again."
    )
    files, state = without_record(before)
    assert without_record(tree(stack)) == (files, {**state, "reload": None})
    assert engine.picture() == picture
    assert apply(running).actions == ["load the settings of shop"]


def test_a_container_that_ended_is_named_with_its_exit_code(running: Shop) -> None:
    with pytest.raises(
        StackError, match=r"^shop: container demo-worker-1 is restarting \(exit code 137\)\.\nLast log lines:"
    ):
        apply(running.but(files={"worker.conf": "crash"}))


def test_a_container_killed_for_want_of_memory_is_named_with_its_limit(running: Shop) -> None:
    reason = r"^shop: container demo-worker-1 is restarting, killed for want of memory \(limit 64 MiB\)\."
    with pytest.raises(StackError, match=reason):
        apply(running.but(files={"worker.conf": "crash, hungry"}))


def test_when_compose_fails_its_own_words_are_given(running: Shop, engine: Engine) -> None:
    engine.failing["compose up"] = "port is already allocated"
    with pytest.raises(StackError) as failed:
        apply(running.but(limit_mib=96))
    assert str(failed.value) == (
        "shop: port is already allocated\nGoing back to the configuration before this run was tried, and failed too."
    )


def test_a_container_without_a_log_is_said_to_have_none(running: Shop, engine: Engine) -> None:
    engine.failing["logs"] = ""
    with pytest.raises(StackError, match=r"is restarting \(exit code 137\)\.\nIt wrote no log\.\n"):
        apply(running.but(files={"worker.conf": "crash"}))


def test_when_the_old_containers_do_not_get_well_either_that_is_said(
    running: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sick = {"Health": {"Status": "unhealthy"}}
    monkeypatch.setattr(engine, "step", lambda where: engine.set_state("web", **sick) if "with web" in where else None)
    with pytest.raises(StackError) as failed:
        apply(running.but(limit_mib=96))
    assert str(failed.value).splitlines()[-1] == (
        "Going back to the configuration before this run was tried, and failed too."
    )


def test_a_first_run_that_fails_leaves_its_containers_for_a_look_with_what_they_mount(
    shop: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    with pytest.raises(StackError) as failed:
        apply(shop.but(files={"web.conf": "broken"}))
    assert str(failed.value).splitlines()[-1] == (
        f"It had not run before. Its containers are left for a look: docker compose logs, in {stack}."
    )
    assert len(engine.made) == 3
    assert (stack / "secrets/shop/password").read_text() == "geheim"
    assert state_of(stack)["guarded"] == ["password"]


def test_a_second_run_that_fails_touches_no_other_service(shop: Shop, engine: Engine) -> None:
    for _run in range(2):
        with pytest.raises(StackError, match="It had not run before"):
            apply(shop.but(files={"web.conf": "broken"}))
    assert {call for call in engine.calls if call.startswith("compose up")} == {UP, f"{UP_AGAIN} web"}


def test_after_a_first_run_that_failed_a_better_one_succeeds(shop: Shop, engine: Engine) -> None:
    with pytest.raises(StackError, match="is unhealthy"):
        apply(shop.but(files={"web.conf": "broken"}))
    apply(shop)
    assert engine.of("web")[0]["State"]["Health"]["Status"] == "healthy"
    assert apply(shop).actions == []


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (
            {"files": {"web.conf": "refused", "live/a.conf": "b"}, "checked": True},
            "shop: web refuses its new settings; the ones in force are kept:\nchecking\nline 7: refused",
        ),
        ({"image": "shop:9"}, "shop: the image shop:9 cannot be pulled: manifest for shop:9 not found"),
        ({"limit_mib": 0}, "services.web: memory must be more than nothing"),
    ],
    ids=["the vendor's checker", "an image that does not exist", "compose config"],
)
def test_what_is_not_valid_leaves_files_secrets_and_containers_as_they_are(
    running: Shop, engine: Engine, stack: pathlib.Path, changes: dict[str, Any], error: str
) -> None:
    before, picture = tree(stack), engine.picture()
    with pytest.raises(StackError) as refused:
        apply(running.but(secrets={"password": "other", "extra": "x"}, rotate=("password",), **changes))
    assert str(refused.value) == error
    assert tree(stack) == before
    assert engine.picture() == picture
    assert apply(running).actions == []


def test_a_checker_does_not_see_what_a_run_that_was_cut_off_left(running: Shop, stack: pathlib.Path) -> None:
    (stack / "services/.shop.new/live").mkdir(parents=True)
    (stack / "services/.shop.new/live/old.conf").write_text("refused")
    apply(running.but(files={"web.conf": "new"}, checked=True))
    assert (stack / "services/shop/web.conf").read_text() == "new"


def test_a_checker_runs_in_a_project_of_its_own_on_the_new_files(running: Shop, engine: Engine) -> None:
    apply(running.but(files={"web.conf": "new"}, checked=True))
    stage = f"{running.directory}/services/.shop.new"
    assert f"compose -p demo-check -f {stage}/.check.yaml run --rm -T web" in engine.calls
    assert not pathlib.Path(stage).exists()


# -- a run that is cut off -------------------------------------------------------------------------------------------


class Cut(BaseException):
    """The process is gone."""


class Power:
    """Cuts a run off at the step of a number, ``at``. What comes later takes no effect, not even what tidies up."""

    def __init__(self) -> None:
        self.trail: list[str] = []
        self.at = math.inf

    def step(self, where: str) -> None:
        self.there()
        self.trail.append(where)
        self.there()

    def there(self) -> None:
        if len(self.trail) > self.at:
            raise Cut

    def back(self) -> None:
        """Let the next run do all it wants."""
        self.trail, self.at = [], math.inf


@pytest.fixture
def power(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Power:
    """Every command of the docker client is a step, and every change of a file."""
    power = Power()
    engine.step = power.step
    for name in ("chmod", "mkdir", "rename", "replace", "rmdir", "symlink", "unlink"):
        monkeypatch.setattr(os, name, _stepping(power, getattr(os, name)))
    return power


def _stepping(power: Power, change: Callable[..., Any]) -> Callable[..., Any]:
    def stepping(*args: Any, **kwargs: Any) -> Any:
        power.there()
        result = change(*args, **kwargs)
        power.step(f"{change.__name__} {args[0]}")
        return result

    return stepping


@dataclasses.dataclass(frozen=True)
class Story:
    """What is there, what is done to the host, and what a run then does."""

    before: Callable[[Shop, Engine], object]
    run: Callable[[Shop], object]


def _new(shop: Shop) -> Shop:
    """Return the shop with all changed that a run can change."""
    return shop.but(
        image="shop:2",
        worker="jobs",
        files={"web.conf": "new", "live/a.conf": "b", "live/b.conf": "b", "old.conf": None},
        secrets={"password": "other", "token": None, "extra": "x"},
        guarded=("password", "extra"),
        rotate=("password",),
        release=(Command("web", ("migrate",)),),
        publish=True,
        limit_mib=96,
    )


def _nothing(shop: Shop, engine: Engine) -> None:
    del shop, engine


def _old(shop: Shop, engine: Engine) -> None:
    apply(shop.but(files={"old.conf": "old"}, publish=True))
    del engine


def _altered_settings(shop: Shop, engine: Engine) -> None:
    apply(shop)
    (pathlib.Path(shop.directory) / "services/shop/live/a.conf").write_text("by hand")
    engine.of("web")[0]["loaded"] = {"services/shop/live/a.conf": "by hand"}


def _drift(shop: Shop, engine: Engine) -> None:
    apply(shop)
    home = pathlib.Path(shop.directory)
    for path in ("services/shop/web.conf", "services/shop/worker.conf", "services/shop/live/a.conf"):
        (home / path).write_text("by hand")
    (home / "secrets/shop/token").unlink()
    del engine.made[engine.ids("worker")[1]]
    for one in engine.made.values():
        one["loaded"] = dict.fromkeys(one["loaded"], "by hand")
        one["seen"] = dict.fromkeys(one["seen"], "by hand")


STORIES = {
    "the first install": Story(_nothing, lambda shop: apply(shop.but(publish=True))),
    "a change of everything": Story(_old, lambda shop: apply(_new(shop))),
    "a repair": Story(_drift, apply),
    "a repair of what is reloaded": Story(_altered_settings, apply),
    "the first install of a database": Story(_nothing, lambda shop: apply(shop.but(data_format="db-1"))),
    "a removal": Story(_old, lambda shop: remove(shop, volumes=True)),
}


def _start(story: Story, shop: Shop, engine: Engine) -> None:
    """Make the same host again: an empty one, and then what the story begins with."""
    shutil.rmtree(engine.stack.parent, ignore_errors=True)
    fresh = Engine(engine.stack, engine.step)
    fresh.public = {"shop:1/srv/public": {"app-1.js": "1"}, "shop:2/srv/public": {"app-2.js": "2"}}
    engine.__dict__.update(fresh.__dict__)
    story.before(shop, engine)


@dataclasses.dataclass(frozen=True)
class Ending:
    """Where an unbroken run ends."""

    files: dict[str, tuple[Any, ...]]
    containers: list[tuple[Any, ...]]
    volumes: set[str]
    steps: list[str]
    calls: list[str]


def _unbroken(story: Story, shop: Shop, engine: Engine, power: Power) -> Ending:
    _start(story, shop, engine)
    power.back()
    engine.calls.clear()
    story.run(shop)
    return Ending(tree(engine.stack), engine.picture(), engine.volumes, list(power.trail), list(engine.calls))


def _assert_it_recovers(story: Story, shop: Shop, engine: Engine, ending: Ending, at: str) -> None:
    """Run again and expect the end of an unbroken run, then once more and expect nothing to do."""
    story.run(shop)
    assert tree(engine.stack) == ending.files, at
    assert engine.picture() == ending.containers, at
    assert engine.volumes == ending.volumes, at
    before = tree(engine.stack, times=True)
    engine.calls.clear()
    third: Any = story.run(shop)
    assert third.actions == [], at
    assert engine.changing_calls() == [], at
    assert tree(engine.stack, times=True) == before, at


@pytest.mark.parametrize("name", STORIES)
def test_a_run_killed_at_any_step_and_started_again_ends_where_an_unbroken_one_does(
    name: str, shop: Shop, engine: Engine, power: Power
) -> None:
    story = STORIES[name]
    ending = _unbroken(story, shop, engine, power)
    assert len(ending.steps) > 20
    for number, where in enumerate(ending.steps):
        _start(story, shop, engine)
        power.back()
        power.at = number
        with pytest.raises(Cut):
            story.run(shop)
        power.back()
        _assert_it_recovers(story, shop, engine, ending, f"killed at step {number}: {where}")


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_a_run_interrupted_at_any_command_and_started_again_ends_where_an_unbroken_one_does(
    name: str, signal: type[BaseException], shop: Shop, engine: Engine, power: Power
) -> None:
    story = STORIES[name]
    ending = _unbroken(story, shop, engine, power)
    assert len(ending.calls) > 4
    for number, where in enumerate(ending.calls):
        _start(story, shop, engine)
        engine.calls.clear()
        engine.signals = {number: signal}
        with pytest.raises(signal):
            story.run(shop)
        _assert_it_recovers(story, shop, engine, ending, f"interrupted at command {number}: docker {where}")


# -- check mode ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STORIES)
def test_check_mode_says_what_the_run_then_does_and_changes_nothing(
    name: str, shop: Shop, engine: Engine, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = STORIES[name]
    _start(story, shop, engine)
    before, picture = tree(tmp_path, times=True), engine.picture()
    engine.calls.clear()
    with monkeypatch.context() as patched:
        patched.setattr(Service, "__init__", _in_check_mode(Service.__init__))
        foretold: Any = story.run(shop)
    assert tree(tmp_path, times=True) == before
    assert engine.picture() == picture
    assert [call for call in engine.changing_calls() if not call.endswith("config --format json")] == []
    done: Any = story.run(shop)
    assert foretold.actions == done.actions != []
    shown = [(entry["before_header"], entry["before"]) for entry in foretold.diff]
    assert shown == [(entry["before_header"], entry["before"]) for entry in done.diff]


def _in_check_mode(init: Callable[..., None]) -> Callable[..., None]:
    def init_in_check_mode(service: Service, wanted: Wanted, *, check_mode: bool) -> None:
        del check_mode
        init(service, wanted, check_mode=True)

    return init_in_check_mode


def test_check_mode_refuses_a_changed_secret_too(running: Shop) -> None:
    with pytest.raises(StackError, match="password: the value given differs"):
        apply(running.but(secrets={"password": "other"}), check_mode=True)


def test_check_mode_works_where_docker_is_not_installed_yet(
    stack: pathlib.Path, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "start web (0 of 1 containers there)" in apply(Shop(str(stack)), check_mode=True).actions
    assert list(tmp_path.iterdir()) == []


# -- a change of secrets that is cut off -----------------------------------------------------------------------------


def _changed(shop: Shop) -> Shop:
    return shop.but(secrets={"password": "other", "token": "new"}, guarded=("password", "token"))


def test_a_change_of_secrets_that_was_cut_off_goes_on_without_being_asked_for_again(
    shop: Shop, engine: Engine, power: Power
) -> None:
    began = Story(_nothing, lambda shop: apply(_changed(shop).but(rotate=("password", "token"))))
    before = shop.but(guarded=("password", "token"))

    def start() -> None:
        _start(began, shop, engine)
        apply(before)

    start()
    power.back()
    began.run(shop)
    steps, resumed = list(power.trail), 0
    for number, where in enumerate(steps):
        start()
        power.back()
        power.at = number
        with pytest.raises(Cut):
            began.run(shop)
        power.back()
        vault = engine.stack / "secrets/shop"
        if "other" in (vault / "password").read_text() or "new" in (vault / "token").read_text():
            apply(_changed(shop))
            resumed += 1
            assert {path.name: path.read_text() for path in vault.iterdir()} == {"password": "other", "token": "new"}
            assert apply(_changed(shop)).actions == [], where
    assert resumed > 5


@pytest.fixture
def beside(running: Shop, engine: Engine) -> Shop:
    """A service that shares the password, and whose own copy is as old."""
    del engine
    beside = running.but(name="beside", worker="beside-worker")
    apply(beside)
    return beside


def test_a_secret_that_another_service_has_changed_already_is_taken_up(
    running: Shop, beside: Shop, stack: pathlib.Path
) -> None:
    apply(running.but(secrets={"password": "other"}, rotate=("password",)))
    apply(beside.but(secrets={"password": "other"}))
    assert (stack / "secrets/beside/password").read_text() == "other"


def test_a_secret_is_not_changed_back_to_what_another_service_still_has(running: Shop, beside: Shop) -> None:
    apply(running.but(secrets={"password": "other"}, rotate=("password",)))
    with pytest.raises(StackError, match="password: the value given differs"):
        apply(running)


def test_a_secret_that_nobody_has_is_refused_although_others_share_it(running: Shop, beside: Shop) -> None:
    apply(running.but(secrets={"password": "other"}, rotate=("password",)))
    with pytest.raises(StackError, match="password: the value given differs"):
        apply(beside.but(secrets={"password": "a third"}))
