# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar

INVENTORY = """
inventory_hostname: box
onebox_secrets_dir: "{{ inventory_dir }}/.secrets"
vault_redis: from the vault
redis_password: "{{ vault_redis }}"
mysql_password: "{{ lookup('onebox.stack.secret', 'mysql_password') }}"
pin: 1234
"""


@pytest.fixture
def variables(inventory: Callable[[str], dict[str, Any]], tmp_path: pathlib.Path) -> dict[str, Any]:
    """What a host has in its inventory, with the default of a role that asks for a secret."""
    return {**inventory(INVENTORY), "inventory_dir": str(tmp_path)}


def look_up(names: list[str], variables: dict[str, Any], **options: Any) -> list[str]:
    templar = Templar(loader=DataLoader(), variables=variables)
    lookup = lookup_loader.get("onebox.stack.secret", loader=DataLoader(), templar=templar)
    found: list[str] = lookup.run(names, variables, **options)
    return found


def kept(tmp_path: pathlib.Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((tmp_path / ".secrets/box.json").read_text())
    return found


def test_secrets_are_made_once_and_kept_beside_the_inventory(variables: dict[str, Any], tmp_path: pathlib.Path) -> None:
    first = look_up(["a", "b", "a"], variables)
    assert first == look_up(["a", "b", "a"], variables)
    assert kept(tmp_path) == {"a": first[0], "b": first[1]}
    assert first[0] == first[2] != first[1]


def test_a_variable_of_the_secret_s_name_wins_when_that_is_asked_for(
    variables: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    found = look_up(["redis_password", "other"], variables, variables_first=True)
    assert found[0] == "from the vault"
    assert kept(tmp_path) == {"other": found[1]}


def test_a_variable_of_the_secret_s_name_is_not_looked_at_otherwise(variables: dict[str, Any]) -> None:
    """A role's own default is such a variable: it asks for the secret, and must not ask itself."""
    assert re.fullmatch("[A-Za-z0-9]{32}", look_up(["mysql_password"], variables)[0])


def test_a_variable_that_is_not_a_text_becomes_one(variables: dict[str, Any]) -> None:
    assert look_up(["pin"], variables, variables_first=True) == ["1234"]


def test_without_a_directory_the_role_that_has_its_default_is_named() -> None:
    error = "onebox_secrets_dir is not defined; it has a default in the role onebox.stack.onebox"
    with pytest.raises(AnsibleError, match=rf"\A{re.escape(error)}\Z"):
        look_up(["a"], {"inventory_hostname": "box"})


def test_a_name_that_cannot_be_used_is_refused(variables: dict[str, Any]) -> None:
    with pytest.raises(AnsibleError, match=r"\Asecret: '\.\./x' cannot be a secret's name"):
        look_up(["../x"], variables)


def test_a_directory_that_cannot_be_made_is_named(variables: dict[str, Any], tmp_path: pathlib.Path) -> None:
    (tmp_path / ".secrets").write_text("")
    with pytest.raises(AnsibleError, match=rf"\Asecret: .*{re.escape(str(tmp_path))}/\.secrets"):
        look_up(["a"], variables)
