# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Database servers beside a VPS, as a provider runs them: an address, TLS from a CA of its own, one user.

`python -m managed_servers create` makes them anew; `python -m managed_servers destroy` removes them.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tarfile
from dataclasses import dataclass, field

import docker

from certificates import Authority
from lab.settings import LABEL, NETWORK

DATABASE, USER = "shop_prod", "shop_rw"
# What a provider may choose: all that quoting could go wrong with.
PASSWORD = 'it\'s "a" $(pass) `word`\\ #1;&'
ADMIN_PASSWORD = "provider"
# uid and gid of the server in both images, who alone may read its key.
SERVER_ID = 999


@dataclass(frozen=True)
class Server:
    """One server: an image, where it is on the lab's network, how it is started, and files by their paths inside."""

    image: str
    address: str
    environment: dict[str, str]
    command: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)

    @property
    def container_name(self) -> str:
        return f"{LABEL}-managed-{self.image.partition(':')[0]}"


SERVERS = {
    "mysql": Server(
        "mariadb:11.8.8-noble",
        "198.18.77.241",
        {
            "MARIADB_ROOT_PASSWORD": ADMIN_PASSWORD,
            "MARIADB_DATABASE": DATABASE,
            "MARIADB_USER": USER,
            "MARIADB_PASSWORD": PASSWORD,
            "MARIADB_INITDB_SKIP_TZINFO": "1",
        },
        (
            "mariadbd",
            "--ssl-cert=/tls/server.crt",
            "--ssl-key=/tls/server.key",
            "--require-secure-transport=ON",
            "--innodb-buffer-pool-size=32M",
        ),
        # Of the image's own clients, which make the first users.
        {"/etc/mysql/conf.d/clients.cnf": "[client]\nskip-ssl-verify-server-cert\n"},
    ),
    "postgresql": Server(
        "postgres:17.11-trixie",
        "198.18.77.242",
        {"POSTGRES_PASSWORD": PASSWORD, "POSTGRES_USER": USER, "POSTGRES_DB": DATABASE},
        ("postgres", "-c", "ssl=on", "-c", "ssl_cert_file=/tls/server.crt", "-c", "ssl_key_file=/tls/server.key"),
    ),
}


def create(client: docker.DockerClient) -> None:
    """Have all servers, new and empty, with certificates that nobody can verify yet."""
    destroy(client)
    for server in SERVERS.values():
        endpoint = client.api.create_endpoint_config(ipv4_address=server.address)
        created = client.api.create_container(
            server.image,
            command=list(server.command),
            name=server.container_name,
            environment=server.environment,
            labels={LABEL: "managed"},
            host_config=client.api.create_host_config(network_mode=NETWORK),
            networking_config=client.api.create_networking_config({NETWORK: endpoint}),
        )
        client.api.put_archive(created["Id"], "/", _archive(server.files))
        certify(client, server, Authority(), server.address)


def certify(client: docker.DockerClient, server: Server, authority: Authority, host: str) -> None:
    """Have the server present a certificate of this authority for this name or address; it is started anew."""
    certificate, key = authority.issue(host)
    container = client.containers.get(server.container_name)
    container.put_archive("/", _archive({"/tls/server.crt": certificate, "/tls/server.key": key}))
    container.restart()


def destroy(client: docker.DockerClient) -> None:
    """Remove the servers and their data; those that do not exist are fine."""
    for server in SERVERS.values():
        with contextlib.suppress(docker.errors.NotFound):
            client.containers.get(server.container_name).remove(force=True, v=True)


def _archive(files: dict[str, str]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode, member.uid, member.gid = len(text), 0o600, SERVER_ID, SERVER_ID
            tar.addfile(member, io.BytesIO(text.encode()))
    return archive.getvalue()


if __name__ == "__main__":
    if sys.argv[1] == "create":
        create(docker.from_env())
    else:
        destroy(docker.from_env())
