# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of images and the keys by which they are cached."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import catalogue
from lab.catalogue import Image
from lab.settings import IMAGES_DIRECTORY


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM debian:trixie-slim\nCOPY start /\n")
    (tmp_path / "start").write_text("echo hello\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "settings").write_text("a = 1\n")
    return tmp_path


def key(context: Path, identity: str = "base 1", arguments: dict[str, str] | None = None) -> str:
    return catalogue.build_key(context, "Dockerfile", lambda name: f"{name} is {identity}", arguments)


def test_a_key_stays_the_same_while_nothing_changes(context: Path) -> None:
    first = key(context)
    (context / "start").touch()
    assert key(context) == first


@pytest.mark.parametrize("change", ["content", "nested content", "mode", "new file", "renamed", "Dockerfile"])
def test_a_key_changes_with_each_thing_that_the_build_sees(context: Path, change: str) -> None:
    first = key(context)
    match change:
        case "content":
            (context / "start").write_text("echo bye\n")
        case "nested content":
            (context / "sub" / "settings").write_text("a = 2\n")
        case "mode":
            (context / "start").chmod(0o755)
        case "new file":
            (context / "more").write_text("")
        case "renamed":
            (context / "start").rename(context / "begin")
        case "Dockerfile":
            (context / "Dockerfile").write_text("FROM debian:trixie-slim\n")
    assert key(context) != first


def test_a_key_changes_with_the_base_image_and_the_build_arguments(context: Path) -> None:
    keys = [key(context), key(context, identity="base 2"), key(context, arguments={"VERSION": "1"})]
    keys.append(key(context, arguments={"VERSION": "2"}))
    assert len(set(keys)) == 4


def test_two_dockerfiles_of_one_directory_have_different_keys(context: Path) -> None:
    (context / "Dockerfile.other").write_text((context / "Dockerfile").read_text())
    other = catalogue.build_key(context, "Dockerfile.other", lambda name: f"{name} is base 1")
    assert other != key(context)


@pytest.mark.parametrize(
    ("dockerfile", "expected"),
    [
        ("FROM php:8.4-fpm\nRUN true\n", ["php:8.4-fpm"]),
        ("FROM a:1 AS build\nFROM b:2\nCOPY --from=build / /\n", ["a:1", "b:2"]),
        ("FROM a:1 AS build\nFROM build\n", ["a:1"]),
        ("from a:1 as x\nFROM scratch\nFROM a:1\n", ["a:1"]),
        ("# FROM old:1\nFROM new:2\n", ["new:2"]),
    ],
)
def test_the_bases_of_a_dockerfile_are_read_without_its_own_stages(dockerfile: str, expected: list[str]) -> None:
    assert catalogue.bases(dockerfile) == expected


def test_an_image_is_wanted_with_all_that_it_is_built_from() -> None:
    names = [image.name for image in catalogue.with_bases(["onebox-lab/apt-repository:1"], catalogue.load())]
    assert names == ["debian:trixie-slim", "nginx:1.30.4-alpine", "onebox-lab/apt-repository:1"]


def test_official_images_are_under_library_in_a_registry() -> None:
    assert Image("mariadb:11.8.8-noble").local_reference == "127.0.0.1:15000/library/mariadb:11.8.8-noble"
    assert Image("valkey/valkey:8.1.9-alpine").local_reference == "127.0.0.1:15000/valkey/valkey:8.1.9-alpine"


@pytest.mark.parametrize("image", catalogue.load().values(), ids=lambda image: image.name)
def test_every_row_of_the_table_can_be_made(image: Image) -> None:
    earlier = list(catalogue.load())[: list(catalogue.load()).index(image.name)]
    assert bool(image.suite) != bool(image.directory), "a row has a suite or a directory"
    assert set(image.bases) <= set(earlier), "a base stands before what is built from it"
    assert image.tag not in ("", "latest")


def test_every_dockerfile_belongs_to_a_row_of_the_table() -> None:
    built = [image for image in catalogue.load().values() if image.directory]
    assert {path.name for path in IMAGES_DIRECTORY.iterdir() if path.is_dir()} == {image.directory for image in built}
    assert set(IMAGES_DIRECTORY.rglob("Dockerfile*")) == {image.context / image.dockerfile for image in built}
