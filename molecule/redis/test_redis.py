# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Both instances of Redis as their clients and their operator meet them."""

from __future__ import annotations

import itertools
import json
import threading
import time
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
BACKUP = "onebox_backup"
VAULT = "/opt/onebox/secrets"
ABSENT = {"name": "redis", "state": "absent", "directory": "/opt/side"}
ROLE = {"ansible.builtin.include_role": {"name": "onebox.stack.redis"}}


@pytest.fixture
def flavor(host: Host) -> str:
    """Which server it is: valkey or redis."""
    return str(host.ansible.get_variables().get("redis_flavor", "valkey"))


@pytest.fixture
def client(reach: Callable[..., str], secrets: dict[str, str]) -> Iterator[Callable[..., redis.Redis]]:
    """A client of an instance, as an app unless another user is named: `client("redis", "onebox")`.

    It uses the user's own password unless another is given, and one connection, which it does not renew by itself.
    """
    clients = []

    def client(instance: str, user: str | None = "shop", **options: Any) -> redis.Redis:
        own = {"onebox": f"{instance}_password", BACKUP: "redis_backup_password"}
        secret = own.get(str(user), f"{user}_{instance}_password".replace("-", "_"))
        clients.append(
            redis.Redis(
                unix_socket_path=reach(instance, 6379),
                username=user,
                protocol=2,
                decode_responses=True,
                single_connection_client=True,
                retry=Retry(NoBackoff(), 0),
                **{"password": secrets.get(secret), **options},
            )
        )
        return clients[-1]

    yield client
    for one in clients:
        one.close()


@pytest.fixture
def operator(client: Callable[..., redis.Redis]) -> Callable[[str], redis.Redis]:
    """The operator's own client of an instance: `operator("redis")`."""
    return lambda instance: client(instance, "onebox")


@pytest.fixture
def job(
    engine: docker.DockerClient, container: Callable[..., Container], secrets: dict[str, str]
) -> Callable[[str], str]:
    """Run a shell command in a container of its own, beside the server, as the user for backups."""

    def job(command: str) -> str:
        server = container("redis")
        output = engine.containers.run(
            server.image,
            ["sh", "-ec", command],
            user="999:1000",
            environment={"REDISCLI_AUTH": secrets["redis_backup_password"]},
            network=next(iter(server.attrs["NetworkSettings"]["Networks"])),
            remove=True,
            # What it writes can be read back from this driver's log alone.
            log_config=docker.types.LogConfig(type="json-file"),
        )
        return str(output.decode())

    return job


@pytest.fixture
def site(play: Callable[..., Any]) -> Callable[..., Any]:
    """Run the part of the site's playbook that is about Redis and its apps."""
    return lambda *options: play("playbooks/site.yml", "--tags", "redis,app", "-v", *options)


# -- who is let in, and what for ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("instance", "prefix"), [("redis", "REDIS"), ("redis_cache", "REDIS_CACHE")])
def test_an_app_reaches_an_instance_by_the_names_and_the_secret_that_it_was_given(
    instance: str, prefix: str, container: Callable[..., Container], operator: Callable[[str], redis.Redis]
) -> None:
    address = f'-h "${prefix}_HOST" -p "${prefix}_PORT" --user "${prefix}_USERNAME" --no-auth-warning -e'
    login = f'REDISCLI_AUTH="$(cat "${prefix}_PASSWORD_FILE")" valkey-cli {address}'
    ask = f'{login} acl whoami && {login} set "$REDIS_PREFIX"greeting bonjour'
    code, output = container("news-letter-worker").exec_run(["sh", "-c", ask])
    assert (code, output.decode().split()) == (0, ["news-letter", "OK"])
    assert operator(instance).getdel("news-letter:greeting") == "bonjour"


@pytest.mark.parametrize("instance", INSTANCES)
def test_a_client_without_its_password_is_refused(
    instance: str, client: Callable[..., redis.Redis], secrets: dict[str, str]
) -> None:
    assert client(instance).ping()
    with pytest.raises(redis.AuthenticationError, match="Authentication required"):
        client(instance, None).ping()
    elsewhere = next(name for name in INSTANCES if name != instance)
    another_s = {
        "shop": [f"news_letter_{instance}_password", f"shop_{elsewhere}_password", f"{instance}_password"],
        "onebox": [f"shop_{instance}_password", f"{elsewhere}_password"],
        "default": [f"{instance}_password", f"shop_{instance}_password"],
    }
    for user, names in another_s.items():
        for wrong in ("not-the-password", *(secrets[name] for name in names)):
            with pytest.raises(redis.AuthenticationError, match="invalid username-password pair"):
                client(instance, user, password=wrong).ping()


@pytest.mark.parametrize(("instance", "own"), [("redis", {"onebox", BACKUP}), ("redis_cache", {"onebox"})])
def test_only_the_apps_and_the_role_s_own_are_users(
    instance: str, own: set[str], operator: Callable[[str], redis.Redis]
) -> None:
    users = set(operator(instance).acl_users())
    assert users == {"default", "shop", "news-letter"} | own
    enabled = {user for user in users if "on" in operator(instance).acl_getuser(user)["flags"]}
    assert users - enabled == {"default"}
    for user in enabled:
        assert "nopass" not in operator(instance).acl_getuser(user)["flags"]


FOR_THE_OPERATOR = (
    "FLUSHALL",
    "CONFIG GET *",
    "CONFIG SET maxmemory 0",
    "SHUTDOWN",
    "ACL LIST",
    "ACL SETUSER shop +@all",
    "ACL LOAD",
    "MODULE LIST",
    "REPLICAOF NO ONE",
    "SYNC",
    "SAVE",
    "BGREWRITEAOF",
    "MONITOR",
    "KEYS *",
    "SORT jobs",
    "CLIENT KILL ID 0",
    "SWAPDB 0 1",
)


@pytest.mark.parametrize("instance", INSTANCES)
def test_an_app_may_not_administrate_the_server(instance: str, client: Callable[..., redis.Redis]) -> None:
    app = client(instance)
    for command in FOR_THE_OPERATOR:
        with pytest.raises(redis.exceptions.NoPermissionError):
            app.execute_command(*command.split())
    with pytest.raises(redis.ResponseError, match="DEBUG command not allowed"):
        app.execute_command("DEBUG", "SLEEP", "0")
    with pytest.raises(redis.ResponseError, match="ACL failure in script"):
        app.eval("return redis.call('FLUSHALL')", 0)


def test_an_app_may_empty_a_cache_and_not_the_durable_instance(
    client: Callable[..., redis.Redis], operator: Callable[[str], redis.Redis]
) -> None:
    for instance in INSTANCES:
        client(instance).set("kept", "yes")
    assert client("redis_cache").flushdb()
    assert client("redis_cache").exists("kept") == 0
    with pytest.raises(redis.exceptions.NoPermissionError):
        client("redis").flushdb()
    assert client("redis").exists("kept") == 1
    assert operator("redis").flushdb()


@pytest.mark.parametrize("instance", INSTANCES)
def test_an_app_may_do_what_libraries_for_queues_and_caches_ask_for(
    instance: str, client: Callable[..., redis.Redis]
) -> None:
    app = client(instance)
    assert app.info()["maxmemory_policy"] == POLICY[instance]
    app.client_setname("bull:orders")
    assert app.client_id() in {int(one["id"]) for one in app.client_list() if one["name"] == "bull:orders"}
    assert app.eval("return redis.call('RPUSH', KEYS[1], ARGV[1])", 1, "shop:jobs", "one") == 1
    with app.pipeline() as pipeline:
        pipeline.lmove("shop:jobs", "shop:taken")
        pipeline.blpop("shop:taken", timeout=1)
        assert pipeline.execute() == ["one", ("shop:taken", "one")]
    with app.pubsub() as subscription:
        subscription.psubscribe("shop:*")
        assert subscription.get_message(timeout=5)["type"] == "psubscribe"
        app.publish("shop:orders", "new")
        assert subscription.get_message(timeout=5)["data"] == "new"
    app.setex("shop:page", 60, "text")
    assert list(app.scan_iter("shop:*")) == ["shop:page"]
    assert app.unlink("shop:page") == 1


def test_a_backup_in_a_container_of_its_own_fetches_all_data(
    job: Callable[[str], str], client: Callable[..., redis.Redis], operator: Callable[[str], redis.Redis], flavor: str
) -> None:
    client("redis").set("shop:kept", "yes")
    client("redis").rpush("shop:jobs", "one", "two")
    fetch = f"{flavor}-cli -e -h onebox-redis --user {BACKUP} --no-auth-warning --rdb /tmp/dump.rdb"
    start = f"{flavor}-server --dir /tmp --port 0 --unixsocket /tmp/socket --daemonize yes --logfile /tmp/log"
    ask = f"{flavor}-cli -e -s /tmp/socket"
    until_loaded = f"for try in $(seq 100); do {ask} ping >/dev/null 2>&1 && break; sleep 0.1; done"
    show = f"{ask} get shop:kept; {ask} llen shop:jobs"
    assert job(f"{fetch} >/dev/null 2>&1; {start} >/dev/null; {until_loaded}; {show}").split() == ["yes", "2"]
    operator("redis").flushdb()


def test_the_user_for_backups_may_do_nothing_else(
    client: Callable[..., redis.Redis], operator: Callable[[str], redis.Redis]
) -> None:
    backup = client("redis", BACKUP)
    assert backup.info("persistence")["aof_enabled"] == 1
    for command in ("GET a", "SET a 1", "SCAN 0", "PUBLISH a b", "CLIENT LIST", "EVAL return 0"):
        with pytest.raises(redis.exceptions.NoPermissionError):
            backup.execute_command(*command.split())
    for command in (*FOR_THE_OPERATOR, "FLUSHDB"):
        if command != "SYNC":
            with pytest.raises(redis.exceptions.NoPermissionError):
                backup.execute_command(*command.split())
    rights = operator("redis").acl_getuser(BACKUP)
    assert sorted(rights["commands"]) == ["+info", "+ping", "+psync", "+replconf", "+sync"]
    assert (rights["keys"], rights["channels"]) == ([], [])


# A second stack, with the other server, that lets in one client at a time.
SIDE = {
    "onebox_project": "side",
    "redis_flavor": "redis",
    "redis_password": "Password-of-the-second-stack",
    "redis_backup_password": "Password-of-its-backups",
    "redis_settings": {"maxclients": 1},
    "onebox_apps": {},
}


@pytest.fixture(scope="module")
def side(
    run_tasks: Callable[..., Any], reach: Callable[..., str], engine: docker.DockerClient, host: Host
) -> Iterator[redis.Redis]:
    """The one client of the second stack. It stays connected, so that the health check is not let in any more."""
    run = run_tasks([ROLE], **SIDE)
    assert run.exit_code == 0, run.output
    socket = reach("redis", 6379, "side")
    login = {"username": "onebox", "password": SIDE["redis_password"]}
    yield redis.Redis(unix_socket_path=socket, **login, protocol=2, single_connection_client=True)
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


def test_a_full_cache_forgets_what_nobody_asked_for_lately(
    client: Callable[..., redis.Redis], container: Callable[..., Container]
) -> None:
    cache = client("redis_cache")
    room = cache.info("memory")["maxmemory"] // len(VALUE)
    evicted = cache.info("stats")["evicted_keys"]
    asked_for = [f"asked-for:{number}" for number in range(room // 4)]
    forgotten = [f"forgotten:{number}" for number in range(room // 4)]
    for name in (*asked_for, *forgotten):
        cache.set(name, VALUE)
    time.sleep(2)  # the server counts in seconds when a key was last used
    for name in asked_for:
        assert cache.get(name)
    for number in range(room * 2 // 5):
        cache.set(f"new:{number}", VALUE)
    assert cache.info("stats")["evicted_keys"] - evicted > 20
    # It looks at a few keys at a time, and forgets the one of them that was not used for longest.
    lost = [len(names) - cache.exists(*names) for names in (asked_for, forgotten)]
    assert lost[1] > 20 > 5 * lost[0]
    assert container("redis_cache").attrs["RestartCount"] == 0
    cache.flushdb()


def fill(server: redis.Redis, accepted: list[str]) -> None:
    for number in range(10_000):
        server.set(f"job:{number}", VALUE)
        accepted.append(f"job:{number}")


def test_a_full_queue_refuses_more_and_loses_nothing_even_when_the_server_is_killed(
    client: Callable[..., redis.Redis],
    operator: Callable[[str], redis.Redis],
    container: Callable[..., Container],
    host: Host,
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
    assert came_back(before, lambda: container("redis"))
    assert container("redis").id == before.id
    assert container("redis").attrs["RestartCount"] == before.attrs["RestartCount"] + 1
    assert client("redis").exists(*accepted) == len(accepted)
    operator("redis").flushdb()


def came_back(before: Container, now: Callable[[], Container]) -> bool:
    """Whether the container is healthy again after it was restarted."""
    return wait_until(lambda: running(now()) != running(before) and now().health == "healthy")


def write_until_it_fails(server: redis.Redis, acknowledged: list[str]) -> None:
    for number in itertools.count():
        server.set(f"job:{number}", number)
        acknowledged.append(f"job:{number}")


@pytest.fixture
def killed_under_writes(
    client: Callable[..., redis.Redis], container: Callable[..., Container], host: Host
) -> Callable[[str], list[str]]:
    """Kill an instance while an app writes to it; return the keys for which it had the server's word.

    All of them are of one second, the last: the server has no time to write anything back by itself.
    """

    def killed_under_writes(instance: str) -> list[str]:
        before = container(instance)
        acknowledged: list[str] = []
        kill = "systemd-run --on-active=1 --timer-property=AccuracySec=50ms kill -9 %s"
        host.check_output(kill, str(before.attrs["State"]["Pid"]))
        with pytest.raises(redis.ConnectionError):
            write_until_it_fails(client(instance), acknowledged)
        assert len(acknowledged) > 10
        assert came_back(before, lambda: container(instance))
        return acknowledged

    return killed_under_writes


@pytest.mark.parametrize("appendfsync", ["everysec", "always"])
def test_what_was_acknowledged_is_there_after_the_server_was_killed(
    appendfsync: str,
    site: Callable[..., Any],
    killed_under_writes: Callable[[str], list[str]],
    operator: Callable[[str], redis.Redis],
) -> None:
    asked = {"appendfsync": appendfsync} if appendfsync == "everysec" else {}
    run = site("-e", json.dumps({"redis_settings": asked}))
    assert run.exit_code == 0, run.output
    assert operator("redis").config_get("appendfsync") == {"appendfsync": appendfsync}
    acknowledged = killed_under_writes("redis")
    assert operator("redis").exists(*acknowledged) == len(acknowledged)
    operator("redis").flushdb()
    back = site()
    assert back.exit_code == 0, back.output


def test_a_cache_keeps_nothing_on_disk_and_starts_empty_after_it_was_killed(
    killed_under_writes: Callable[[str], list[str]],
    client: Callable[..., redis.Redis],
    container: Callable[..., Container],
    engine: docker.DockerClient,
) -> None:
    volumes = {
        instance: [mount["Destination"] for mount in container(instance).attrs["Mounts"] if mount["Type"] == "volume"]
        for instance in INSTANCES
    }
    assert volumes == {"redis": ["/data"], "redis_cache": []}
    assert [volume.name for volume in engine.volumes.list() if "cache" in volume.name] == []
    killed_under_writes("redis_cache")
    assert client("redis_cache").dbsize() == 0


def test_the_kernel_holds_a_container_to_its_limit_and_the_server_survives(
    client: Callable[..., redis.Redis], operator: Callable[[str], redis.Redis], container: Callable[..., Container]
) -> None:
    client("redis").set("kept", "yes")
    before = running(container("redis"))
    greedy = ["dd", "if=/dev/zero", "of=/dev/null", "count=1"]
    assert container("redis").exec_run([*greedy, "bs=8M"]).exit_code == 0
    assert container("redis").exec_run([*greedy, "bs=200M"]).exit_code == 137
    assert running(container("redis")) == before
    assert client("redis").get("kept") == "yes"
    operator("redis").flushdb()


@pytest.mark.parametrize(
    ("variables", "reasons"),
    [
        (
            {"redis_settings": {"appendfsync": "sometimes"}},
            ["appendfsync sometimes", "argument(s) must be one of the following"],
        ),
        # Only a server that starts finds these.
        ({"redis_settings": {"unixsocket": "/nowhere/socket"}}, ["Failed opening Unix socket"]),
        ({"redis_settings": {"loadmodule": "/nowhere/module.so"}}, ["Can't load module from /nowhere/module.so"]),
    ],
)
def test_what_the_server_refuses_stops_the_run_before_the_server_is_touched(
    site: Callable[..., Any],
    container: Callable[..., Container],
    snapshot: Callable[[], str],
    variables: dict[str, Any],
    reasons: list[str],
) -> None:
    before = [snapshot(), *(running(container(instance)) for instance in INSTANCES)]
    run = site("--diff", "-e", json.dumps(variables))
    assert run.exit_code != 0
    assert "redis: redis refuses its new settings; the ones in force are kept" in run.output
    for reason in reasons:
        assert reason in run.output
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


@pytest.mark.parametrize(
    ("rotated", "changed"),
    [
        ({"shop": "shop_redis_password", BACKUP: "redis_backup_password"}, ["redis : Run redis", "app : Run shop"]),
        ({"onebox": "redis_password"}, ["redis : Run redis"]),
    ],
)
def test_passwords_change_only_when_that_is_asked_for_and_are_never_shown(
    rotated: dict[str, str],
    changed: list[str],
    site: Callable[..., Any],
    client: Callable[..., redis.Redis],
    container: Callable[..., Container],
    snapshot: Callable[[], str],
    process_lists: Callable[[], str],
    secrets: dict[str, str],
    inventory: Path,
    host: Host,
) -> None:
    new = {secret: f"New-{uuid.uuid4()}" for secret in rotated.values()}
    others = client("redis", "news-letter")
    others.set("kept", "yes")
    store = inventory / ".secrets" / f"{host.ansible.get_variables()['inventory_hostname']}.json"
    store.write_text(json.dumps({**secrets, **new}))
    before, server = snapshot(), running(container("redis"))

    refused = site("-vvv", "--diff")
    assert refused.exit_code != 0
    assert "_password: the value given differs from the one in force on this host" in refused.output
    assert any(f"-e onebox_rotate_secrets={secret}" in refused.output for secret in new)
    assert snapshot() == before

    done = site("-vvv", "--diff", "-e", f"onebox_rotate_secrets={','.join(new)}")
    assert done.exit_code == 0, done.output
    assert done.changed == [f"onebox.stack.{task}" for task in changed]
    assert "+new (hidden)" in done.output
    for user, secret in rotated.items():
        assert client("redis", user, password=new[secret]).info("server")
        with pytest.raises(redis.AuthenticationError):
            client("redis", user, password=secrets[secret]).info("server")
    # The operator's own is read by the health check, for which a container is made anew.
    if "onebox" not in rotated:
        assert running(container("redis")) == server
        assert others.get("kept") == "yes"
    assert client("redis", "news-letter").get("kept") == "yes"
    client("redis", "news-letter").delete("kept")

    lists, log = process_lists(), container("redis").logs().decode()
    assert "acl load" in lists
    for secret in (*secrets.values(), *new.values()):
        assert secret not in refused.output + done.output
        assert secret not in lists
        assert secret not in log


def test_an_app_that_comes_is_let_in_and_one_that_goes_is_put_out_and_the_others_stay_connected(
    play: Callable[..., Any],
    client: Callable[..., redis.Redis],
    container: Callable[..., Container],
    inventory: Path,
    host: Host,
) -> None:
    before = [running(container(instance)) for instance in INSTANCES]
    taken: list[Any] = []
    patient = client("redis", socket_timeout=None)
    worker = threading.Thread(target=lambda: taken.append(patient.blpop("shop:jobs")), daemon=True)
    worker.start()

    variables = host.ansible.get_variables()
    apps = variables["onebox_apps"]
    more = {"onebox_apps": {**apps, "wiki": apps["shop"]}}
    come = play("playbooks/site.yml", "--tags", "redis", "-v", "-e", json.dumps(more))
    expected = [
        action
        for name in INSTANCES
        for action in (
            f"write {VAULT}/{name}/wiki_{name}_password",
            f"write {VAULT}/{name}/users.acl",
            f"load the settings of {name}",
        )
    ]
    assert (come.exit_code, come.actions) == (0, expected), come.output
    store = json.loads((inventory / ".secrets" / f"{variables['inventory_hostname']}.json").read_text())
    wikis = {name: client(name, "wiki", password=store[f"wiki_{name}_password"]) for name in INSTANCES}
    assert [wiki.ping() for wiki in wikis.values()] == [True, True]

    go = play("playbooks/site.yml", "--tags", "redis", "-v")
    expected = [
        action
        for name in INSTANCES
        for action in (
            f"write {VAULT}/{name}/users.acl",
            f"remove {VAULT}/{name}/wiki_{name}_password",
            f"load the settings of {name}",
        )
    ]
    assert (go.exit_code, go.actions) == (0, expected), go.output
    for name, wiki in wikis.items():
        with pytest.raises(redis.ConnectionError):
            wiki.ping()
        with pytest.raises(redis.AuthenticationError):
            client(name, "wiki", password=store[f"wiki_{name}_password"]).ping()

    assert [running(container(instance)) for instance in INSTANCES] == before
    client("redis", "news-letter").rpush("shop:jobs", "one")
    worker.join()
    assert taken == [("shop:jobs", "one")]


def test_who_was_let_in_while_the_server_ran_is_let_in_after_it_was_restarted(
    play: Callable[..., Any],
    client: Callable[..., redis.Redis],
    container: Callable[..., Container],
    host: Host,
) -> None:
    before = container("redis")
    visitor = {"redis_users": ["visitor"], "visitor_redis_password": "Password-of-the-visitor"}
    come = play("playbooks/site.yml", "--tags", "redis", "-v", "-e", json.dumps(visitor))
    assert come.exit_code == 0, come.output
    assert container("redis").id == before.id
    host.check_output("kill -9 %s", str(before.attrs["State"]["Pid"]))
    assert came_back(before, lambda: container("redis"))
    assert client("redis", "visitor", password=visitor["visitor_redis_password"]).ping()
    go = play("playbooks/site.yml", "--tags", "redis", "-v")
    assert go.exit_code == 0, go.output


def test_who_is_let_in_by_hand_is_put_out_by_the_next_run_and_the_server_runs_on(
    site: Callable[..., Any], client: Callable[..., redis.Redis], container: Callable[..., Container], host: Host
) -> None:
    before = container("redis")
    host.check_output(f"echo 'user eve on nopass ~* &* +@all' >>{VAULT}/redis/users.acl")
    before.restart()
    restarted = running(container("redis"))
    assert wait_until(lambda: container("redis").health == "healthy")
    assert client("redis", "eve", password="any").ping()
    repair = site()
    assert (repair.exit_code, repair.actions) == (
        0,
        [f"write {VAULT}/redis/users.acl", "load the settings of redis"],
    ), repair.output
    with pytest.raises(redis.AuthenticationError):
        client("redis", "eve", password="any").ping()
    assert running(container("redis")) == restarted


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
    operator: Callable[[str], redis.Redis],
    snapshot: Callable[[], str],
    host: Host,
) -> None:
    client("redis").set("kept", "yes")
    services = "/opt/onebox/services"

    container("redis").stop()
    host.check_output(f"echo 'maxmemory 0' >{services}/redis/extra.conf")
    container("redis_cache").remove(force=True)
    drifted = snapshot()
    drift = [
        f"remove {services}/redis/extra.conf",
        "start redis (exited)",
        "start redis_cache (0 of 1 containers there)",
        "load the settings of redis_cache",
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
    host.check_output(f"chmod 0444 {VAULT}/redis_cache/redis_cache_password")
    repair = site()
    assert (repair.exit_code, repair.actions) == (
        0,
        [
            "recreate redis (paused)",
            f"write {services}/redis_cache/redis.conf",
            f"write {VAULT}/redis_cache/redis_cache_password",
            "recreate redis_cache (its files were altered)",
        ],
    ), repair.output
    assert client("redis").get("kept") == "yes"
    assert client("redis_cache").info("memory")["maxmemory_policy"] == "allkeys-lru"
    operator("redis").flushdb()

    again = site("--check")
    assert (again.exit_code, again.changed) == (0, []), again.output


def test_an_unhealthy_container_is_recreated(
    side: redis.Redis, run_tasks: Callable[..., Any], container: Callable[..., Container]
) -> None:
    assert wait_until(lambda: container("redis", "side").health == "unhealthy")
    run = run_tasks([ROLE], **SIDE)
    assert (run.exit_code, run.actions) == (0, ["recreate redis (unhealthy)"]), run.output
    assert container("redis", "side").health == "healthy"


def test_data_of_another_server_is_refused_and_stays_with_the_one_that_made_it(
    side: redis.Redis, run_tasks: Callable[..., Any], container: Callable[..., Container]
) -> None:
    before = running(container("redis", "side"))
    run = run_tasks([ROLE], **{**SIDE, "redis_flavor": "valkey"})
    assert run.exit_code != 0
    assert "redis: its data on this host is of redis-8.2 (volume side_redis-8.2), and valkey-8.1 was" in run.output
    assert "Nothing was changed." in run.output
    assert running(container("redis", "side")) == before
    assert side.get("kept") == b"yes"


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
    assert [volume.name for volume in engine.volumes.list(filters=of_the_stack)] == ["side_redis-8.2"]
    assert host.check_output("cd /opt/side && docker compose config --services") == ""

    back = run_tasks([ROLE], **SIDE)
    assert back.exit_code == 0, back.output
    login = {"username": "onebox", "password": SIDE["redis_password"]}
    assert redis.Redis(unix_socket_path=reach("redis", 6379, "side"), **login).get("kept") == b"yes"

    absent = run_tasks([{"onebox.stack.compose_service": {**ABSENT, "remove_volumes": True}}], **SIDE)
    assert "removed volume side_redis-8.2" in absent.actions, absent.output
    assert engine.volumes.list(filters=of_the_stack) == []
