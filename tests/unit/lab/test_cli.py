# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line hands on what it was given, and errors end it with a sentence and not with a traceback."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import docker
import pytest

from lab import api
from lab.cli import main
from lab.settings import LabError
from lab.vps import Options


def test_a_vps_is_created_with_the_options_given_and_its_inventory_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    vps = MagicMock(ports={22: 1})
    create = MagicMock(return_value=vps)
    monkeypatch.setattr(api, "create", create)
    assert main(["vps", "create", "shop", "--memory-mib", "2048", "--publish", "8443:443", "--inventory", "i.yml"]) == 0
    name, options, _ = create.call_args.args
    assert (name, options) == ("shop", Options(memory_mib=2048, publish={443: 8443}))
    vps.write_inventory.assert_called_once_with(Path("i.yml"), docker_apt=False)


def test_the_name_that_a_vps_pulls_is_all_that_a_build_prints_on_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build = MagicMock(return_value="registry.lab:5000/shop:1@sha256:0")
    monkeypatch.setattr(api, "build", build)
    assert main(["build", "dir", "shop:1", "--build-arg", "A=b=c"]) == 0
    assert build.call_args.args[:3] == (Path("dir"), "shop:1", {"A": "b=c"})
    assert capsys.readouterr().out == "registry.lab:5000/shop:1@sha256:0\n"


def test_images_are_made_when_asked_for_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_images = MagicMock()
    monkeypatch.setattr(api, "ensure_images", ensure_images)
    assert main(["image", "postgres:17", "mysql:9"]) == 0
    assert ensure_images.call_args.args[0] == ["postgres:17", "mysql:9"]


def test_an_image_that_the_lab_does_not_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    workshop = MagicMock(images={"postgres:17": None, "mysql:9": None})
    monkeypatch.setattr(api, "_workshop", lambda progress: nullcontext(workshop))
    with pytest.raises(LabError, match=r"\AThe lab has no image 'postgres:16'; there is postgres:17, mysql:9\Z"):
        api.ensure_images(["mysql:9", "postgres:16"])
    workshop.ensure.assert_not_called()


@pytest.mark.parametrize("error", [LabError("no space left"), docker.errors.APIError("no space left")])
def test_an_error_is_one_sentence_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fail(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(api, "up", fail)
    assert main(["up"]) == 1
    assert "s] error: no space left\n" in capsys.readouterr().err
