# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.onebox.stack.plugins.module_utils._columns import WIDTH, columns, fit
from hypothesis import given
from hypothesis import strategies as st

WORDS = st.text("abc ", max_size=120)


def test_numbers_stand_to_the_right_and_words_to_the_left() -> None:
    assert columns([["name", "MiB", "why"], ["db", "1024", "large"], ["redis", "8", ""]], right=[1]) == [
        "name    MiB  why",
        "db     1024  large",
        "redis     8",
    ]


def test_a_name_that_leaves_no_room_for_the_others_stands_above_its_row() -> None:
    name = "n" * 90
    assert columns([["a", "12345"], [name, "x" * 20]], right=[1]) == [
        "a" + " " * 2 + "12345".rjust(20),
        name,
        " " * 3 + "x" * 20,
    ]


def test_a_line_as_wide_as_the_screen_is_left_and_a_wider_one_is_cut() -> None:
    assert fit("x" * WIDTH) == "x" * WIDTH
    assert fit("x" * (WIDTH + 1)) == "x" * (WIDTH - 3) + "..."


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=5))
def test_no_line_is_wider_than_the_screen(rows: list[tuple[str, str, str]]) -> None:
    assert max(map(len, columns(rows, right=[1]))) <= WIDTH
