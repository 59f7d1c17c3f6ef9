# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which images are pulled, which are made, and which are left alone. No engine: what it would do is written down."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import MagicMock

import docker
import pytest

from lab import images, making, registry
from lab.images import Workshop
from lab.progress import Progress, Step
from lab.registry import Stored
from lab.settings import KEY_LABEL, LabError

BASE = "debian:trixie-slim"
CACHE = "valkey/valkey:8.1.9-alpine"


@dataclass
class Engine:
    """An engine and a registry by what they hold: key by name, None for an image that is upstream's."""

    hub: bool = False
    local: dict[str, str | None] = field(default_factory=dict)
    registry: dict[str, str | None] = field(default_factory=dict)
    actions: list[str] = field(default_factory=list)

    def client(self) -> MagicMock:
        client = MagicMock()
        client.version.return_value = {"Arch": "amd64"}
        client.images.get.side_effect = self.get
        client.images.pull.side_effect = self.pull
        client.images.list.return_value = []
        client.api.inspect_distribution.side_effect = None if self.hub else docker.errors.APIError("no such host")
        return client

    def get(self, name: str) -> MagicMock:
        if name not in self.local:
            raise docker.errors.ImageNotFound(name)
        key = self.local[name]
        return MagicMock(labels={} if key is None else {KEY_LABEL: key})

    def pull(self, name: str) -> None:
        self.actions.append(f"pull {name}")
        self.local[name] = None

    def debootstrap(self, client: Any, name: str, suite: str, key: str, progress: Progress) -> None:
        self.actions.append(f"make {name}")
        self.local[name] = key

    def build(self, client: Any, context: Any, dockerfile: str, name: str, key: str, step: Step) -> None:
        self.actions.append(f"make {name}")
        self.local[name] = key

    def push(self, client: Any, reference: str, step: Step) -> None:
        name = reference.removeprefix("127.0.0.1:15000/").removeprefix("library/")
        self.actions.append(f"push {name}")
        self.registry[name] = self.local[name]

    def stored(self, repository: str, tag: str, architecture: str) -> Stored | None:
        name = f"{repository.removeprefix('library/')}:{tag}"
        if name not in self.registry:
            return None
        return Stored("sha256:d", f"sha256:{name}", self.registry[name], 30 * 2**20, ())


Made = Callable[[Engine], Workshop]


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Made:
    def make(engine: Engine) -> Workshop:
        for function in ("debootstrap", "build", "push"):
            monkeypatch.setattr(making, function, getattr(engine, function))
        monkeypatch.setattr(registry, "stored", engine.stored)
        monkeypatch.setattr(registry, "collect_garbage", lambda client: engine.actions.append("collect garbage"))
        monkeypatch.setattr(images.PULLED, "add", lambda names: engine.actions.append(f"remember {names[0]}"))
        return Workshop(engine.client(), Progress(io.StringIO()))

    return make


def output(workshop: Workshop) -> str:
    stream = workshop.progress.stream
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


def test_without_docker_hub_images_are_made_base_first_and_pushed(workshop: Made) -> None:
    engine = Engine()
    made = workshop(engine)
    made.ensure([CACHE])
    assert engine.actions == [f"make {BASE}", f"push {BASE}", f"make {CACHE}", f"push {CACHE}", "collect garbage"]
    assert f"image {CACHE}: made from Debian packages, 30 MiB to pull" in output(made)


def test_what_is_made_is_not_made_again(workshop: Made) -> None:
    engine = Engine()
    workshop(engine).ensure([CACHE])
    engine.actions.clear()
    workshop(engine).ensure([CACHE])
    assert engine.actions == []


def test_an_image_that_the_registry_lost_is_pushed_again_but_not_made_again(workshop: Made) -> None:
    engine = Engine()
    workshop(engine).ensure([CACHE])
    engine.actions.clear()
    engine.registry.clear()
    workshop(engine).ensure([CACHE])
    assert engine.actions == [f"push {BASE}", f"push {CACHE}", "collect garbage"]


def test_an_image_made_from_other_content_is_made_again(workshop: Made) -> None:
    engine = Engine()
    workshop(engine).ensure([CACHE])
    engine.actions.clear()
    engine.local[CACHE] = engine.registry[CACHE] = "another key"
    workshop(engine).ensure([CACHE])
    assert engine.actions == [f"make {CACHE}", f"push {CACHE}", "collect garbage"]


def test_where_docker_hub_answers_its_images_are_used_and_named(workshop: Made) -> None:
    engine = Engine(hub=True)
    made = workshop(engine)
    made.ensure([BASE])
    assert engine.actions == [f"pull {BASE}", f"remember {BASE}", f"push {BASE}", "collect garbage"]
    assert f"image {BASE}: upstream's, from Docker Hub, 30 MiB to pull" in output(made)


def test_docker_hub_replaces_what_was_made_while_it_did_not_answer(workshop: Made) -> None:
    engine = Engine()
    workshop(engine).ensure([BASE])
    engine.actions.clear()
    engine.hub = True
    workshop(engine).ensure([BASE])
    assert engine.actions == [f"pull {BASE}", f"push {BASE}", "collect garbage"]
    assert engine.registry[BASE] is None


def test_upstream_images_stay_when_docker_hub_no_longer_answers(workshop: Made) -> None:
    engine = Engine(hub=True)
    workshop(engine).ensure([CACHE])
    engine.actions.clear()
    engine.hub = False
    workshop(engine).ensure([CACHE])
    assert engine.actions == []


def test_an_upstream_image_that_is_there_already_is_not_remembered_for_removal(workshop: Made) -> None:
    engine = Engine(hub=True, local={BASE: None})
    workshop(engine).ensure([BASE])
    assert f"remember {BASE}" not in engine.actions


def test_an_image_that_docker_hub_refuses_is_made_and_the_reason_is_told(workshop: Made) -> None:
    engine = Engine(hub=True, registry={BASE: None}, local={BASE: None})
    made = workshop(engine)
    made.client.images.pull.side_effect = docker.errors.APIError("429", explanation="too many requests")
    made.ensure([CACHE])
    assert f"make {CACHE}" in engine.actions
    assert f"{CACHE} cannot be pulled (too many requests): the lab makes one" in output(made)


def test_an_image_of_the_lab_alone_is_never_looked_for_on_docker_hub(workshop: Made) -> None:
    engine = Engine(hub=True, registry={BASE: None}, local={BASE: None})
    workshop(engine).ensure(["onebox-lab/vps:debian13"])
    assert "pull onebox-lab/vps:debian13" not in engine.actions
    assert "make onebox-lab/vps:debian13" in engine.actions


@pytest.mark.parametrize("tag", ["shop", "registry/shop", "registry:5000/shop"])
def test_a_build_without_a_tag_is_refused(workshop: Made, tag: str, tmp_path: Any) -> None:
    with pytest.raises(LabError, match=r"is not a name with a tag: write, for example, shop:1\.0\.0"):
        workshop(Engine()).build(tmp_path, tag, {})


def test_a_build_of_a_directory_without_a_dockerfile_is_refused(workshop: Made, tmp_path: Any) -> None:
    with pytest.raises(LabError, match="has no Dockerfile"):
        workshop(Engine()).build(tmp_path, "shop:1", {})
