# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The data of a service: never lost from sight, never read by the wrong server, never half a beginning."""

from __future__ import annotations

import json
import pathlib
import shutil
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils import _data
from ansible_collections.onebox.stack.plugins.module_utils._stack import StackError

from unit.plugins.module_utils.fake_docker import Engine
from unit.plugins.module_utils.shop import Shop, apply, remove, tree

CLEARED = "remove volume demo_db-1 (its first start was cut off)"


@pytest.fixture
def database(shop: Shop) -> Shop:
    return shop.but(data_format="db-1")


def record(stack: pathlib.Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((stack / _data.FILE).read_text())
    return found


def held(data_format: str, volume: str, *, ready: bool = True) -> dict[str, Any]:
    return {"format": data_format, "volume": volume, "ready": ready}


def test_the_volume_is_named_after_what_is_in_it_and_on_record_when_the_server_is_well(
    database: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    apply(database)
    assert engine.volumes == {"demo_db-1"}
    assert record(stack) == {"services": {"shop": held("db-1", "demo_db-1")}, "kept": {}}
    assert apply(database).actions == []


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "empty"])
def test_a_server_is_not_started_on_no_data_where_there_was_some(
    gone: bool, database: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    apply(database)
    engine.made.clear()
    shutil.rmtree(engine.mountpoint("demo_db-1"))
    if gone:
        engine.volumes.clear()
    else:
        (engine.mountpoint("demo_db-1") / "lost+found").mkdir(parents=True)
    before = tree(stack, times=True)
    for check_mode in (True, False):
        with pytest.raises(StackError) as refused:
            apply(database, check_mode=check_mode)
        assert str(refused.value) == (
            "shop: the host has a record of data in the volume demo_db-1, which is empty or gone. "
            "Bring the volume back, or give its data up: -e onebox_accept_data_loss=shop\nNothing was changed."
        )
    assert engine.made == {}
    before.pop(".lock", None)
    assert {path: entry for path, entry in tree(stack, times=True).items() if path != ".lock"} == before

    accepted = apply(database.but(accept_data_loss=True)).actions
    assert accepted == [
        "start web (0 of 1 containers there)",
        "start worker (0 of 2 containers there)",
        "load the settings of shop",
    ]
    assert engine.volumes == {"demo_db-1"}
    assert apply(database).actions == []


def test_what_a_first_start_left_that_was_cut_off_is_removed_and_made_anew(
    database: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    with pytest.raises(StackError, match="is unhealthy"):
        apply(database.but(files={"web.conf": "broken"}))
    assert record(stack)["services"]["shop"] == held("db-1", "demo_db-1", ready=False)
    (engine.mountpoint("demo_db-1") / "half").write_text("a table")
    assert CLEARED in apply(database, check_mode=True).actions
    assert (engine.mountpoint("demo_db-1") / "half").exists()
    assert CLEARED in apply(database).actions
    assert not (engine.mountpoint("demo_db-1") / "half").exists()
    assert record(stack)["services"]["shop"] == held("db-1", "demo_db-1")


def test_a_first_start_that_was_cut_off_may_be_followed_by_one_of_another_format(
    database: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    with pytest.raises(StackError, match="is unhealthy"):
        apply(database.but(files={"web.conf": "broken"}))
    apply(database.but(data_format="db-2"))
    assert record(stack)["services"]["shop"] == held("db-2", "demo_db-2")
    assert engine.volumes == {"demo_db-2"}


def test_a_first_start_that_got_well_after_its_run_was_killed_is_kept(
    database: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    apply(database)
    for one in engine.made.values():
        one["State"].setdefault("Health", {"Status": "healthy"})
    changed = record(stack)
    changed["services"]["shop"]["ready"] = False
    (stack / _data.FILE).write_text(json.dumps(changed))
    assert apply(database).actions == []
    assert record(stack)["services"]["shop"]["ready"] is True


def test_a_server_is_not_started_on_the_files_of_another(database: Shop, engine: Engine) -> None:
    apply(database)
    picture = engine.picture()
    with pytest.raises(StackError) as refused:
        apply(database.but(data_format="db-2"))
    assert str(refused.value) == (
        "shop: its data on this host is of db-1 (volume demo_db-1), and db-2 was asked for, which has files of its "
        "own. Ask for db-1 again, or take the data along: ansible-playbook onebox.stack.upgrade -e service=shop\n"
        "Nothing was changed."
    )
    assert engine.picture() == picture


def test_a_server_begins_anew_in_another_format_when_its_data_is_given_up_and_the_volume_is_kept(
    database: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    apply(database)
    anew = database.but(data_format="db-2", accept_data_loss=True)
    apply(anew)
    assert record(stack) == {"services": {"shop": held("db-2", "demo_db-2")}, "kept": {"demo_db-1": "shop"}}
    assert engine.volumes == {"demo_db-1", "demo_db-2"}
    assert apply(anew).actions == []


def test_a_volume_without_a_record_is_taken_as_it_is(database: Shop, engine: Engine, stack: pathlib.Path) -> None:
    engine.fill("demo_db-1")
    (engine.mountpoint("demo_db-1") / "old").write_text("rows")
    apply(database)
    assert (engine.mountpoint("demo_db-1") / "old").exists()
    assert record(stack)["services"]["shop"] == held("db-1", "demo_db-1")


def test_a_service_that_comes_back_has_its_data_again(database: Shop, engine: Engine) -> None:
    apply(database)
    remove(database)
    (engine.mountpoint("demo_db-1") / "mine").write_text("rows")
    apply(database)
    assert (engine.mountpoint("demo_db-1") / "mine").exists()


def test_a_service_removed_with_its_volumes_begins_anew(database: Shop, stack: pathlib.Path) -> None:
    apply(database)
    remove(database, volumes=True)
    assert record(stack) == {"services": {}, "kept": {}}
    apply(database.but(data_format="db-2"))


def test_data_is_handed_over_to_the_service_that_goes_on_with_it_and_what_that_had_is_kept(
    database: Shop, engine: Engine, stack: pathlib.Path
) -> None:
    apply(database)
    following = database.but(name="next", worker="next-worker", data_format="db-2")
    apply(following)
    remove(following, heir="shop")
    assert record(stack) == {"services": {"shop": held("db-2", "demo_db-2")}, "kept": {"demo_db-1": "shop"}}
    apply(database.but(data_format="db-2"))
    assert engine.volumes == {"demo_db-1", "demo_db-2"}
    with pytest.raises(StackError, match="its data on this host is of db-2"):
        apply(database)


def test_a_volume_that_is_kept_is_never_taken_for_another_beginning(database: Shop, stack: pathlib.Path) -> None:
    apply(database)
    found = record(stack)
    (stack / _data.FILE).write_text(json.dumps({"services": {}, "kept": {"demo_db-1": "shop", "demo_db-1-2": "shop"}}))
    assert found["services"]["shop"]["volume"] == "demo_db-1"
    apply(database)
    assert record(stack)["services"]["shop"] == held("db-1", "demo_db-1-3")
