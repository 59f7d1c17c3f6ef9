# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fixtures `render` and `value` show a template what it sees in a play."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    role = tmp_path / "shop"
    for name, text in {
        "defaults/main.yml": 'shop_size: 2\nshop_name: "{{ onebox_project }}-shop"\n',
        "vars/main.yml": '__shop_sizes: "{{ [shop_size, shop_size * 2] }}"\n',
        "templates/shop.conf.j2": "{% for it in __shop_sizes %}\nsize {{ it }}\n{% endfor %}\n{% include 'name.j2' %}",
        "templates/name.j2": "name {{ shop_name | hash('md5') if shop_hashed | default(false) else shop_name }}\n",
    }.items():
        path = role / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return role


def test_a_template_sees_defaults_vars_and_the_shared_defaults(shop: Path, render: Callable[..., str]) -> None:
    assert render(shop, "shop.conf.j2").splitlines() == ["size 2", "size 4", "name onebox-shop"]


def test_a_keyword_wins_over_all_of_them(shop: Path, render: Callable[..., str]) -> None:
    text = render(shop, "shop.conf.j2", shop_size=5, onebox_project="acme")
    assert text.splitlines() == ["size 5", "size 10", "name acme-shop"]


def test_ansibles_own_filters_are_there(shop: Path, render: Callable[..., str]) -> None:
    text = render(shop, "shop.conf.j2", shop_name="shop", shop_hashed=True)
    assert text.splitlines()[-1] == "name fb54f3c5992b96d001bb16e8e92d968d"


def test_a_variable_is_computed_with_its_own_type(shop: Path, value: Callable[..., Any]) -> None:
    assert value(shop, "__shop_sizes", shop_size=3) == [3, 6]
