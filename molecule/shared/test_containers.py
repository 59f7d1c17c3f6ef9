# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy of the stack, looked for in the kernel and the engine rather than in the files that ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import docker
import pytest
from docker.models.containers import Container
from testinfra.host import Host

LOG = {"Type": "local", "Config": {"max-file": "5", "max-size": "10m"}}
# From linux/capability.h, those that a role of the stack asks for.
CAPABILITIES = {"CHOWN": 0, "SETGID": 6, "SETUID": 7}


@pytest.fixture(scope="module")
def stack(engine: docker.DockerClient) -> list[Container]:
    found = engine.containers.list(filters={"label": "onebox.service"})
    assert found
    return found


def faults(container: Container, host: Host, engine: docker.DockerClient) -> list[str]:
    """In which ways a running container is less confined than the policy asks for."""
    settings = container.attrs["HostConfig"]
    process = f"/proc/{container.attrs['State']['Pid']}"
    text = host.check_output(f"cat {process}/status {process}/limits; grep ' / ' {process}/mounts")
    status = dict(line.split(":\t") for line in text.splitlines() if ":\t" in line)
    added = {name.removeprefix("CAP_") for name in settings["CapAdd"] or []}
    allowed = sum(1 << CAPABILITIES[name] for name in added)
    in_force = engine.api.stats(container.id, stream=False, one_shot=True)
    checks = {
        "is root": status["Uid"].split()[0] != "0" or "SETUID" in added,
        "may gain privileges": status["NoNewPrivs"].strip() == "1",
        "has capabilities": int(status["CapEff"], 16) & ~allowed == 0,
        "may get capabilities": int(status["CapBnd"], 16) & ~allowed == 0,
        "is not filtered by seccomp": status["Seccomp"].strip() == "2",
        "may write to its image": next(line for line in text.splitlines() if " / " in line).split()[3].startswith("ro"),
        "may open too few or too many files": "Max open files            16384                16384" in text,
        "may start any number of processes": in_force["pids_stats"].get("limit") == 512,
        "may take all memory": 0 < in_force["memory_stats"]["limit"] == settings["Memory"],
        "is not restarted": settings["RestartPolicy"]["Name"] == "unless-stopped",
        "logs without bounds": settings["LogConfig"] == LOG,
    }
    return [fault for fault, well in checks.items() if not well]


def test_every_container_is_confined(stack: list[Container], host: Host, engine: docker.DockerClient) -> None:
    assert {container.name: faults(container, host, engine) for container in stack} == {
        container.name: [] for container in stack
    }


@pytest.fixture
def careless(stack: list[Container], engine: docker.DockerClient) -> Iterator[Container]:
    """A container of the same image that nobody confined."""
    container = engine.containers.run(
        stack[0].image,
        ["3600"],
        entrypoint=["sleep"],
        user="0:0",
        detach=True,
        security_opt=["no-new-privileges=false", "seccomp=unconfined"],
        ulimits=[docker.types.Ulimit(name="nofile", soft=1024, hard=1024)],
        log_config=docker.types.LogConfig(type="json-file"),
        publish_all_ports=True,
    )
    container.reload()
    yield container
    container.remove(force=True, v=True)


def test_a_container_without_the_policy_is_told_from_one_with_it(
    careless: Container, host: Host, engine: docker.DockerClient
) -> None:
    assert faults(careless, host, engine) == [
        "is root",
        "may gain privileges",
        "has capabilities",
        "may get capabilities",
        "is not filtered by seccomp",
        "may write to its image",
        "may open too few or too many files",
        "may start any number of processes",
        "may take all memory",
        "is not restarted",
        "logs without bounds",
    ]
    assert published(careless)


def published(container: Container) -> dict[str, Any]:
    return {port: addresses for port, addresses in container.attrs["NetworkSettings"]["Ports"].items() if addresses}


def test_nothing_but_nginx_publishes_a_port(stack: list[Container]) -> None:
    open_ports = {container.name: set(published(container)) for container in stack}
    for name, ports in open_ports.items():
        assert ports == ({"80/tcp", "443/tcp"} if "-nginx-" in name else set()), name


def reaches_out(container: Container, host: Host) -> bool:
    """Whether a program in the container's network can connect to the registry, which stands outside of the VPS."""
    name, port = host.ansible.get_variables()["docker_insecure_registries"][0].split(":")
    address = host.check_output("getent ahostsv4 %s", name).split()[0]
    connect = f"import socket; socket.create_connection(('{address}', {port}), timeout=2)"
    network = f"/proc/{container.attrs['State']['Pid']}/ns/net"
    return host.run("nsenter --net=%s python3 -c %s", network, connect).rc == 0


def test_what_is_on_the_data_network_alone_reaches_nothing_outside(
    stack: list[Container], careless: Container, host: Host
) -> None:
    assert reaches_out(careless, host)
    for container in stack:
        if all(name.endswith("_data") for name in container.attrs["NetworkSettings"]["Networks"]):
            assert not reaches_out(container, host), container.name
