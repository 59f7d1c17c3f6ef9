# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Progress tells what ends, what goes on, and what fails."""

from __future__ import annotations

import io
import re
import time

import pytest

from lab.progress import Progress


def test_a_step_is_told_when_it_ends_with_its_result_and_the_seconds_so_far() -> None:
    stream = io.StringIO()
    with Progress(stream).step("image a:1") as step:
        step.result = "cached"
    assert re.fullmatch(r"\[ +0\.\d s\] image a:1: cached\n", stream.getvalue())


def test_a_long_step_tells_its_latest_news_while_it_lasts() -> None:
    stream = io.StringIO()
    with Progress(stream, tick_seconds=0.01).step("image a:1") as step:
        step.latest = "Setting up b"
        deadline = time.monotonic() + 5
        while "..." not in stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "image a:1 ... Setting up b\n" in stream.getvalue()


def test_a_failed_step_says_so_and_lets_the_error_through() -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError, match="broken"), Progress(stream).step("image a:1"):
        raise ValueError("broken")
    assert stream.getvalue().endswith("image a:1: FAILED\n")
