# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role writes for other versions and settings than those that its scenario runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml


@pytest.fixture
def settings(render: Callable[..., str]) -> Callable[..., dict[str, str]]:
    """The settings as the server reads them, the last of a name in force: `settings(postgresql_tag="15-bookworm")`."""

    def settings(**variables: object) -> dict[str, str]:
        text = render("postgresql", "postgresql.conf.j2", postgresql_memory_mib=384, **variables)
        lines = [line.partition(" = ") for line in text.splitlines() if not line.startswith("#")]
        return {name: value for name, _, value in lines}

    return settings


@pytest.mark.parametrize(
    ("tag", "target"),
    [
        ("15.19-bookworm", "/var/lib/postgresql/data"),
        ("17-trixie", "/var/lib/postgresql/data"),
        ("18.6-trixie", "/var/lib/postgresql"),
        ("19beta1-trixie", "/var/lib/postgresql"),
    ],
)
def test_the_volume_is_where_the_image_of_a_version_has_its_data(
    render: Callable[..., str], tag: str, target: str
) -> None:
    compose = yaml.safe_load(render("postgresql", "compose.yaml.j2", postgresql_tag=tag))
    assert compose["services"]["postgresql"]["volumes"][-1] == f"postgresql-data:{target}"


def test_a_setting_that_an_older_server_does_not_know_is_left_out(settings: Callable[..., dict[str, str]]) -> None:
    assert settings()["allow_alter_system"] == "off"
    assert "allow_alter_system" not in settings(postgresql_tag="16.15-trixie")


def test_an_operator_s_own_settings_win_over_the_plan_and_the_role_and_may_have_quotes(
    settings: Callable[..., dict[str, str]],
) -> None:
    own = {"shared_buffers": "64MB", "synchronous_commit": False, "work_mem": 4096, "search_path": "'$user', public"}
    found = settings(postgresql_settings=own)
    assert settings()["shared_buffers"] == "'96MB'"
    assert found["shared_buffers"] == "'64MB'"
    assert (settings()["synchronous_commit"], found["synchronous_commit"]) == ("on", "'False'")
    assert found["work_mem"] == "'4096'"
    assert found["search_path"] == "'''$user'', public'"
