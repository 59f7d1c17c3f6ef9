# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The computed parts of docs/ are what the code says."""

from __future__ import annotations

import documentation


def test_the_pages_are_what_the_code_and_the_measurements_say() -> None:
    for page, text in documentation.pages().items():
        assert page.read_text() == text, f"{page.name}: run `make docs`"
