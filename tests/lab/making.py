# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes one image in an engine: a base from Debian's packages, or whatever a Dockerfile says; pushes it."""

from __future__ import annotations

import contextlib
import re
import shutil
import ssl
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import docker

from lab import packages
from lab.progress import Progress, Step
from lab.settings import KEY_LABEL, LABEL, LabError

BASE_OPTIONS = [
    "--variant=minbase",
    "--format=tar",
    "--quiet",
    # What no container reads: translations, documentation.
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    # No caches of apt, in a file that upstream's has too, since a Dockerfile may remove it.
    '--customize-hook=echo \'Dir::Cache { pkgcache ""; srcpkgcache ""; }; APT::Keep-Downloaded-Packages "false";\''
    ' > "$1/etc/apt/apt.conf.d/docker-clean"; rm "$1"/var/cache/apt/*.bin',
]

# Sid's index is valid for a week only: a mirror that lags behind serves an older one.
SUITE_OPTIONS = {"sid": ['--aptopt=Acquire::Check-Valid-Until "false"']}

# A Dockerfile that copies this file gets the certificates of the authorities that this machine trusts: behind a proxy
# that looks into TLS, a stage that downloads has to trust what the machine does.
CERTIFICATES = "machine-ca-certificates.crt"

ANSI_COLOUR = re.compile("\x1b\\[[0-9;]*m")


def suite_options(suite: str) -> list[str]:
    """Return the options of mmdebstrap for a suite of Debian."""
    return [*BASE_OPTIONS, *SUITE_OPTIONS.get(suite, [])]


def debootstrap(client: docker.DockerClient, name: str, suite: str, key: str, progress: Progress) -> None:
    """Make the image `name` from a suite of Debian, with what every system of it has and no more."""
    if shutil.which("mmdebstrap") is None:
        packages.install(["mmdebstrap"], progress)
    with tempfile.TemporaryDirectory() as directory:
        tarball = Path(directory) / "base.tar"
        packages.run(["mmdebstrap", *suite_options(suite), suite, str(tarball)])
        client.api.import_image_from_file(
            str(tarball),
            *name.rsplit(":", 1),
            changes=['CMD ["bash"]', f"LABEL {LABEL}=base {KEY_LABEL}={key}"],
        )


def build(
    client: docker.DockerClient,
    context: Path,
    dockerfile: str,
    name: str,
    key: str,
    step: Step,
    arguments: Mapping[str, str] | None = None,
) -> None:
    """Build a Dockerfile of a directory as the image `name`; raise LabError with the last output when that fails."""
    before = set(client.api.images(all=True, quiet=True))
    with _with_certificates(context, dockerfile) as path:
        events = client.api.build(
            path=str(path),
            dockerfile=dockerfile,
            tag=name,
            buildargs=dict(arguments or {}),
            labels={LABEL: "image", KEY_LABEL: key},
            rm=True,
            forcerm=True,
            decode=True,
        )
        _follow(events, step)
    if _keeps_build_steps(client):
        for leftover in set(client.api.images(all=True, quiet=True)) - before - {client.images.get(name).id}:
            with contextlib.suppress(docker.errors.ImageNotFound):
                client.images.remove(leftover, force=True)


@contextlib.contextmanager
def _with_certificates(context: Path, dockerfile: str) -> Iterator[Path]:
    """Give the directory to build: a copy with CERTIFICATES when the Dockerfile copies them."""
    if f"COPY {CERTIFICATES} " not in (context / dockerfile).read_text():
        yield context
        return
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "context"
        shutil.copytree(context, copy)
        trusted = ssl.create_default_context().get_ca_certs(binary_form=True)
        (copy / CERTIFICATES).write_text("".join(map(ssl.DER_cert_to_PEM_cert, trusted)))
        yield copy


def push(client: docker.DockerClient, reference: str, step: Step) -> None:
    step.latest = "pushing"
    _follow(client.images.push(reference, stream=True, decode=True), step)


def _keeps_build_steps(client: docker.DockerClient) -> bool:
    """Whether the engine keeps an image of each step of a build even when what was built is removed."""
    return ["driver-type", "io.containerd.snapshotter.v1"] in client.info()["DriverStatus"]


def _follow(events: Iterable[dict[str, Any]], step: Step) -> None:
    """Show an engine's events as they come; raise LabError with the last of them when one is an error."""
    lines: list[str] = []
    for event in events:
        if "error" in event:
            raise LabError("\n".join([f"{step.name}: {event['error'].strip()}", *lines[-20:]]))
        text = ANSI_COLOUR.sub("", event.get("stream", "")).strip()
        if text and not text.startswith("--->"):
            lines.append(text)
            step.latest = text.splitlines()[-1][:100]
