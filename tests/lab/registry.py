# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's registry: Debian's docker-registry in a container, and what it stores."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from dataclasses import dataclass
from typing import Any

import docker
import requests

from lab import engine
from lab.settings import (
    KEY_LABEL,
    LABEL,
    LOCAL_REGISTRY,
    LOCAL_REGISTRY_PORT,
    NETWORK,
    REGISTRY,
    STATE_DIRECTORY,
    LabError,
)

CONTAINER = "onebox-lab-registry"
VOLUME = "onebox-lab-registry"
DIRECTORY = STATE_DIRECTORY / "registry"
PORT = int(REGISTRY.rpartition(":")[2])
START_TIMEOUT_SECONDS = 15
TIMEOUT_SECONDS = 60

MANIFEST_TYPES = ", ".join(
    [
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    ]
)


@dataclass(frozen=True)
class Stored:
    """An image in the registry. `key` is None for an upstream image; `size` is in bytes, compressed."""

    digest: str
    config_digest: str
    key: str | None
    size: int
    blobs: tuple[str, ...]

    @property
    def identity(self) -> str:
        return self.key or self.config_digest


def ensure(client: docker.DockerClient, image_id: str) -> bool:
    """Run the registry from this image; return whether it had to be started."""
    try:
        container = client.containers.get(CONTAINER)
        if container.status == "running" and container.image.id == image_id:
            return False
        container.remove(force=True)
    except docker.errors.NotFound:
        pass
    container = client.containers.create(
        image_id,
        name=CONTAINER,
        labels={LABEL: "registry"},
        restart_policy={"Name": "unless-stopped"},
        ports={f"{PORT}/tcp": ("127.0.0.1", LOCAL_REGISTRY_PORT)},
        volumes={_storage(client): {"bind": "/var/lib/registry", "mode": "rw"}},
        network=NETWORK,
        networking_config={NETWORK: client.api.create_endpoint_config(aliases=[REGISTRY.partition(":")[0]])},
    )
    container.start()
    _wait(container)
    return True


def forget(client: docker.DockerClient) -> None:
    """Remove the registry with all that it stores."""
    with contextlib.suppress(docker.errors.NotFound):
        client.containers.get(CONTAINER).remove(force=True)
    if engine.started_here():
        shutil.rmtree(DIRECTORY, ignore_errors=True)
    else:
        client.volumes.get(VOLUME).remove()


def _storage(client: docker.DockerClient) -> str:
    """Return where blobs are kept: in the cache when the engine is the lab's own and may go, else in a volume."""
    if engine.started_here():
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        return str(DIRECTORY)
    return str(client.volumes.create(VOLUME, labels={LABEL: "cache"}).name)


def _wait(container: Any) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        try:
            if _get("").ok:
                return
        except requests.exceptions.RequestException:
            time.sleep(0.05)
    log = container.logs(tail=10).decode(errors="replace")
    raise LabError(f"The registry does not answer on {LOCAL_REGISTRY}. Its last log lines:\n{log}")


def stored(repository: str, tag: str, architecture: str) -> Stored | None:
    """Return what the registry has under this name, or None when something of it is missing."""
    answer = _get(f"{repository}/manifests/{tag}")
    if answer.status_code == 404:
        return None
    answer.raise_for_status()
    digest = answer.headers["Docker-Content-Digest"]
    manifest = answer.json()
    if "manifests" in manifest:
        platform = _of_architecture(manifest, architecture)
        if platform is None:
            return None
        manifest = _get(f"{repository}/manifests/{platform}").json()
    config = _get(f"{repository}/blobs/{manifest['config']['digest']}")
    if not config.ok:
        return None
    return Stored(
        digest=digest,
        config_digest=manifest["config"]["digest"],
        key=(config.json()["config"].get("Labels") or {}).get(KEY_LABEL),
        size=sum(layer["size"] for layer in manifest["layers"]),
        blobs=tuple(layer["digest"] for layer in (manifest["config"], *manifest["layers"])),
    )


def _of_architecture(index: dict[str, Any], architecture: str) -> str | None:
    for entry in index["manifests"]:
        platform = entry.get("platform", {})
        if platform.get("os") == "linux" and platform.get("architecture") == architecture:
            return str(entry["digest"])
    return None


def blob_is_whole(repository: str, digest: str) -> bool:
    """Whether a blob is there and is what its name says."""
    content = hashlib.sha256()
    try:
        with _get(f"{repository}/blobs/{digest}", stream=True) as answer:
            for chunk in answer.iter_content(1 << 20):
                content.update(chunk)
    except requests.exceptions.RequestException:
        return False
    return digest == f"sha256:{content.hexdigest()}"


def collect_garbage(client: docker.DockerClient) -> None:
    """Delete what no tag refers to any more."""
    client.containers.get(CONTAINER).exec_run(
        ["docker-registry", "garbage-collect", "--delete-untagged", "/etc/docker/registry/config.yml"]
    )


def _get(path: str, stream: bool = False) -> requests.Response:
    with requests.Session() as session:
        # No proxy of the environment is between us and our own container.
        session.trust_env = False
        url = f"http://{LOCAL_REGISTRY}/v2/{path}"
        return session.get(url, headers={"Accept": MANIFEST_TYPES}, stream=stream, timeout=TIMEOUT_SECONDS)
