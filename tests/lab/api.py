# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the command line and the tests call."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import docker

from lab import apt_repository, catalogue, engine, images, network, packages, registry, state
from lab.images import Workshop
from lab.progress import Progress
from lab.settings import APT_REPOSITORY_URL, LABEL, LOCAL_REGISTRY, STATE_DIRECTORY, LabError
from lab.vps import Options, Vps, check_name


@contextmanager
def _workshop(progress: Progress) -> Iterator[Workshop]:
    """Have an engine and the registry, and keep other lab commands waiting."""
    with state.lock(progress):
        client = engine.ensure(progress)
        network.ensure(client)
        workshop = Workshop(client, progress)
        _ensure_registry(workshop)
        yield workshop


def _ensure_registry(workshop: Workshop) -> None:
    image_id = workshop.registry_image()
    if not registry.ensure(workshop.client, image_id):
        return
    # A registry that has just started may have been given a damaged or partial cache.
    with workshop.progress.step("registry") as step:
        step.result = f"started, {LOCAL_REGISTRY}"
        for image, stored in workshop.all_stored():
            step.latest = f"checking {image.name}"
            if not all(registry.blob_is_whole(image.repository, digest) for digest in stored.blobs):
                registry.forget(workshop.client)
                registry.ensure(workshop.client, image_id)
                step.result += f", emptied, since its cache was damaged ({image.name})"
                break


def up(progress: Progress | None = None) -> None:
    """Have an engine, the registry and every image in it that is not lazy; quick when they are there already."""
    with _workshop(progress or Progress()) as workshop:
        workshop.ensure(_eager(workshop))


def _eager(workshop: Workshop) -> list[str]:
    return [image.name for image in workshop.images.values() if not image.lazy]


def create(name: str, options: Options | None = None, progress: Progress | None = None) -> Vps:
    """Return a VPS that runs and answers, made when it does not exist; what it may pull is in the registry."""
    check_name(name)
    progress = progress or Progress()
    options = options or Options()
    with _workshop(progress) as workshop:
        image = f"onebox-lab/vps:{options.distro}"
        workshop.ensure([*_eager(workshop), image])
        workshop.local(image)
    vps = Vps(workshop.client, name)
    vps.create(image, options, progress)
    return vps


def destroy(name: str) -> None:
    """Remove a VPS and its disk; one that does not exist is fine."""
    client = engine.connect()
    if client is not None:
        Vps(client, name).destroy()


def build(
    directory: Path, tag: str, arguments: Mapping[str, str] | None = None, progress: Progress | None = None
) -> str:
    """Build a Dockerfile's directory and push it; return the name with its digest by which every VPS pulls it."""
    with _workshop(progress or Progress()) as workshop:
        return workshop.build(directory, tag, arguments or {})


def ensure_images(names: Collection[str], progress: Progress | None = None) -> None:
    """Have these images of the table in the registry, lazy ones too."""
    with _workshop(progress or Progress()) as workshop:
        for name in names:
            if name not in workshop.images:
                raise LabError(f"The lab has no image {name!r}; there is {', '.join(workshop.images)}")
        workshop.ensure(names)


def local_images(names: Collection[str], progress: Progress | None = None) -> docker.DockerClient:
    """Have these images of the table in this machine's engine, for containers beside the VPSes; return its client."""
    with _workshop(progress or Progress()) as workshop:
        workshop.ensure(names)
        for name in names:
            workshop.local(name)
        return workshop.client


def serve_apt_repository(progress: Progress | None = None) -> str:
    """Serve the apt repository that stands for Docker's own; return its URL, which VPSes resolve."""
    with _workshop(progress or Progress()) as workshop:
        workshop.ensure([catalogue.APT_REPOSITORY_IMAGE])
        apt_repository.ensure(workshop.client, workshop.local(catalogue.APT_REPOSITORY_IMAGE))
    return APT_REPOSITORY_URL


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
        if image.name != catalogue.REGISTRY_IMAGE:
            lines.append(f"image {image.name}: {workshop.describe(image)}")
    for container in client.containers.list(all=True, filters={"label": f"{LABEL}=vps"}):
        lines.append(f"VPS {container.name.removeprefix(f'{LABEL}-vps-')}: {container.status}")
    return lines


def clean(everything: bool = False, progress: Progress | None = None) -> None:
    """Remove the lab's containers, volumes and networks.

    With everything, also its images, its cache, the engine if it started one, and the packages that it installed.
    """
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
    """Remove what the lab made and pulled, and its registry's names."""
    Workshop(client, Progress()).remove_images(lambda tags: True)
    tags = [tag for image in client.images.list() for tag in image.tags if tag.startswith(f"{LOCAL_REGISTRY}/")]
    for name in [*tags, *images.PULLED.read()]:
        with suppress(docker.errors.ImageNotFound):
            client.images.remove(name)
