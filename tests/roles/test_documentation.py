# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The computed parts of docs/ are what the code says."""

from __future__ import annotations

import documentation


def test_the_page_on_memory_is_what_the_code_and_the_measurements_say() -> None:
    assert documentation.PAGE.read_text() == documentation.page(), "run `make docs`"
