# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import pathlib
import re
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.onebox.stack.plugins.module_utils import _secrets
from ansible_collections.onebox.stack.plugins.module_utils._secrets import Store


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "prod" / ".secrets"


@pytest.fixture
def store(directory: pathlib.Path) -> Store:
    return Store(str(directory), "box.example.com")


def test_a_secret_is_32_letters_and_digits_with_a_letter_first() -> None:
    made = [_secrets.generate() for _ in range(100)]
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9]{31}", secret) for secret in made)
    assert len(set(made)) == 100


def test_a_secret_is_made_once_and_kept(store: Store, directory: pathlib.Path) -> None:
    first = store.get("redis_password")
    assert store.get("redis_password") == first
    assert Store(str(directory), "box.example.com").get("redis_password") == first
    assert json.loads((directory / "box.example.com.json").read_text()) == {"redis_password": first}


def test_each_host_and_each_name_has_a_secret_of_its_own(store: Store, directory: pathlib.Path) -> None:
    made = {store.get("a"), store.get("b"), Store(str(directory), "other.example.com").get("a")}
    assert len(made) == 3
    assert store.names() == {"a", "b"}


def test_only_its_owner_can_read_the_file_and_git_ignores_it(store: Store, directory: pathlib.Path) -> None:
    store.get("redis_password")
    assert stat.filemode(directory.stat().st_mode) == "drwx------"
    assert stat.filemode((directory / "box.example.com.json").stat().st_mode) == "-rw-------"
    assert (directory / ".gitignore").read_text() == "*\n"


def test_a_name_with_a_key_in_it_is_used_as_it_is(store: Store) -> None:
    assert store.get("App-Key_2") == store.get("App-Key_2")


@pytest.mark.parametrize("name", ["", "../x", "a b", "1a", "_a", "a\n", "ä"])
def test_a_name_that_cannot_be_a_file_s_is_refused(store: Store, directory: pathlib.Path, name: str) -> None:
    error = f"'{name}' cannot be a secret's name: use letters, digits, '_' and '-', a letter first"
    with pytest.raises(ValueError, match=rf"\A{re.escape(error)}\Z"):
        store.get(name)
    assert not directory.exists()


def test_secrets_found_on_the_host_are_added_where_there_is_none_of_the_name(store: Store) -> None:
    own = store.get("a")
    store.add({"a": "from the host", "b": "from the host"})
    assert store.get("a") == own
    assert store.get("b") == "from the host"


def test_a_file_that_is_damaged_is_never_written_over(store: Store, directory: pathlib.Path) -> None:
    store.get("a")
    path = directory / "box.example.com.json"
    path.write_text('{"a": "x",')
    for attempt in (lambda: store.get("b"), lambda: store.add({"b": "x"}), store.names):
        with pytest.raises(ValueError, match=rf"\A{path} is not JSON any more \(.*\); mend it, or move it away\Z"):
            attempt()
    assert path.read_text() == '{"a": "x",'


@pytest.mark.parametrize("content", ["[]", "null", '{"a": 7}'])
def test_a_file_of_another_shape_is_refused(store: Store, directory: pathlib.Path, content: str) -> None:
    store.get("a")
    path = directory / "box.example.com.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=rf"\A{path} is not a dictionary of texts; mend it, or move it away\Z"):
        store.get("b")


def test_two_tasks_that_ask_at_once_get_the_same_secret(directory: pathlib.Path) -> None:
    stores = [Store(str(directory), "box") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda store: store.get("a"), stores))
        both = set(pool.map(lambda number: stores[number].get(f"n{number}"), range(8)))
    assert len(made) == 1
    assert len(both) == 8
    assert stores[0].names() == {"a", *(f"n{number}" for number in range(8))}


def test_a_run_cut_off_while_saving_leaves_the_secrets_as_they_were(
    store: Store, directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = store.get("a")

    def cut_off(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", cut_off)
        with pytest.raises(KeyboardInterrupt):
            store.get("b")
    assert store.names() == {"a"}
    assert store.get("a") == own
    assert store.get("b") == store.get("b")


def test_a_secret_is_made_anew_only_while_it_is_the_one_in_force(tmp_path: pathlib.Path) -> None:
    store = Store(str(tmp_path), "web1")
    store.add({"old": "in-force", "given": "already-new"})
    store.renew({"old": "in-force", "given": "in-force"})
    first = store.get("old")
    assert (first != "in-force", store.get("given")) == (True, "already-new")
    store.renew({"old": "in-force"})
    assert store.get("old") == first
