# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the command line and the tests call."""

from __future__ import annotations

import shutil
from pathlib import Path

import docker

from lab import engine, images, network, packages, registry, state
from lab.images import Workshop
from lab.progress import Progress
from lab.settings import LABEL, LOCAL_REGISTRY, STATE_DIRECTORY
from lab.vps import Options, Vps


def up(progress: Progress | None = None) -> Workshop:
    """Have an engine, the registry and every image in it; quick when they are there already."""
    progress = progress or Progress()
    with state.lock(progress):
        client = engine.ensure(progress)
        workshop = Workshop(client, progress)
        network.ensure(client)
        _ensure_registry(workshop)
        workshop.ensure(image.name for image in workshop.images.values() if not image.lazy)
    return workshop


def _ensure_registry(workshop: Workshop) -> None:
    image_id = workshop.registry_image()
    if not registry.ensure(workshop.client, image_id):
        return
    # A registry that has just started may have been given a damaged or partial cache.
    with workshop.progress.step("registry") as step:
        step.result = "started"
        damaged = registry.damaged_blob(workshop.all_stored(), tell=lambda name: setattr(step, "latest", f"checking {name}"))
        if damaged:
            registry.forget(workshop.client)
            registry.ensure(workshop.client, image_id)
            step.result = f"started empty, since its cache was damaged ({damaged})"


def create(name: str, options: Options | None = None, progress: Progress | None = None) -> Vps:
    """Return a VPS that runs and answers, made when it does not exist."""
    progress = progress or Progress()
    options = options or Options()
    workshop = up(progress)
    vps = Vps(workshop.client, name)
    with state.lock(progress):
        image = workshop.local(f"onebox-lab/vps:{options.distro}")
    vps.create(image, options, progress)
    return vps


def destroy(name: str) -> None:
    """Remove a VPS and its disk; one that does not exist is fine."""
    client = engine.connect()
    if client is not None:
        Vps(client, name).destroy()


def build(directory: Path, tag: str, progress: Progress | None = None) -> tuple[str, str]:
    """Build a Dockerfile's directory and push it; return the name by which every VPS pulls it, and its digest."""
    progress = progress or Progress()
    workshop = up(progress)
    with state.lock(progress):
        return workshop.build(directory, tag)


def status() -> list[str]:
    """Return lines that say what stands."""
    client = engine.connect()
    if client is None:
        return ["engine: none answers"]
    whose = "started by the lab" if engine.started_here() else "was there"
    lines = [f"engine: {client.version()['Version']}, {whose}"]
    if not _runs(client, registry.CONTAINER):
        return [*lines, "registry: not running; `lab up` starts it"]
    lines.append(f"registry: {LOCAL_REGISTRY}")
    workshop = Workshop(client, Progress())
    for image in workshop.images.values():
        lines.append(f"image {image.name}: {workshop.describe(image)}")
    for container in client.containers.list(all=True, filters={"label": f"{LABEL}=vps"}):
        lines.append(f"VPS {container.name.removeprefix(f'{LABEL}-vps-')}: {container.status}")
    return lines


def clean(everything: bool = False, progress: Progress | None = None) -> None:
    """Remove the lab's containers, volumes and networks; with everything also its images, its cache, and the engine if it started one."""
    progress = progress or Progress()
    client = engine.connect()
    if client is not None:
        with progress.step("containers, volumes, networks"):
            _remove_objects(client, keep_cache=not everything)
        if everything and not engine.started_here():
            with progress.step("images"):
                _remove_images(client)
    if everything:
        with progress.step("engine, packages, cache"):
            engine.stop()
            packages.purge_installed()
            shutil.rmtree(STATE_DIRECTORY, ignore_errors=True)


def _runs(client: docker.DockerClient, name: str) -> bool:
    return bool(client.containers.list(filters={"name": f"^{name}$"}))


def _remove_objects(client: docker.DockerClient, keep_cache: bool) -> None:
    mine = {"label": LABEL}
    for container in client.containers.list(all=True, filters=mine):
        container.remove(force=True, v=True)
    for volume in client.volumes.list(filters=mine):
        if not (keep_cache and volume.attrs["Labels"][LABEL] == "cache"):
            volume.remove()
    for lab_network in client.networks.list(filters=mine):
        lab_network.remove()


def _remove_images(client: docker.DockerClient) -> None:
    """Remove what the lab made, its registry's names, and what it pulled: newest first, since a base cannot go before what is built from it."""
    made = client.images.list(filters={"label": LABEL})
    for image in sorted(made, key=lambda image: image.attrs["Created"], reverse=True):
        client.images.remove(image.id, force=True)
    tags = [tag for image in client.images.list() for tag in image.tags if tag.startswith(f"{LOCAL_REGISTRY}/")]
    for name in [*tags, *images.PULLED.read()]:
        client.images.remove(name)
