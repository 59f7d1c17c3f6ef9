# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the lab's images: pulled where Docker Hub has them and answers, else built; pushed to the lab's registry."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import docker

from lab import catalogue, packages, registry, state
from lab.catalogue import Image
from lab.progress import Progress, Step
from lab.settings import KEY_LABEL, LABEL, LabError, LOCAL_REGISTRY
from lab.settings import REGISTRY as REGISTRY_FOR_VPS

# What no container reads: documentation and translations.
BASE_OPTIONS = [
    "--variant=minbase",
    "--format=tar",
    "--quiet",
    '--aptopt=Acquire::Languages "none"',
    # Under the name that it has in the image that this stands for, since a Dockerfile may remove it.
    "--customize-hook=echo 'Dir::Cache { pkgcache \"\"; srcpkgcache \"\"; }; APT::Keep-Downloaded-Packages \"false\";'"
    ' > "$1/etc/apt/apt.conf.d/docker-clean"; rm "$1"/var/cache/apt/*.bin',
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
]

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

    # The registry's own image comes first, since the others are kept in the registry. Its key leaves out the base for the same reason.

    def registry_image(self) -> str:
        """Return the id of the registry's image, which a file of the cache holds."""
        image = self.images[catalogue.REGISTRY_IMAGE]
        key = catalogue.build_key(image.context, image.dockerfile, lambda base: base)
        if self._local_key(image.name) != key:
            self._load_or_build(image, key)
        return str(self.client.images.get(image.name).id)

    def _load_or_build(self, image: Image, key: str) -> None:
        saved = state.cached_file(f"registry-{key[:16]}.tar")
        with self.progress.step(f"image {image.name}") as step:
            if saved.exists() and self._load(saved) and self._local_key(image.name) == key:
                step.result = "loaded from the cache"
                return
            for base in catalogue.bases((image.context / image.dockerfile).read_text()):
                if self._local_key(base) is None:
                    self._obtain(self.images[base], step)
            self._build(image.context, image.dockerfile, image.name, key, step)
            partial = saved.with_suffix(".partial")
            with partial.open("wb") as file:
                file.writelines(self.client.images.get(image.name).save(named=True))
            partial.rename(saved)
            step.result = FROM_PACKAGES

    def _load(self, saved: Path) -> bool:
        try:
            with saved.open("rb") as file:
                self.client.images.load(file)
        except docker.errors.DockerException:
            return False
        return True

    # All others.

    def ensure(self, names: Iterable[str]) -> None:
        """See to it that the registry has these images of the table, in the order of the table."""
        wanted = set(names)
        pushed = [image for image in self.images.values() if image.name in wanted and self._ensure_stored(image)]
        if pushed:
            registry.collect_garbage(self.client)
            self.client.images.prune(filters={"dangling": True, "label": LABEL})

    def stored(self, image: Image) -> registry.Stored | None:
        return registry.stored(image.repository, image.tag, self.architecture)

    def local(self, name: str) -> str:
        """Return the name under which this engine has an image of the table, pulled from the lab's registry when it is not there yet."""
        image = self.images[name]
        stored = self.stored(image)
        if stored is None:
            raise LabError(f"The lab's registry has no {name}: run `lab up`")
        if self._local_key(name) != (stored.key or ""):
            self.client.images.pull(image.local_reference)
            self.client.images.get(image.local_reference).tag(*name.rsplit(":", 1))
        return name

    def all_stored(self) -> dict[str, registry.Stored]:
        """Return what the registry has of the table, by repository."""
        found = {image.repository: self.stored(image) for image in self.images.values()}
        return {repository: stored for repository, stored in found.items() if stored}

    def describe(self, image: Image) -> str:
        """Return where the registry's image is from and its size."""
        stored = self.stored(image)
        if stored is None:
            return "not there yet"
        return f"{FROM_PACKAGES if stored.key else UPSTREAM}, {stored.size / 2**20:.0f} MiB"

    def build(self, context: Path, tag: str) -> tuple[str, str]:
        """Build a directory with a Dockerfile and push it; return the name by which a VPS pulls it, and its digest."""
        repository, _, version = tag.rpartition(":")
        if not repository or "/" in version:
            raise LabError(f"{tag!r} is not a name with a tag: write, for example, shop:1.0.0")
        if not (context / "Dockerfile").is_file():
            raise LabError(f"{context} has no Dockerfile")
        needed = [base for base in catalogue.bases((context / "Dockerfile").read_text()) if base in self.images]
        self.ensure(needed)
        key = catalogue.build_key(context, "Dockerfile", self._identity)
        reference = f"{LOCAL_REGISTRY}/{tag}"
        with self.progress.step(f"image {tag}") as step:
            stored = registry.stored(repository, version, self.architecture)
            if stored is None or stored.key != key:
                for base in needed:
                    self.local(base)
                self._build(context, "Dockerfile", reference, key, step)
                self._push(reference, step)
                stored = registry.stored(repository, version, self.architecture)
                assert stored is not None
            else:
                step.result = "cached"
        return f"{REGISTRY_FOR_VPS}/{tag}", stored.digest

    def _ensure_stored(self, image: Image) -> bool:
        """Return whether the image had to be pushed."""
        stored = self.stored(image)
        if stored is not None and self._is_current(image, stored):
            return False
        with self.progress.step(f"image {image.name}") as step:
            origin = self._obtain(image, step)
            self.client.images.get(image.name).tag(image.local_reference)
            self._push(image.local_reference, step)
            stored = self.stored(image)
            assert stored is not None
            step.result = f"{origin}, {stored.size / 2**20:.0f} MiB to pull"
        return True

    def _is_current(self, image: Image, stored: registry.Stored) -> bool:
        if stored.key is None:
            return image.upstream
        if stored.key != self._key(image):
            return False
        return not (image.upstream and self._hub_answers())

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
                self._debootstrap(image, key, step)
            else:
                for base in catalogue.bases((image.context / image.dockerfile).read_text()):
                    self.local(base)
                self._build(image.context, image.dockerfile, image.name, key, step)
        return FROM_PACKAGES

    def _key(self, image: Image) -> str:
        if image.suite:
            return catalogue.suite_key(image.suite, BASE_OPTIONS)
        return catalogue.build_key(image.context, image.dockerfile, self._identity)

    def _identity(self, name: str) -> str:
        """What an image of the table is; any other is taken by its name."""
        if name not in self.images:
            return name
        stored = self.stored(self.images[name])
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
        known = self._local_key(image.name) is not None
        step.latest = "pulling"
        try:
            self.client.images.pull(image.name)
        except docker.errors.APIError as error:
            self.progress.line(f"{image.name} cannot be pulled ({error.explanation}): the lab makes one")
            return False
        if not known:
            PULLED.add([image.name])
        return True

    def _debootstrap(self, image: Image, key: str, step: Step) -> None:
        if shutil.which("mmdebstrap") is None:
            packages.install(["mmdebstrap"], self.progress)
        with tempfile.TemporaryDirectory() as directory:
            tarball = Path(directory) / "base.tar"
            step.latest = "mmdebstrap"
            assert image.suite is not None
            packages.run(["mmdebstrap", *BASE_OPTIONS, image.suite, str(tarball)])
            self.client.api.import_image_from_file(
                str(tarball),
                *image.name.rsplit(":", 1),
                changes=['CMD ["bash"]', f"LABEL {LABEL}=base {KEY_LABEL}={key}"],
            )

    def _build(self, context: Path, dockerfile: str, name: str, key: str, step: Step) -> None:
        events = self.client.api.build(
            path=str(context),
            dockerfile=dockerfile,
            tag=name,
            labels={LABEL: "image", KEY_LABEL: key},
            rm=True,
            forcerm=True,
            decode=True,
        )
        output = _follow(events, step)
        if self._local_key(name) != key:
            raise LabError(f"{name} was not built:\n{output}")

    def _push(self, reference: str, step: Step) -> None:
        step.latest = "pushing"
        _follow(self.client.images.push(reference, stream=True, decode=True), step)


def _follow(events: Iterable[dict[str, Any]], step: Step) -> str:
    """Show an engine's stream of events as they come; return its last lines, or raise LabError with them when it reports an error."""
    lines: list[str] = []
    for event in events:
        if "error" in event:
            raise LabError("\n".join([f"{step.name}: {event['error'].strip()}", *lines[-20:]]))
        if text := event.get("stream", "").strip():
            lines.append(text)
            step.latest = text.splitlines()[-1][:100]
    return "\n".join(lines[-20:])
