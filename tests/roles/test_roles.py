# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every role and playbook keeps to."""

from __future__ import annotations

from pathlib import Path

import pytest

from roles.rules import comment_faults, data_faults, spec_faults, task_faults, template_faults

ROOT = Path(__file__).parents[2]


def test_the_spec_says_what_the_defaults_say(role: Path) -> None:
    assert spec_faults(role) == []


def test_every_default_is_explained(role: Path) -> None:
    assert comment_faults(role) == []


def test_templates_read_only_their_own_roles_variables(role: Path) -> None:
    assert template_faults(role) == []


@pytest.mark.parametrize("directory", ["roles", "playbooks"])
def test_tasks_keep_the_rules(directory: str) -> None:
    assert task_faults(ROOT / directory) == []


@pytest.mark.parametrize("directory", ["roles", "playbooks"])
def test_nothing_removes_volumes(directory: str) -> None:
    assert data_faults(ROOT / directory) == []
