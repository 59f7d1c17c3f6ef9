# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The apt repository that stands for Docker's own: a web server on the lab's network."""

from __future__ import annotations

from urllib.parse import urlsplit

import docker

from lab.settings import APT_REPOSITORY_URL, LABEL, NETWORK

CONTAINER = "onebox-lab-apt-repository"


def ensure(client: docker.DockerClient, image: str) -> None:
    """Serve the repository in this image under the name that APT_REPOSITORY_URL has."""
    image_id = client.images.get(image).id
    try:
        container = client.containers.get(CONTAINER)
        if container.status == "running" and container.image.id == image_id:
            return
        container.remove(force=True)
    except docker.errors.NotFound:
        pass
    client.containers.create(
        image_id,
        name=CONTAINER,
        labels={LABEL: "apt-repository"},
        restart_policy={"Name": "unless-stopped"},
        network=NETWORK,
        networking_config={NETWORK: client.api.create_endpoint_config(aliases=[urlsplit(APT_REPOSITORY_URL).hostname])},
    ).start()
