# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_check_mode_reports_no_change_on_a_converged_host(converge: Callable[..., Any]) -> None:
    run = converge("--check")
    assert run.exit_code == 0, run.output
    assert run.changed == [], run.output
