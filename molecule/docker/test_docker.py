# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker from its own apt repository, and what a host must be like before anything is changed on it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from testinfra.host import Host

IMAGE = "valkey/valkey:8.1.9-alpine"
WITH_NGINX = ("-e", '{"onebox_services": {"nginx": true}}')


@pytest.fixture
def sleeper(host: Host) -> Iterator[str]:
    """The id of a container that runs beside everything."""
    identity = host.check_output(f"docker run -d --rm {IMAGE} sleep 600")
    yield identity
    host.run(f"docker rm -f {identity}")


def daemon_pid(host: Host) -> str:
    return host.check_output("cat /run/docker.pid")


def test_the_engine_comes_from_the_signed_repository(host: Host) -> None:
    assert host.package("docker-ce").is_installed
    assert not host.package("docker.io").is_installed
    sources = host.file("/etc/apt/sources.list.d/docker.sources").content_string
    assert "Signed-By: /etc/apt/keyrings/docker.asc" in sources
    assert "[trusted=yes]" not in sources
    # The negative: with another key the repository is refused.
    swap = "sed 's#^Signed-By: .*#Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg#'"
    forged = "/etc/apt/sources.list.d/forged.sources"
    host.check_output(f"{swap} /etc/apt/sources.list.d/docker.sources > {forged}")
    update = host.run(
        f"apt-get update -o Dir::Etc::sourcelist={forged} -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0"
    )
    host.check_output(f"rm {forged}")
    assert "signature verification" in update.stderr, update.stderr


def test_the_engine_runs_and_starts_at_boot(host: Host) -> None:
    assert host.service("docker").is_running
    assert host.service("docker").is_enabled
    assert host.run("docker compose version").rc == 0


def test_the_daemon_has_the_settings(host: Host) -> None:
    info = json.loads(host.check_output("docker info --format '{{json .}}'"))
    assert info["LoggingDriver"] == "local"
    assert info["LiveRestoreEnabled"] is True
    # `firewall-backend` came with Docker 29; this engine would refuse to start over it.
    assert int(info["ServerVersion"].split(".")[0]) < 29
    assert "firewall-backend" not in json.loads(host.file("/etc/docker/daemon.json").content_string)


def test_containers_outlive_a_restart_of_the_daemon(host: Host, sleeper: str) -> None:
    started = host.check_output(f"docker inspect --format '{{{{.State.StartedAt}}}}' {sleeper}")
    before = daemon_pid(host)
    host.check_output("systemctl reset-failed docker && systemctl restart docker")
    assert daemon_pid(host) != before
    assert host.check_output(f"docker inspect --format '{{{{.State.StartedAt}}}}' {sleeper}") == started


def test_a_port_published_by_mistake_is_reached_from_the_host_alone(host: Host) -> None:
    script = (
        "docker network create --driver bridge mistake >/dev/null && "
        f"docker run -d --rm --name mistake --network mistake -p 8099:6379 {IMAGE} >/dev/null && "
        "ss -ltnH 'sport = :8099'"
    )
    listening = host.check_output(script)
    host.check_output("docker rm -f mistake && docker network rm mistake")
    assert "127.0.0.1:8099" in listening
    assert "0.0.0.0:8099" not in listening


def test_a_setting_that_the_daemon_refuses_is_found_before_it_is_touched(
    host: Host, converge: Callable[..., Any]
) -> None:
    before, settings = daemon_pid(host), host.file("/etc/docker/daemon.json").content_string
    run = converge("-e", '{"docker_daemon_settings": {"no-such-setting": true}}')
    assert run.exit_code != 0
    assert "no-such-setting" in run.output
    assert (daemon_pid(host), host.file("/etc/docker/daemon.json").content_string) == (before, settings)


def test_a_changed_setting_restarts_the_daemon_once(host: Host, converge: Callable[..., Any]) -> None:
    before = daemon_pid(host)
    run = converge("-e", '{"docker_daemon_settings": {"debug": true}}')
    assert run.exit_code == 0, run.output
    assert daemon_pid(host) != before
    back = converge()
    assert back.exit_code == 0, back.output
    assert json.loads(host.check_output("docker info --format '{{json .Debug}}'")) is False
    assert converge().changed == []


def test_a_run_that_died_before_the_restart_is_finished_by_the_next(host: Host, converge: Callable[..., Any]) -> None:
    time.sleep(1)
    host.check_output("touch /etc/docker/daemon.json")
    before = daemon_pid(host)
    run = converge()
    assert run.changed == ["onebox.stack.docker : Restart Docker when its settings are newer than the daemon"]
    assert daemon_pid(host) != before


@contextlib.contextmanager
def port_80_held(host: Host) -> Iterator[None]:
    host.check_output("systemd-run --unit=squatter python3 -m http.server 80")
    host.check_output("timeout 10 sh -c 'until ss -ltnH \"sport = :80\" | grep -q .; do sleep 0.1; done'")
    yield
    host.check_output("systemctl stop squatter")


@contextlib.contextmanager
def port_443_held_by_a_container(host: Host) -> Iterator[None]:
    host.check_output(f"docker run -d --rm --name squatter -p 443:6379 {IMAGE}")
    yield
    host.check_output("docker rm -f squatter")


@contextlib.contextmanager
def little_disk(host: Host) -> Iterator[None]:
    host.check_output("mount -t tmpfs -o size=1g tmpfs /var/lib/docker")
    yield
    host.check_output("umount /var/lib/docker")


@contextlib.contextmanager
def another_distribution(host: Host) -> Iterator[None]:
    host.check_output("cp --dereference /etc/os-release /root/os-release && ln -sf /root/fedora /etc/os-release")
    host.check_output("printf 'ID=fedora\\nVERSION_ID=42\\n' > /root/fedora")
    yield
    host.check_output("ln -sf ../usr/lib/os-release /etc/os-release && rm /root/fedora /root/os-release")


HOSTS = {
    port_80_held: "port 80 is held by python3 (pid ",
    port_443_held_by_a_container: "port 443 is held by the container squatter",
    little_disk: "MiB of disk are free for Docker, 5120 are needed",
    another_distribution: "the host runs 'fedora 42'; onebox.stack supports debian 12 13, ubuntu 22.04 24.04 26.04",
}


@pytest.mark.parametrize("fault", HOSTS, ids=lambda fault: fault.__name__)
def test_a_host_that_cannot_take_the_stack_is_refused_untouched(
    fault: Callable[[Host], Any], host: Host, converge: Callable[..., Any]
) -> None:
    with fault(host):
        run = converge(*WITH_NGINX)
    assert run.exit_code != 0
    assert HOSTS[fault] in run.output, run.output
    assert "Nothing was changed" in run.output
    assert run.changed == []
    assert not host.file("/opt/onebox/services/nginx").exists
