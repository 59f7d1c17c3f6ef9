# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the lab's images: pulled where Docker Hub has them and answers, else built; pushed to the lab's registry."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import docker

from lab import catalogue, making, registry, state
from lab.catalogue import Image
from lab.progress import Progress, Step
from lab.registry import Stored
from lab.settings import KEY_LABEL, LABEL, LOCAL_REGISTRY, LabError
from lab.settings import REGISTRY as REGISTRY_FOR_VPS

# Images of Docker Hub that were not on this engine before the lab pulled them.
PULLED = state.NameList("pulled-images.txt")

UPSTREAM = "upstream's, from Docker Hub"
FROM_PACKAGES = "made from Debian packages"


class Workshop:
    """Makes images with one engine. Its methods are idempotent: what is there and up to date is not made again."""

    def __init__(self, client: docker.DockerClient, progress: Progress) -> None:
        self.client = client
        self.progress = progress
        self.images = catalogue.load()
        self.architecture: str = client.version()["Arch"]
        self._hub: bool | None = None

    def registry_image(self) -> str:
        """Return the id of the image of the registry itself.

        It comes first, since all others are kept in the registry; so it is kept in a file, and its key leaves out what
        its base is made from.
        """
        image = self.images[catalogue.REGISTRY_IMAGE]
        key = catalogue.build_key(image.context, image.dockerfile, identity=lambda base: base)
        if self._local_key(image.name) != key:
            with self.progress.step(f"image {image.name}") as step:
                step.result = self._load_or_build(image, key, step)
        return str(self.client.images.get(image.name).id)

    def ensure(self, names: Iterable[str]) -> None:
        """See to it that the registry has these images of the table and what they are built from."""
        if [image for image in catalogue.with_bases(names, self.images) if self._ensure_stored(image)]:
            registry.collect_garbage(self.client)
            self.remove_images(lambda tags: not tags)

    def local(self, name: str) -> str:
        """Have an image of the table in this engine, if need be by a pull from the registry; return its name."""
        image = self.images[name]
        stored = self._stored(image)
        if stored is None:
            raise LabError(f"The lab's registry has no {name}: run `lab up`")
        if self._local_key(name) != (stored.key or ""):
            self.client.images.pull(image.local_reference)
            self.client.images.get(image.local_reference).tag(*name.rsplit(":", 1))
        return name

    def build(self, context: Path, tag: str, arguments: Mapping[str, str]) -> str:
        """Build a directory with a Dockerfile and push it; return the name with its digest by which a VPS pulls it."""
        repository, _, version = tag.rpartition(":")
        if not repository or "/" in version:
            raise LabError(f"{tag!r} is not a name with a tag: write, for example, shop:1.0.0")
        if not (context / "Dockerfile").is_file():
            raise LabError(f"{context} has no Dockerfile")
        bases = [base for base in catalogue.bases((context / "Dockerfile").read_text()) if base in self.images]
        self.ensure(bases)
        key = catalogue.build_key(context, "Dockerfile", self._identity, arguments)
        with self.progress.step(f"image {tag}") as step:
            stored = registry.stored(repository, version, self.architecture)
            if stored is not None and stored.key == key:
                step.result = "cached"
            else:
                for base in bases:
                    self.local(base)
                reference = f"{LOCAL_REGISTRY}/{tag}"
                making.build(self.client, context, "Dockerfile", reference, key, step, arguments)
                making.push(self.client, reference, step)
                step.result = "built"
                self.remove_images(lambda tags: not tags)
                stored = registry.stored(repository, version, self.architecture)
        assert stored is not None
        return f"{REGISTRY_FOR_VPS}/{tag}@{stored.digest}"

    def remove_images(self, condition: Callable[[list[str]], bool]) -> None:
        """Remove from the engine those images of the lab whose tags meet a condition and that nothing uses."""
        made = [image for image in self.client.images.list(filters={"label": LABEL}) if condition(image.tags)]
        # Newest first, since a base cannot go before what is built from it.
        for image in sorted(made, key=lambda image: str(image.attrs["Created"]), reverse=True):
            with contextlib.suppress(docker.errors.APIError):
                self.client.images.remove(image.id, force=True)

    def describe(self, image: Image) -> str:
        """Return where the registry's image is from and its size."""
        stored = self._stored(image)
        if stored is None:
            return "made when first asked for" if image.lazy else "not there yet"
        return f"{FROM_PACKAGES if stored.key else UPSTREAM}, {stored.size / 2**20:.0f} MiB"

    def all_stored(self) -> list[tuple[Image, Stored]]:
        """Return what the registry has of the table."""
        found = [(image, self._stored(image)) for image in self.images.values()]
        return [(image, stored) for image, stored in found if stored]

    def _stored(self, image: Image) -> Stored | None:
        return registry.stored(image.repository, image.tag, self.architecture)

    def _load_or_build(self, image: Image, key: str, step: Step) -> str:
        saved = state.cached_file("registry.tar")
        if self._load(saved) and self._local_key(image.name) == key:
            return "loaded from the cache"
        for base in image.bases:
            if self._local_key(base) is None:
                self._obtain(self.images[base], step)
        making.build(self.client, image.context, image.dockerfile, image.name, key, step)
        partial = saved.with_suffix(".partial")
        with partial.open("wb") as file:
            file.writelines(self.client.images.get(image.name).save(named=True))
        partial.rename(saved)
        return FROM_PACKAGES

    def _load(self, saved: Path) -> bool:
        try:
            with saved.open("rb") as file:
                self.client.images.load(file)
        except (FileNotFoundError, docker.errors.DockerException):
            return False
        return True

    def _ensure_stored(self, image: Image) -> bool:
        """Return whether the image had to be pushed."""
        stored = self._stored(image)
        if stored is not None and self._is_current(image, stored):
            return False
        with self.progress.step(f"image {image.name}") as step:
            origin = self._obtain(image, step)
            self.client.images.get(image.name).tag(image.local_reference)
            making.push(self.client, image.local_reference, step)
            stored = self._stored(image)
            assert stored is not None
            step.result = f"{origin}, {stored.size / 2**20:.0f} MiB to pull"
        return True

    def _is_current(self, image: Image, stored: Stored) -> bool:
        if stored.key is None:
            return image.upstream
        return stored.key == self._key(image) and not (image.upstream and self._hub_answers())

    def _obtain(self, image: Image, step: Step) -> str:
        """Have the image in this engine under its name; return where it is from."""
        if image.upstream:
            if self._hub_answers() and self._pull(image, step):
                return UPSTREAM
            if self._local_key(image.name) == "":
                return "upstream's, already in this engine"
        key = self._key(image)
        if self._local_key(image.name) != key:
            if image.suite:
                step.latest = "mmdebstrap"
                making.debootstrap(self.client, image.name, image.suite, key, self.progress)
            else:
                for base in image.bases:
                    self.local(base)
                making.build(self.client, image.context, image.dockerfile, image.name, key, step)
        return FROM_PACKAGES

    def _key(self, image: Image) -> str:
        if image.suite:
            return catalogue.suite_key(image.suite, making.suite_options(image.suite))
        return catalogue.build_key(image.context, image.dockerfile, self._identity)

    def _identity(self, name: str) -> str:
        """Return what an image of the table is; any other is taken by its name."""
        if name not in self.images:
            return name
        stored = self._stored(self.images[name])
        return stored.identity if stored else "missing"

    def _local_key(self, name: str) -> str | None:
        """Return the key of an image in this engine: "" for one that the lab did not make, None when there is none."""
        try:
            return str(self.client.images.get(name).labels.get(KEY_LABEL, ""))
        except docker.errors.ImageNotFound:
            return None

    def _hub_answers(self) -> bool:
        if self._hub is None:
            try:
                self.client.api.inspect_distribution(next(iter(self.images)))
                self._hub = True
            except docker.errors.APIError:
                self._hub = False
        return self._hub

    def _pull(self, image: Image, step: Step) -> bool:
        is_new = self._local_key(image.name) is None
        step.latest = "pulling"
        try:
            self.client.images.pull(image.name)
        except docker.errors.APIError as error:
            self.progress.line(f"{image.name} cannot be pulled ({error.explanation}): the lab makes one")
            return False
        if is_new:
            PULLED.add([image.name])
        return True
