# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the scenarios' tests get, beside testinfra's `host`."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import requests
import urllib3
import yaml
from docker.models.containers import Container
from requests.adapters import HTTPAdapter
from testinfra.host import Host

SSH_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Run:
    """What a run of a playbook came to.

    `changed` names the tasks that changed something, or would have; `actions` is what compose_service says it did,
    which only a run with `-v` shows.
    """

    exit_code: int
    changed: list[str]
    actions: list[str]
    output: str


@pytest.fixture(scope="session")
def inventory() -> Path:
    """The scenario's inventory, a directory; generated secrets are in there too."""
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"


@pytest.fixture(scope="session")
def play(inventory: Path) -> Callable[..., Run]:
    """Run a playbook on the scenario's VPS: `play("playbooks/site.yml", "--tags", "redis", "-e", "redis_tag=8.0")`."""

    def play(playbook: str | Path, *options: str) -> Run:
        done = subprocess.run(
            ["ansible-playbook", "--inventory", inventory, playbook, *options],
            cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
            env=os.environ | {"ANSIBLE_NOCOLOR": "true", "ANSIBLE_FORCE_COLOR": "false"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Run(done.returncode, _changed_tasks(done.stdout), _actions(done.stdout), done.stdout)

    return play


def _changed_tasks(output: str) -> list[str]:
    task = ""
    changed = []
    for line in output.splitlines():
        if heading := re.match(r"(?:TASK|RUNNING HANDLER) \[(.*)\]", line):
            task = heading[1]
        elif line.startswith("changed: "):
            changed.append(task)
    return changed


def _actions(output: str) -> list[str]:
    lists = re.findall(r"^    actions:\n((?:    - .*\n)+)", output, re.MULTILINE)
    return [line.removeprefix("    - ") for text in lists for line in text.splitlines()]


@pytest.fixture(scope="session")
def converge(play: Callable[..., Run]) -> Callable[..., Run]:
    """Run the scenario's playbook again: `converge("--check", "--diff", "-e", "redis_tag=8.0")`."""
    return lambda *options: play("molecule/shared/converge.yml", *options)


@pytest.fixture(scope="session")
def run_tasks(play: Callable[..., Run], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Run tasks on the VPS: `run_tasks([{"onebox.stack.compose_service": {...}}], onebox_project="side")`."""
    playbook = tmp_path_factory.mktemp("playbook") / "playbook.yml"

    def run_tasks(tasks: list[dict[str, Any]], **variables: Any) -> Run:
        whole = {"hosts": "all", "become": True, "gather_facts": False, "vars": variables, "tasks": tasks}
        playbook.write_text(yaml.safe_dump([whole], sort_keys=False))
        return play(playbook, "-v")

    return run_tasks


@pytest.fixture
def store(host: Host, inventory: Path) -> Path:
    """The file of the generated secrets on the controller, which need not exist."""
    return inventory / ".secrets" / f"{host.ansible.get_variables()['inventory_hostname']}.json"


@pytest.fixture
def secrets(store: Path) -> dict[str, str]:
    """The generated secrets by name, as the controller keeps them; of nginx's private key a line."""
    found: dict[str, str] = json.loads(store.read_text()) if store.exists() else {}
    return found | {path.name: path.read_text().splitlines()[1] for path in store.parent.glob("*.key")}


@pytest.fixture
def process_lists(host: Host) -> Iterator[Callable[[], str]]:
    """Call it for the arguments of all processes that were seen in the VPS, every 50 ms, since the test began."""
    look = "while :; do cat /proc/[0-9]*/cmdline | tr '\\0' ' '; sleep 0.05; done >/run/process-lists 2>/dev/null"
    host.check_output("systemd-run --quiet --unit=process-lists sh -c %s", look)
    yield lambda: host.check_output("cat /run/process-lists")
    host.check_output("systemctl stop process-lists; rm /run/process-lists")


@pytest.fixture
def snapshot(host: Host) -> Callable[[], str]:
    """What a run may change: the files of all stacks, with owners and modes, and the containers with their states."""
    command = (
        "find /opt -printf '%p %U:%G %m %l\\n' | sort; find /opt -type f -exec sha256sum {} + | sort;"
        "docker ps --all --no-trunc --format '{{.Names}} {{.ID}} {{.State}}' | sort"
    )
    return lambda: host.check_output(command)


@pytest.fixture(scope="module")
def forward(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Reach what only the VPS can: `forward("172.30.0.2:6379")` returns a socket of this machine that leads there."""
    variables = host.ansible.get_variables()
    login = [f"{variables['ansible_user']}@{variables['ansible_host']}", "-p", str(variables["ansible_port"])]
    login += ["-i", variables["ansible_ssh_private_key_file"], *shlex.split(variables["ansible_ssh_common_args"])]
    sockets = (tmp_path_factory.mktemp("forward") / str(number) for number in itertools.count())
    tunnels: list[subprocess.Popen[bytes]] = []

    def forward(target: str) -> str:
        socket = next(sockets)
        tunnels.append(subprocess.Popen(["ssh", *login, "-N", "-L", f"{socket}:{target}"]))
        deadline = time.monotonic() + SSH_TIMEOUT_SECONDS
        while not socket.exists():
            assert tunnels[-1].poll() is None, f"no way to {target} through SSH"
            assert time.monotonic() < deadline, f"no way to {target} through SSH in {SSH_TIMEOUT_SECONDS} s"
            time.sleep(0.02)
        return str(socket)

    yield forward
    for tunnel in tunnels:
        tunnel.terminate()
        tunnel.wait()


@pytest.fixture(scope="module")
def engine(forward: Callable[[str], str]) -> Iterator[docker.DockerClient]:
    """The VPS's own Docker engine."""
    client = docker.DockerClient(base_url=f"unix://{forward('/var/run/docker.sock')}")
    yield client
    client.close()


@pytest.fixture(scope="module")
def container(engine: docker.DockerClient) -> Callable[..., Container]:
    """A service's container as it is now, the first of its replicas: `container("redis").id`."""

    def container(service: str, project: str = "onebox") -> Container:
        labels = {"project": project, "service": service, "oneoff": "False"}
        wanted = [f"com.docker.compose.{name}={value}" for name, value in labels.items()]
        found = engine.containers.list(all=True, filters={"label": wanted})
        assert found, f"there is no container of {service}"
        return min(found, key=lambda one: str(one.name))

    return container


@pytest.fixture(scope="module")
def reach(container: Callable[..., Container], forward: Callable[[str], str]) -> Callable[..., str]:
    """Reach a service that publishes no port: `reach("redis", 6379)` is a socket of this machine that leads to it."""

    def reach(service: str, port: int, project: str = "onebox") -> str:
        networks = container(service, project).attrs["NetworkSettings"]["Networks"].values()
        address = next(network["IPAddress"] for network in networks)
        return forward(f"{address}:{port}")

    return reach


class _ToTheVps(HTTPAdapter):
    """Connects to the VPS whatever the host in the URL, which the server is asked for all the same (SNI and Host)."""

    def __init__(self, ports: dict[int, int]) -> None:
        super().__init__()
        self.ports = {"http": ports[80], "https": ports[443]}

    def build_connection_pool_key_attributes(self, *arguments: Any) -> Any:
        host, pool = super().build_connection_pool_key_attributes(*arguments)
        if host["scheme"] == "https":
            pool |= {"server_hostname": host["host"], "assert_hostname": host["host"]}
        return host | {"host": "127.0.0.1", "port": self.ports[host["scheme"]]}, pool

    def add_headers(self, request: requests.PreparedRequest, **_arguments: Any) -> None:
        request.headers.setdefault("Host", urllib3.util.parse_url(request.url).host)


@pytest.fixture(scope="module")
def ports(host: Host) -> dict[int, int]:
    """The ports of 127.0.0.1 that lead to those of the VPS."""
    return {int(port): leads for port, leads in host.ansible.get_variables()["lab_ports"].items()}


@pytest.fixture(scope="module")
def web(ports: dict[int, int], inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[requests.Session]:
    """A browser for which every name leads to the VPS, and which believes the certificates that the controller made."""
    believed = tmp_path_factory.mktemp("web") / "believed.pem"
    believed.write_text("".join(path.read_text() for path in (inventory / ".secrets").glob("*-selfsigned-*.crt")))
    with requests.Session() as session:
        session.trust_env = False  # it would set other certificates than these
        session.verify = str(believed)
        for scheme in ("http://", "https://"):
            session.mount(scheme, _ToTheVps(ports))
        yield session
