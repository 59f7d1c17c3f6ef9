# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Both instances of Redis as their clients and their operator meet them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import redis
from ansible_collections.onebox.stack.plugins.module_utils._tuning import tuning
from docker.models.containers import Container
from redis.backoff import NoBackoff
from redis.retry import Retry
from testinfra.host import Host

from observing import running, wait_until

INSTANCES = ("redis", "redis_cache")
POLICY = {"redis": "noeviction", "redis_cache": "allkeys-lru"}
VALUE = "x" * 64 * 1024
ABSENT = {"name": "redis", "state": "absent", "directory": "/opt/side"}
ROLE = {"ansible.builtin.include_role": {"name": "onebox.stack.redis"}}


@pytest.fixture
def client(reach: Callable[..., str], secrets: dict[str, str]) -> Iterator[Callable[..., redis.Redis]]:
    """A client of an instance, with its password unless another is given: `client("redis", password=None)`."""
    clients = []

    def client(instance: str, **options: Any) -> redis.Redis:
        options = {"password": secrets[f"{instance}_password"], **options}
        socket = reach(instance, 6379)
        clients.append(
            redis.Redis(
                unix_socket_path=socket, protocol=2, decode_responses=True, retry=Retry(NoBackoff(), 0), **options
            )
        )
        return clients[-1]

    yield client
    for one in clients:
        one.close()


@pytest.fixture
def site(play: Callable[..., Any]) -> Callable[..., Any]:
    """Run the part of the site's playbook that is about Redis."""
    return lambda *options: play("playbooks/site.yml", "--tags", "redis", "-v", *options)


@pytest.mark.parametrize("instance", INSTANCES)
def test_a_client_with_the_password_reads_what_it_wrote(instance: str, client: Callable[..., redis.Redis]) -> None:
    server = client(instance)
    assert server.set("greeting", "bonjour")
    assert server.get("greeting") == "bonjour"
    server.flushdb()


@pytest.mark.parametrize("instance", INSTANCES)
def test_a_client_without_the_password_is_refused(
    instance: str, client: Callable[..., redis.Redis], secrets: dict[str, str]
) -> None:
    with pytest.raises(redis.AuthenticationError, match="Authentication required"):
        client(instance, password=None).ping()
    other = next(secrets[f"{name}_password"] for name in INSTANCES if name != instance)
    for wrong in ("not-the-password", other):
        with pytest.raises(redis.AuthenticationError, match="invalid username-password pair"):
            client(instance, password=wrong).ping()


@pytest.mark.parametrize("instance", INSTANCES)
def test_a_client_may_not_administrate_the_server(instance: str, client: Callable[..., redis.Redis]) -> None:
    server = client(instance)
    for command in (
        "CONFIG GET *",
        "FLUSHALL",
        "SHUTDOWN",
        "ACL LIST",
        "MODULE LIST",
        "REPLICAOF NO ONE",
        "SAVE",
        "MONITOR",
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            server.execute_command(*command.split())
    with pytest.raises(redis.ResponseError, match="DEBUG command not allowed"):
        server.execute_command("DEBUG", "SLEEP", "0")
    # The negative: it is not everything that is refused.
    assert server.flushdb()
    assert server.info("server")["tcp_port"] == 6379


# A second stack, with the other server, that lets in one client at a time.
SIDE = {
    "onebox_project": "side",
    "redis_flavor": "redis",
    "redis_password": "Password-of-the-second-stack",
    "redis_settings": {"maxclients": 1},
}


@pytest.fixture(scope="module")
def side(
    run_tasks: Callable[..., Any], reach: Callable[..., str], engine: docker.DockerClient, host: Host
) -> Iterator[redis.Redis]:
    """The one client of the second stack. It stays connected, so that the health check is not let in any more."""
    run = run_tasks([ROLE], **SIDE)
    assert run.exit_code == 0, run.output
    socket = reach("redis", 6379, "side")
    yield redis.Redis(
        unix_socket_path=socket, password=SIDE["redis_password"], protocol=2, single_connection_client=True
    )
    of_the_stack = {"label": "com.docker.compose.project=side"}
    for container in engine.containers.list(all=True, filters=of_the_stack):
        container.remove(force=True)
    for left in (*engine.volumes.list(filters=of_the_stack), *engine.networks.list(filters=of_the_stack)):
        left.remove()
    host.check_output("rm -r /opt/side")


def test_a_second_stack_with_the_other_server_stands_beside_the_first(side: redis.Redis) -> None:
    assert "server_name" not in side.info("server")
    assert side.set("kept", "yes")


@pytest.mark.parametrize("instance", INSTANCES)
def test_the_server_keeps_to_what_follows_from_the_containers_limit(
    instance: str, client: Callable[..., redis.Redis], container: Callable[..., Container]
) -> None:
    limit_mib = container(instance).attrs["HostConfig"]["Memory"] // 2**20
    wanted = tuning(limit_mib, "redis", eviction_policy=POLICY[instance])
    memory = client(instance).info("memory")
    assert memory["maxmemory"] == int(wanted["maxmemory"].removesuffix("mb")) * 2**20
    assert memory["maxmemory_policy"] == POLICY[instance]


def test_a_full_cache_forgets_the_oldest(
    client: Callable[..., redis.Redis], container: Callable[..., Container]
) -> None:
    cache = client("redis_cache")
    room = cache.info("memory")["maxmemory"] // len(VALUE)
    for number in range(room + 200):
        cache.set(f"page:{number}", VALUE)
    assert cache.info("stats")["evicted_keys"] >= 200
    assert cache.exists("page:0") == 0
    assert cache.exists(f"page:{room + 199}") == 1
    assert container("redis_cache").attrs["RestartCount"] == 0
    cache.flushdb()


def fill(server: redis.Redis, accepted: list[str]) -> None:
    for number in range(10_000):
        server.set(f"job:{number}", VALUE)
        accepted.append(f"job:{number}")


def test_a_full_queue_refuses_more_and_loses_nothing_even_when_the_server_is_killed(
    client: Callable[..., redis.Redis], container: Callable[..., Container], host: Host
) -> None:
    queue = client("redis")
    accepted: list[str] = []
    with pytest.raises(redis.OutOfMemoryError, match="used memory > 'maxmemory'"):
        fill(queue, accepted)
    assert len(accepted) > 200

    # Nearly full and written to, it rewrites its append-only file, and holds a second copy of what changes meanwhile.
    for _ in range(10):
        queue.delete(accepted.pop())
    rewrites = queue.info("persistence")["aof_rewrites"]
    while queue.info("persistence")["aof_rewrites"] == rewrites:
        for name in accepted:
            queue.set(name, VALUE)
    assert wait_until(lambda: not queue.info("persistence")["aof_rewrite_in_progress"])
    assert queue.info("persistence")["aof_last_bgrewrite_status"] == "ok"

    before = container("redis")
    host.check_output("kill -9 %s", str(before.attrs["State"]["Pid"]))
    assert wait_until(lambda: running(container("redis")) != running(before) and container("redis").health == "healthy")
    assert container("redis").id == before.id
    assert container("redis").attrs["RestartCount"] == before.attrs["RestartCount"] + 1
    queue = client("redis")
    assert queue.exists(*accepted) == len(accepted)
    queue.flushdb()


def test_the_kernel_holds_a_container_to_its_limit_and_the_server_survives(
    client: Callable[..., redis.Redis], container: Callable[..., Container]
) -> None:
    client("redis").set("kept", "yes")
    before = running(container("redis"))
    greedy = ["dd", "if=/dev/zero", "of=/dev/null", "count=1"]
    assert container("redis").exec_run([*greedy, "bs=8M"]).exit_code == 0
    assert container("redis").exec_run([*greedy, "bs=200M"]).exit_code == 137
    assert running(container("redis")) == before
    assert client("redis").get("kept") == "yes"
    client("redis").flushdb()


def test_a_setting_that_the_server_refuses_stops_the_run_before_the_server_is_touched(
    site: Callable[..., Any], container: Callable[..., Container], snapshot: Callable[[], str]
) -> None:
    before = [snapshot(), *(running(container(instance)) for instance in INSTANCES)]
    run = site("--diff", "-e", '{"redis_settings": {"appendfsync": "sometimes"}}')
    assert run.exit_code != 0
    assert "redis: redis refuses its new settings; the ones in force are kept" in run.output
    assert "appendfsync sometimes" in run.output
    assert "argument(s) must be one of the following" in run.output
    assert [snapshot(), *(running(container(instance)) for instance in INSTANCES)] == before


def test_the_durable_instance_is_not_made_to_forget(site: Callable[..., Any], snapshot: Callable[[], str]) -> None:
    before = snapshot()
    run = site("-e", '{"redis_settings": {"maxmemory-policy": "allkeys-lru"}}')
    assert run.exit_code != 0
    assert "redis_settings.maxmemory-policy: 'allkeys-lru' would let the durable instance forget" in run.output
    assert snapshot() == before


def test_a_new_limit_recreates_the_container_that_it_is_for_and_no_other(
    site: Callable[..., Any], container: Callable[..., Container], client: Callable[..., redis.Redis]
) -> None:
    before = container("redis")
    limits = {"redis": {"limit_mib": 64}, "redis_cache": {"limit_mib": 72}}
    run = site("-e", json.dumps({"onebox_memory": limits, "onebox_replan": True}))
    assert run.exit_code == 0, run.output
    assert run.changed == ["onebox.stack.redis : Run redis_cache"]
    assert container("redis_cache").attrs["HostConfig"]["Memory"] == 72 * 2**20
    assert client("redis_cache").info("memory")["maxmemory"] == 44 * 2**20
    back = site("-e", "onebox_replan=true")
    assert back.exit_code == 0, back.output
    assert running(container("redis")) == running(before)


def test_a_password_changes_only_when_that_is_asked_for_and_is_never_shown(
    site: Callable[..., Any],
    client: Callable[..., redis.Redis],
    snapshot: Callable[[], str],
    process_lists: Callable[[], str],
    secrets: dict[str, str],
    inventory: Path,
    host: Host,
) -> None:
    old, new = secrets["redis_password"], f"New-{uuid.uuid4()}"
    client("redis").set("kept", "yes")
    store = inventory / ".secrets" / f"{host.ansible.get_variables()['inventory_hostname']}.json"
    store.write_text(json.dumps({**secrets, "redis_password": new}))
    before = snapshot()

    refused = site("-vvv", "--diff")
    assert refused.exit_code != 0
    assert "redis_password: the value given differs from the one in force on this host" in refused.output
    assert "-e onebox_rotate_secrets=redis_password" in refused.output
    assert snapshot() == before
    assert client("redis").get("kept") == "yes"

    done = site("-vvv", "--diff", "-e", "onebox_rotate_secrets=redis_password")
    assert done.exit_code == 0, done.output
    assert done.changed == ["onebox.stack.redis : Run redis"]
    assert "+new (hidden)" in done.output
    assert client("redis", password=new).get("kept") == "yes"
    with pytest.raises(redis.AuthenticationError):
        client("redis", password=old).ping()
    client("redis", password=new).flushdb()

    lists = process_lists()
    assert "docker compose" in lists
    for secret in (old, new, secrets["redis_cache_password"]):
        assert secret not in refused.output + done.output
        assert secret not in lists


@pytest.mark.parametrize("password", ["p'w\"x $HOME; 0123456789", "1e9000000000000000", "short"])
def test_a_password_that_some_program_would_misread_is_refused(
    password: str, run_tasks: Callable[..., Any], snapshot: Callable[[], str]
) -> None:
    before = snapshot()
    run = run_tasks([ROLE], redis_password=password)
    assert run.exit_code != 0
    assert "redis_password: 16 or more letters, digits, '_' and '-' are needed, a letter first" in run.output
    assert password not in run.output
    assert snapshot() == before


def test_drift_is_named_by_check_mode_and_exactly_that_is_repaired(
    site: Callable[..., Any],
    container: Callable[..., Container],
    client: Callable[..., redis.Redis],
    snapshot: Callable[[], str],
    host: Host,
) -> None:
    client("redis").set("kept", "yes")
    services, vault = "/opt/onebox/services", "/opt/onebox/secrets"

    container("redis").stop()
    host.check_output(f"echo 'maxmemory 0' >{services}/redis/extra.conf")
    container("redis_cache").remove(force=True)
    drifted = snapshot()
    drift = [
        f"remove {services}/redis/extra.conf",
        "start redis (exited)",
        "start redis_cache (0 of 1 containers there)",
    ]
    check = site("--check", "--diff")
    assert (check.exit_code, check.actions) == (0, drift), check.output
    assert "-maxmemory 0" in check.output
    assert snapshot() == drifted
    repair = site()
    assert (repair.exit_code, repair.actions) == (0, drift), repair.output
    assert client("redis").get("kept") == "yes"
    assert client("redis_cache").ping()

    container("redis").pause()
    host.check_output(f"sed -i 's/^maxmemory-policy .*/maxmemory-policy noeviction/' {services}/redis_cache/redis.conf")
    host.check_output(f"chmod 0444 {vault}/redis_cache/redis_cache_password")
    repair = site()
    assert (repair.exit_code, repair.actions) == (
        0,
        [
            "recreate redis (paused)",
            f"write {services}/redis_cache/redis.conf",
            f"write {vault}/redis_cache/redis_cache_password",
            "recreate redis_cache (its files were altered)",
        ],
    ), repair.output
    assert client("redis").get("kept") == "yes"
    assert client("redis_cache").info("memory")["maxmemory_policy"] == "allkeys-lru"
    client("redis").flushdb()

    again = site("--check")
    assert (again.exit_code, again.changed) == (0, []), again.output


def test_an_unhealthy_container_is_recreated(
    side: redis.Redis, run_tasks: Callable[..., Any], container: Callable[..., Container]
) -> None:
    assert wait_until(lambda: container("redis", "side").health == "unhealthy")
    run = run_tasks([ROLE], **SIDE)
    assert (run.exit_code, run.actions) == (0, ["recreate redis (unhealthy)"]), run.output
    assert container("redis", "side").health == "healthy"


def test_data_that_another_server_cannot_read_stays_with_the_one_that_can(
    side: redis.Redis, run_tasks: Callable[..., Any], container: Callable[..., Container]
) -> None:
    run = run_tasks([ROLE], **{**SIDE, "redis_flavor": "valkey"})
    assert run.exit_code != 0
    assert "container side-redis-1 is restarting (exit code 1)" in run.output
    assert "Can't handle RDB format version" in run.output
    assert "The configuration before this run is in force again" in run.output
    assert container("redis", "side").attrs["Config"]["Image"].startswith("redis:")
    assert container("redis", "side").health == "healthy"


def test_absent_removes_all_but_the_data_unless_it_is_told_to(
    side: redis.Redis, reach: Callable[..., str], run_tasks: Callable[..., Any], host: Host, engine: docker.DockerClient
) -> None:
    of_the_stack = {"label": "com.docker.compose.project=side"}
    absent = run_tasks([{"onebox.stack.compose_service": ABSENT}], **SIDE)
    assert absent.actions == [
        "removed container side-redis-1",
        "removed /opt/side/services/redis",
        "removed /opt/side/secrets/redis",
    ], absent.output
    assert engine.containers.list(all=True, filters=of_the_stack) == []
    assert [volume.name for volume in engine.volumes.list(filters=of_the_stack)] == ["side_redis-data"]
    assert host.check_output("cd /opt/side && docker compose config --services") == ""

    back = run_tasks([ROLE], **SIDE)
    assert back.exit_code == 0, back.output
    client = redis.Redis(unix_socket_path=reach("redis", 6379, "side"), password=SIDE["redis_password"])
    assert client.get("kept") == b"yes"

    absent = run_tasks([{"onebox.stack.compose_service": {**ABSENT, "remove_volumes": True}}], **SIDE)
    assert "removed volume side_redis-data" in absent.actions, absent.output
    assert engine.volumes.list(filters=of_the_stack) == []
