# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is shown while an engine builds and pushes, and what is said when it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from lab import making
from lab.progress import Step
from lab.settings import LabError


def push(*events: dict[str, str]) -> Step:
    client = MagicMock()
    client.images.push.return_value = iter(events)
    step = Step("image shop:1")
    making.push(client, "127.0.0.1:15000/shop:1", step)
    return step


def test_the_last_output_is_the_latest_news_without_colours() -> None:
    step = push({"stream": "\x1b[91mSetting up a\nSetting up b\x1b[0m\n"}, {"stream": " ---> 0123"})
    assert step.latest == "Setting up b"


def test_an_error_has_the_name_of_the_image_and_the_last_output() -> None:
    with pytest.raises(LabError) as error:
        push({"stream": "E: Unable to locate package nginz"}, {"error": "The command returned a non-zero code: 100\n"})
    assert str(error.value) == (
        "image shop:1: The command returned a non-zero code: 100\nE: Unable to locate package nginz"
    )


def test_the_index_of_sid_may_be_old_and_no_other_suite_is_made_otherwise() -> None:
    assert making.suite_options("sid") == [*making.BASE_OPTIONS, '--aptopt=Acquire::Check-Valid-Until "false"']
    assert making.suite_options("trixie") == making.BASE_OPTIONS


@pytest.fixture
def context_of_a_build(tmp_path: Path) -> Any:
    """Return the names of the files with which a Dockerfile is built."""

    def build(dockerfile: str) -> set[str]:
        (tmp_path / "Dockerfile").write_text(dockerfile)
        seen: set[str] = set()
        client = MagicMock()
        client.api.images.return_value = []
        client.info.return_value = {"DriverStatus": []}

        def look(path: str, **_options: Any) -> list[dict[str, str]]:
            seen.update(file.name for file in Path(path).iterdir())
            return []

        client.api.build.side_effect = look
        making.build(client, tmp_path, "Dockerfile", "shop:1", "key", Step("image shop:1"))
        return seen

    return build


def test_a_dockerfile_that_copies_the_certificates_of_this_machine_gets_them(context_of_a_build: Any) -> None:
    assert context_of_a_build("FROM debian\nCOPY machine-ca-certificates.crt /\n") == {
        "Dockerfile",
        "machine-ca-certificates.crt",
    }


def test_no_other_gets_them_so_that_they_are_in_no_application(context_of_a_build: Any) -> None:
    assert context_of_a_build("FROM debian\nCOPY . /app\n") == {"Dockerfile"}
