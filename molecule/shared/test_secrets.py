# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where passwords are on the host, and where they are not."""

from __future__ import annotations

import docker
from testinfra.host import Host


def shown(host: Host) -> str:
    """What anybody who may ask Docker, or list processes, gets to see."""
    return host.check_output(
        "docker inspect $(docker ps --all --quiet);"
        "for file in /opt/*/compose.yaml; do docker compose -f $file config; done;"
        "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    )


def test_no_secret_is_in_a_containers_configuration_or_in_a_process_list(host: Host, secrets: dict[str, str]) -> None:
    found = shown(host)
    assert [name for name, value in secrets.items() if value in found] == []


def test_a_secret_in_an_environment_or_in_arguments_would_be_found(host: Host, engine: docker.DockerClient) -> None:
    host.check_output("systemd-run --quiet --unit=careless sh -c 'sleep 60; : as-an-argument'")
    image = engine.containers.list()[0].image
    careless = engine.containers.create(image, environment={"PASSWORD": "in-the-environment"})
    found = shown(host)
    careless.remove(v=True)
    host.check_output("systemctl stop careless")
    assert "as-an-argument" in found
    assert "in-the-environment" in found


def test_a_secret_on_the_host_is_closed_to_who_has_no_need_of_it(host: Host, secrets: dict[str, str]) -> None:
    values = "\n".join(secrets.values())
    paths = host.check_output("grep --recursive --files-with-matches --fixed-strings %s /opt", values).split()
    assert set(host.check_output(f"stat --format '%U %a' {' '.join(paths)}").splitlines()) == {"root 440"}
    for path in paths:
        assert "Permission denied" in host.run("runuser -u nobody -- cat %s", path).stderr, path
