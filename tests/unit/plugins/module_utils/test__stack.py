# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import dataclasses
import fcntl
import os
import pathlib
import secrets
import shutil
import threading
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils import _host, _stack
from ansible_collections.onebox.stack.plugins.module_utils._stack import (
    Command,
    File,
    Service,
    StackError,
)

from unit.plugins.module_utils.fake_docker import Engine
from unit.plugins.module_utils.shop import LOOK, UP, UP_AGAIN, Shop, apply, remove, state_of, tree, without_record

# -- the first run, and the next -------------------------------------------------------------------------------------


def test_the_first_run_writes_the_files_and_starts_the_containers(
    shop: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    result = apply(shop)
    home, vault = stack / "services/shop", stack / "secrets/shop"
    assert result.actions == [
        f"write {home}/web.conf",
        f"write {home}/worker.conf",
        f"write {home}/live/a.conf",
        f"write {home}/compose.yaml",
        f"write {stack}/compose.yaml",
        f"write {vault}/password",
        f"write {vault}/token",
        "start web (0 of 1 containers there)",
        "start worker (0 of 2 containers there)",
        "load the settings of shop",
    ]
    assert engine.changing_calls() == [
        f"compose -p demo -f {stack}/services/.shop.new/compose.yaml config --quiet",
        UP,
        "compose exec -T web reload -s",
    ]
    assert [(one["name"], one["image"], one["condition"]) for one in result.containers] == [
        ("demo-web-1", "shop:1", "healthy"),
        ("demo-worker-1", "shop:1", "running"),
        ("demo-worker-2", "shop:1", "running"),
    ]
    assert (home / "web.conf").read_text() == "web"
    assert engine.of("web")[0]["seen"] == {
        "./web.conf": "web",
        "secrets/shop/password": "geheim",
        "secrets/shop/token": "tok",
    }


def test_secrets_lie_where_only_the_container_s_group_can_read_them(shop: Shop, stack: pathlib.Path) -> None:
    apply(shop)
    modes = {path: entry[0] for path, entry in tree(stack).items()}
    assert modes["secrets"] == "drwx------"
    assert modes["secrets/shop"] == "drwx------"
    assert modes["secrets/shop/password"] == "-r--r-----"
    assert modes["secrets/.digest_key"] == "-rw-------"
    assert modes["services/shop/.state.json"] == "-rw-------"
    assert modes["services/shop/web.conf"] == "-rw-r--r--"


def test_what_the_service_is_tuned_for_is_recorded_for_the_next_plan(shop: Shop, stack: pathlib.Path) -> None:
    apply(shop)
    assert _host.tuned_for(stack) == {"shop": {"connections": len(shop.secrets)}}


def test_root_gives_a_secret_to_the_container_s_group_and_another_user_keeps_it(
    shop: Shop, stack: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "chown", lambda _path, user, group: given.append((user, group)))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    apply(shop.but(group=999))
    assert given.count((0, 999)) == 2
    given.clear()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    apply(shop.but(group=999, secrets={"token": "other"}))
    assert set(given) == {(-1, -1)}


def test_what_the_next_runs_need_to_know_is_kept_beside_the_service(running: Shop, stack: pathlib.Path) -> None:
    state = state_of(stack)
    assert state["limits_mib"] == {"web": 64, "worker": 64}
    assert state["guarded"] == ["password"]
    assert state["recreate"] == []
    assert sorted(state["hashes"]) == ["web", "worker"]


def test_the_stack_s_own_compose_file_includes_every_service(running: Shop, stack: pathlib.Path) -> None:
    apply(running.but(name="blog", reload=None, worker="blog-worker", files={"live/a.conf": None}))
    assert (stack / "compose.yaml").read_text() == (
        "name: demo\ninclude:\n  - services/blog/compose.yaml\n  - services/shop/compose.yaml\n"
    )


def test_a_second_run_only_looks(running: Shop, engine: Engine, stack: pathlib.Path) -> None:
    before = tree(stack, times=True)
    ids = [one["Id"] for one in engine.made.values()]
    result = apply(running)
    assert (result.actions, result.diff) == ([], [])
    assert [one["id"] for one in result.containers] == ids
    assert engine.calls == [LOOK, f"inspect {' '.join(ids)}"]
    assert tree(stack, times=True) == before


def test_a_label_holds_no_plain_digest_of_a_secret(
    running: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = engine.of("web")[0]["Config"]["Labels"]["onebox.digest"]
    shutil.rmtree(running.directory)
    engine.made.clear()
    monkeypatch.setattr(secrets, "token_hex", lambda size: "z" * 2 * size)
    apply(running)
    assert engine.of("web")[0]["Config"]["Labels"]["onebox.digest"] != label


# -- what changes in the inventory -----------------------------------------------------------------------------------


def test_a_changed_file_recreates_the_container_that_mounts_it_and_no_other(running: Shop, engine: Engine) -> None:
    web, workers = engine.ids("web"), engine.ids("worker")
    result = apply(running.but(files={"web.conf": "new"}))
    assert "recreate web (its settings differ)" in result.actions
    assert engine.of("web")[0]["seen"]["./web.conf"] == "new"
    assert engine.ids("web") != web
    assert engine.ids("worker") == workers


def test_a_file_that_is_wanted_no_longer_is_removed(running: Shop, engine: Engine, stack: pathlib.Path) -> None:
    apply(running.but(files={"live/b.conf": "b"}))
    result = apply(running)
    assert f"remove {stack}/services/shop/live/b.conf" in result.actions
    assert not (stack / "services/shop/live/b.conf").exists()
    assert apply(running).actions == []


def test_a_hidden_file_is_written_once(running: Shop, stack: pathlib.Path) -> None:
    hidden = running.but(files={"live/.env": "A=1"})
    assert f"write {stack}/services/shop/live/.env" in apply(hidden).actions
    assert apply(hidden).actions == []


def test_a_changed_mode_is_shown_as_such(running: Shop) -> None:
    wanted = running.wanted()
    files = {**wanted.files, "worker.conf": File("work", "0640")}
    result = Service(dataclasses.replace(wanted, files=files)).apply()
    assert [(entry["before"], entry["after"]) for entry in result.diff] == [("mode 0644\n", "mode 0640\n")]


def test_another_secret_than_the_one_in_force_is_refused_and_nothing_is_written(
    running: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    before = tree(stack, times=True)
    with pytest.raises(StackError) as refused:
        apply(running.but(secrets={"password": "other"}, files={"web.conf": "new"}))
    assert str(refused.value) == (
        f"password: the value given differs from the one in force on this host ({stack}/secrets/shop/password). "
        "Nothing was changed. Give the value in force (it is read back into the inventory when it is missing there), "
        "or ask for the change with -e onebox_rotate_secrets=password"
    )
    assert tree(stack, times=True) == before
    assert engine.changing_calls() == []


def test_a_secret_whose_rotation_is_asked_for_is_changed_and_its_containers_recreated(
    running: Shop, engine: Engine
) -> None:
    workers = engine.ids("worker")
    apply(running.but(secrets={"password": "other"}, rotate=("password",)))
    assert engine.of("web")[0]["seen"]["secrets/shop/password"] == "other"
    assert [one["seen"]["secrets/shop/password"] for one in engine.of("worker")] == ["other", "other"]
    assert not set(workers) & set(engine.ids("worker"))


def test_a_secret_file_that_is_made_of_other_values_may_change(running: Shop, engine: Engine) -> None:
    workers = engine.ids("worker")
    apply(running.but(secrets={"token": "new"}))
    assert engine.of("web")[0]["seen"]["secrets/shop/token"] == "new"
    assert engine.ids("worker") == workers


def test_a_secret_that_is_wanted_no_longer_is_removed(running: Shop, stack: pathlib.Path) -> None:
    result = apply(running.but(secrets={"token": None}))
    assert f"remove {stack}/secrets/shop/token" in result.actions
    assert [path.name for path in (stack / "secrets/shop").iterdir()] == ["password"]


def test_a_diff_shows_files_and_only_that_secrets_change(running: Shop, stack: pathlib.Path) -> None:
    result = apply(running.but(files={"web.conf": "new"}, secrets={"password": "other"}, rotate=("password",)))
    shown = {entry["after_header"]: (entry["before"], entry["after"]) for entry in result.diff}
    assert shown[f"{stack}/services/shop/web.conf"] == ("web", "new")
    assert shown[f"{stack}/secrets/shop/password"] == ("(hidden)\n", "new (hidden)\n")
    assert "geheim" not in str(result)
    assert "other" not in str(result)


def test_a_secret_that_only_becomes_guarded_is_remembered_as_such(running: Shop, stack: pathlib.Path) -> None:
    assert apply(running.but(guarded=("password", "token"))).actions == []
    assert state_of(stack)["guarded"] == ["password", "token"]


def test_another_memory_limit_is_in_force_and_on_record(running: Shop, engine: Engine, stack: pathlib.Path) -> None:
    apply(running.but(limit_mib=96))
    assert {one["HostConfig"]["Memory"] for one in engine.made.values()} == {96 * 2**20}
    assert state_of(stack)["limits_mib"] == {"web": 96, "worker": 96}


def test_a_new_image_is_pulled_once(running: Shop, engine: Engine) -> None:
    apply(running.but(image="shop:2"))
    assert engine.changing_calls()[0] == "pull --quiet shop:2"
    assert {one["Config"]["Image"] for one in engine.made.values()} == {"shop:2"}
    engine.calls.clear()
    apply(running.but(image="shop:2", limit_mib=96))
    assert not [call for call in engine.calls if call.startswith("pull")]


def test_a_container_under_another_key_takes_the_place_of_the_old_one_which_may_end_in_peace(
    running: Shop, engine: Engine
) -> None:
    ids = engine.ids("worker")
    result = apply(running.but(worker="jobs"))
    assert result.actions.count("remove container demo-worker-1") == 1
    assert engine.of("worker") == []
    assert len(engine.of("jobs")) == 2
    assert engine.calls.index(f"stop {' '.join(ids)}") < engine.calls.index(f"rm --volumes {' '.join(ids)}")
    assert engine.calls.index(f"rm --volumes {' '.join(ids)}") < engine.calls.index(UP.replace("worker", "jobs"))


# -- what changes on the host ----------------------------------------------------------------------------------------


def test_a_file_edited_on_the_host_is_written_again_and_its_container_force_recreated(
    running: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    (stack / "services/shop/web.conf").write_text("by hand")
    workers = engine.ids("worker")
    result = apply(running)
    assert result.actions == [f"write {stack}/services/shop/web.conf", "recreate web (its files were altered)"]
    assert engine.changing_calls()[1:] == [f"{UP_AGAIN} web", UP]
    assert engine.of("web")[0]["seen"]["./web.conf"] == "web"
    assert engine.ids("worker") == workers


def test_a_secret_file_edited_on_the_host_is_written_again(running: Shop, engine: Engine, stack: pathlib.Path) -> None:
    (stack / "secrets/shop/token").chmod(0o600)
    (stack / "secrets/shop/token").write_text("by hand")
    assert "recreate web (its files were altered)" in apply(running).actions
    assert engine.of("web")[0]["seen"]["secrets/shop/token"] == "tok"


def test_a_secret_that_others_may_read_is_closed_again(running: Shop, stack: pathlib.Path) -> None:
    (stack / "secrets/shop/password").chmod(0o444)
    assert f"write {stack}/secrets/shop/password" in apply(running).actions
    assert (stack / "secrets/shop/password").stat().st_mode & 0o777 == 0o440


def test_a_secret_that_the_container_s_group_cannot_read_is_written_again(running: Shop, stack: pathlib.Path) -> None:
    result = apply(running.but(group=running.group + 1))
    assert f"write {stack}/secrets/shop/password" in result.actions
    assert "recreate worker (its files were altered)" in result.actions


@pytest.mark.parametrize("name", ["web.conf", "compose.yaml", ".state.json"])
def test_a_file_removed_on_the_host_comes_back(running: Shop, engine: Engine, stack: pathlib.Path, name: str) -> None:
    before, picture = tree(stack), engine.picture()
    (stack / "services/shop" / name).unlink()
    assert apply(running).actions != []
    assert tree(stack) == before
    assert engine.picture() == picture
    assert apply(running).actions == []


def test_a_damaged_record_only_costs_a_look_at_everything(running: Shop, engine: Engine, stack: pathlib.Path) -> None:
    ids = engine.ids("web")
    (stack / "services/shop/.state.json").write_text("{")
    apply(running)
    assert engine.ids("web") == ids
    assert state_of(stack)["guarded"] == ["password"]
    assert apply(running).actions == []


@pytest.mark.parametrize("content", [None, "name: demo\nservices: {}\n"])
def test_the_stack_s_own_compose_file_is_mended(running: Shop, stack: pathlib.Path, content: str | None) -> None:
    top = stack / "compose.yaml"
    top.unlink() if content is None else top.write_text(content)
    assert apply(running).actions == [f"write {top}"]
    assert top.read_text() == "name: demo\ninclude:\n  - services/shop/compose.yaml\n"


@pytest.mark.parametrize("status", ["exited", "created", "dead", "restarting"])
def test_a_container_that_does_not_run_is_started(running: Shop, engine: Engine, status: str) -> None:
    ids = engine.ids("web")
    engine.set_state("web", Status=status)
    assert apply(running).actions == [f"start web ({status})"]
    assert engine.changing_calls() == [UP]
    assert engine.ids("web") == ids
    assert engine.of("web")[0]["State"]["Status"] == "running"


@pytest.mark.parametrize("state", [{"Health": {"Status": "unhealthy"}}, {"Status": "paused"}])
def test_a_container_that_is_not_well_is_made_anew(running: Shop, engine: Engine, state: dict[str, Any]) -> None:
    ids = engine.ids("web")
    engine.set_state("web", **state)
    reason = "paused" if "Status" in state else "unhealthy"
    assert apply(running).actions == [f"recreate web ({reason})"]
    assert engine.changing_calls() == [f"{UP_AGAIN} web", UP]
    assert engine.ids("web") != ids


def test_a_container_that_is_still_starting_is_waited_for_and_is_no_change(running: Shop, engine: Engine) -> None:
    engine.set_state("web", Health={"Status": "starting"})
    assert apply(running).actions == []
    assert engine.changing_calls() == [UP]


def test_a_replica_that_ended_is_started_while_another_one_is_starting(running: Shop, engine: Engine) -> None:
    starting, ended = engine.of("worker")
    starting["State"]["Health"] = {"Status": "starting"}
    ended["State"]["Status"] = "exited"
    assert apply(running).actions == ["start worker (exited)"]


def test_a_container_removed_by_hand_is_started_again(running: Shop, engine: Engine) -> None:
    del engine.made[engine.ids("worker")[0]]
    assert apply(running).actions == ["start worker (1 of 2 containers there)"]
    assert [one["Name"] for one in engine.of("worker")] == ["/demo-worker-1", "/demo-worker-2"]


def test_a_replica_too_many_is_removed(running: Shop, engine: Engine) -> None:
    extra = copy.deepcopy(engine.of("worker")[1])
    extra.update(Id="extra", Name="/demo-worker-3")
    engine.made["extra"] = extra
    assert apply(running).actions == ["start worker (3 of 2 containers there)"]
    assert [one["Name"] for one in engine.of("worker")] == ["/demo-worker-1", "/demo-worker-2"]


def test_a_container_that_compose_was_cut_off_at_replacing_is_removed(running: Shop, engine: Engine) -> None:
    half = copy.deepcopy(engine.of("web")[0])
    half.update(Id="half", Name="/0123456789ab_demo-web-1", State={**half["State"], "Status": "created"})
    engine.made["half"] = half
    ids = engine.ids("web")
    assert apply(running).actions == ["remove container 0123456789ab_demo-web-1"]
    assert engine.ids("web") == [id_ for id_ in ids if id_ != "half"]
    assert engine.calls.index("rm --volumes half") < engine.calls.index(UP)


def test_a_missing_replica_does_not_hide_that_the_others_have_altered_files(
    running: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    """The survivor would go on with the file that it has open, which is the altered one."""
    (stack / "services/shop/worker.conf").write_text("by hand")
    engine.set_state("worker", Status="exited")
    apply(running)
    (stack / "services/shop/worker.conf").write_text("by hand")
    del engine.made[engine.ids("worker")[0]]
    for one in engine.of("worker"):
        one["seen"]["./worker.conf"] = "by hand"
    apply(running)
    assert [one["seen"]["./worker.conf"] for one in engine.of("worker")] == ["work", "work"]


def test_a_container_made_from_other_settings_by_hand_is_made_anew(running: Shop, engine: Engine) -> None:
    engine.of("web")[0]["Config"]["Labels"]["com.docker.compose.config-hash"] = "by hand"
    assert apply(running).actions == ["recreate web (its settings differ)"]
    assert engine.of("web")[0]["Config"]["Labels"]["com.docker.compose.config-hash"] != "by hand"


def test_a_container_of_another_project_or_a_one_off_one_is_left_alone(running: Shop, engine: Engine) -> None:
    for id_, label, value in (("a", "com.docker.compose.project", "other"), ("b", "com.docker.compose.oneoff", "True")):
        engine.made[id_] = copy.deepcopy(engine.of("web")[0])
        engine.made[id_].update(Id=id_, Name=f"/{id_}")
        engine.made[id_]["Config"]["Labels"].update({label: value, "com.docker.compose.service": "gone"})
    assert apply(running).actions == []


# -- reload ----------------------------------------------------------------------------------------------------------


def test_a_changed_reload_file_is_loaded_and_the_container_kept(
    running: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    ids = engine.ids("web")
    result = apply(running.but(files={"live/a.conf": "b"}))
    assert result.actions == [f"write {stack}/services/shop/live/a.conf", "load the settings of shop"]
    assert engine.changing_calls()[1:] == ["compose exec -T web reload -s"]
    assert engine.ids("web") == ids
    assert engine.of("web")[0]["loaded"] == {"services/shop/live/a.conf": "b"}


def test_a_reload_file_edited_on_the_host_is_loaded_again(running: Shop, engine: Engine, stack: pathlib.Path) -> None:
    live = stack / "services/shop/live/a.conf"
    live.write_text("by hand")
    engine.of("web")[0]["loaded"] = {"services/shop/live/a.conf": "by hand"}
    assert apply(running).actions == [f"write {live}", "load the settings of shop"]
    assert engine.of("web")[0]["loaded"] == {"services/shop/live/a.conf": "a"}
    assert apply(running).actions == []


def test_settings_are_loaded_into_a_container_that_was_removed_by_hand(running: Shop, engine: Engine) -> None:
    del engine.made[engine.ids("web")[0]]
    assert apply(running).actions == ["start web (0 of 1 containers there)", "load the settings of shop"]
    assert engine.ran == ["web: reload -s"]


def test_the_reload_command_reads_a_secret_from_its_standard_input(running: Shop, engine: Engine) -> None:
    result = apply(running.but(reload=Command("web", ("sql",), stdin="token")))
    assert result.actions == ["load the settings of shop"]
    assert engine.ran == ["web: sql < tok"]
    assert not [call for call in engine.calls if "tok" in call.replace("--no-trunc", "")]


def test_a_failed_reload_goes_back_to_the_files_before(running: Shop, engine: Engine, stack: pathlib.Path) -> None:
    before, picture = tree(stack), engine.picture()
    with pytest.raises(StackError) as failed:
        apply(running.but(files={"live/a.conf": "refused", "live/b.conf": "b"}, limit_mib=96))
    assert str(failed.value) == (
        "shop: web did not take up its new settings: web: these settings are refused\n"
        "The configuration before this run is in force again."
    )
    files, state = without_record(before)
    assert without_record(tree(stack)) == (files, {**state, "reload": None})
    assert engine.picture() == picture
    assert apply(running).actions == ["load the settings of shop"]


# -- the release, and what is published of it ------------------------------------------------------------------------


def test_release_steps_run_in_the_new_image_before_its_containers_and_once(running: Shop, engine: Engine) -> None:
    released = running.but(release=(Command("web", ("migrate", "--force")),), image="shop:2")
    result = apply(released)
    assert "run the release steps of shop" in result.actions
    assert engine.ran == ["web: migrate --force"]
    stage = f"compose -p demo -f {running.directory}/services/.shop.new/compose.yaml"
    run = f"{stage} run --rm -T --no-deps web migrate --force"
    assert engine.calls.index(run) < engine.calls.index(UP)
    assert apply(released).actions == []
    assert engine.ran == ["web: migrate --force"]


def test_release_steps_run_again_when_settings_or_secrets_change(running: Shop, engine: Engine) -> None:
    released = running.but(release=(Command("web", ("migrate",)),))
    apply(released)
    for changes in ({"files": {"worker.conf": "new"}}, {"secrets": {"token": "new"}}):
        engine.ran.clear()
        apply(released.but(**changes))
        assert engine.ran == ["web: migrate"]


def test_a_failed_release_step_leaves_what_runs_alone(running: Shop, engine: Engine, stack: pathlib.Path) -> None:
    before, picture = tree(stack), engine.picture()
    with pytest.raises(StackError) as failed:
        apply(running.but(files={"web.conf": "cannot migrate"}, release=(Command("web", ("migrate",)),)))
    assert str(failed.value) == (
        "shop: the release step 'migrate' failed; what ran before still runs:\nthe table is locked"
    )
    assert tree(stack) == before
    assert engine.picture() == picture


@pytest.fixture
def published(running: Shop, engine: Engine) -> Shop:
    """The shop with its public files copied out of its first image."""
    engine.public = {"shop:1/srv/public": {"app-1.js": "1"}, "shop:2/srv/public": {"app-2.js": "2"}}
    engine.images["shop:3"], engine.public["shop:3/srv/public"] = "sha256:" + "3" * 64, {"app-3.js": "3"}
    shop = running.but(publish=True)
    assert apply(shop).actions == ["publish the files of shop:1"]
    engine.calls.clear()
    return shop


def public_files(stack: pathlib.Path) -> dict[str, Any]:
    found = tree(stack / "services/shop/public")
    return {path: content for path, (mode, content, _times) in found.items() if not mode.startswith("d")}


def test_the_public_files_of_this_release_and_the_one_before_are_there(
    published: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    assert public_files(stack) == {"current": "1" * 12, f"{'1' * 12}/app-1.js": "1"}
    apply(published.but(image="shop:2"))
    apply(published.but(image="shop:3"))
    assert public_files(stack) == {
        "current": "3" * 12,
        "previous": "2" * 12,
        f"{'2' * 12}/app-2.js": "2",
        f"{'3' * 12}/app-3.js": "3",
    }
    assert apply(published.but(image="shop:3")).actions == []
    assert len(engine.made) == 3


def test_public_files_removed_by_hand_are_published_again(published: Shop, stack: pathlib.Path) -> None:
    (stack / "services/shop/public/current").unlink()
    assert apply(published).actions == ["publish the files of shop:1"]
    assert public_files(stack) == {"current": "1" * 12, f"{'1' * 12}/app-1.js": "1"}


def test_when_the_new_release_fails_the_public_files_of_the_old_one_are_served(
    published: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    with pytest.raises(StackError, match="is in force again"):
        apply(published.but(image="shop:2", files={"web.conf": "broken"}))
    assert os.readlink(stack / "services/shop/public/current") == "1" * 12
    assert apply(published).actions == ["load the settings of shop"]


def test_a_directory_that_the_image_lacks_changes_nothing(published: Shop, engine: Engine, stack: pathlib.Path) -> None:
    before, picture = tree(stack), engine.picture()
    del engine.public["shop:2/srv/public"]
    with pytest.raises(StackError, match="Could not find the file /srv/public"):
        apply(published.but(image="shop:2", secrets={"password": "other"}, rotate=("password",)))
    assert without_record(tree(stack))[0] == without_record(before)[0]
    assert engine.picture() == picture


# -- absent ----------------------------------------------------------------------------------------------------------


def test_absent_removes_containers_files_and_secrets_and_keeps_the_volumes(
    running: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    ids = " ".join(engine.made)
    result = remove(running)
    assert result.actions == [
        "removed container demo-web-1",
        "removed container demo-worker-1",
        "removed container demo-worker-2",
        f"removed {stack}/services/shop",
        f"removed {stack}/secrets/shop",
    ]
    assert engine.changing_calls() == [f"stop {ids}", f"rm --volumes {ids}"]
    assert engine.volumes == {"demo_data"}
    assert (stack / "compose.yaml").read_text() == "name: demo\nservices: {}\n"
    assert sorted(path for path in tree(stack) if "shop" in path) == []


def test_absent_removes_the_volumes_when_asked_for(running: Shop, engine: Engine) -> None:
    assert "removed volume demo_data" in remove(running, volumes=True).actions
    assert engine.volumes == set()


def test_absent_does_nothing_where_nothing_is(running: Shop, engine: Engine, stack: pathlib.Path) -> None:
    remove(running)
    before = tree(stack, times=True)
    engine.calls.clear()
    assert remove(running, volumes=True).actions == []
    assert engine.calls == [LOOK]
    assert tree(stack, times=True) == before


def test_absent_keeps_the_other_services(running: Shop, engine: Engine, stack: pathlib.Path) -> None:
    blog = running.but(name="blog", reload=None, worker="blog-worker", files={"live/a.conf": None})
    apply(blog)
    remove(blog)
    assert (stack / "services/shop/compose.yaml").exists()
    assert (stack / "compose.yaml").read_text() == "name: demo\ninclude:\n  - services/shop/compose.yaml\n"


# -- two runs at once ------------------------------------------------------------------------------------------------


def test_a_run_waits_for_another_one_in_the_same_stack(running: Shop, stack: pathlib.Path) -> None:
    with open(stack / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=apply, args=(running,), daemon=True)
        second.start()
        second.join(timeout=0.2)
        assert second.is_alive()
    second.join(timeout=10)
    assert not second.is_alive()


# -- the docker client -----------------------------------------------------------------------------------------------


@pytest.fixture
def client(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> _stack.Docker:
    """A client that says where it runs and what it reads, and fails as it is told to."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\ncase "$1" in\nfail) echo one >&2; echo >&2; echo two >&2; exit 3;;\nsilent) exit 4;;\n'
        'absent) exit 1;;\nesac\necho "$PWD: $*: $(cat)"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    (tmp_path / "demo").mkdir()
    return _stack.Docker("demo", tmp_path / "demo")


def test_the_client_runs_in_the_stack_s_directory_and_reads_only_what_it_is_given(
    client: _stack.Docker, tmp_path: pathlib.Path
) -> None:
    assert client.run("a", "b c") == f"{tmp_path}/demo: a b c: \n"
    assert client.run("a", stdin="words") == f"{tmp_path}/demo: a: words\n"


def test_the_client_looks_at_a_host_that_has_no_stack_yet(client: _stack.Docker, tmp_path: pathlib.Path) -> None:
    (tmp_path / "demo").rmdir()
    assert client.run("ps") == "/: ps: \n"


def test_the_client_s_last_words_are_the_error(client: _stack.Docker) -> None:
    with pytest.raises(StackError, match=r"\Aone\ntwo\Z"):
        client.run("fail")
    with pytest.raises(StackError, match=r"^docker silent failed \(4\)$"):
        client.run("silent")


def test_without_a_client_the_role_that_brings_it_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        StackError, match=r"\Athe docker client is not installed; apply the role onebox\.stack\.docker first\Z"
    ):
        _stack.Docker("demo", tmp_path).run("ps")


def test_a_command_has_the_lock_too_and_so_keeps_it_when_the_run_is_killed(
    client: _stack.Docker, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "bin" / "docker").write_text("#!/bin/sh\nreadlink /proc/$$/fd/* || true\n")
    lock = str(tmp_path / "demo" / ".lock")
    service = _stack.Service(Shop(str(tmp_path / "demo")).wanted())
    with service._locked():
        assert lock in client.run("compose", "up").splitlines()
    assert lock not in client.run("compose", "up").splitlines()
