# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.onebox.stack.plugins.module_utils._checks import hint, near, whole_number


def test_a_whole_number_is_returned() -> None:
    assert whole_number("jobs_mib", 8, 0) == 8


@pytest.mark.parametrize("value", [-1, 1.0, "8", True, None])
def test_anything_else_is_refused_with_its_name_and_what_was_found(value: object) -> None:
    with pytest.raises(ValueError, match=rf"\Ajobs_mib must be a whole number, 0 or more, not {value!r}\Z"):
        whole_number("jobs_mib", value, 0)


def test_a_near_word_is_proposed_and_a_far_one_is_not() -> None:
    assert near("floor_mb", ["floor_mib", "ports"]) == "; did you mean 'floor_mib'?"
    assert near("colour", ["floor_mib", "ports"]) == ""


def test_without_a_near_word_all_known_ones_are_listed() -> None:
    assert hint("floor_mb", ["floor_mib", "ports"]) == "; did you mean 'floor_mib'?"
    assert hint(7, ["floor_mib", "ports"]) == "; there is floor_mib, ports"
