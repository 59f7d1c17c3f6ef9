# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A team's app with a database, a queue, a worker and a scheduler: as its users meet it, and through its releases."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql
import pytest
import redis
import requests
import yaml
from docker import DockerClient
from docker.models.containers import Container
from testinfra.host import Host

from lab import api
from observing import wait_until

SOURCES = Path(__file__).parents[2] / "tests" / "lab" / "apps" / "shop"
HOME = "/opt/onebox/services/shop"
IMAGE = "registry.lab:5000/shop"
RUN = "onebox.stack.app : Run shop"
# How long nginx may go on with the address of a container that is gone; it asks again every second.
FOLLOWS_SECONDS = 5
PROCESSES = ("shop-web", "shop-worker", "shop-scheduler")


class Shop:
    """The shop as its customers use it, through nginx."""

    def __init__(self, web: requests.Session) -> None:
        self.web = web

    def get(self, path: str) -> requests.Response:
        return self.web.get(f"https://shop.example.com{path}", timeout=10)

    def serves(self, release: str) -> bool:
        """Whether it is this release that answers, now or as soon as nginx knows where it is."""
        return wait_until(lambda: f'"release":"{release}"' in self.get("/api/whoami").text, FOLLOWS_SECONDS)

    def order(self) -> int:
        answer = self.web.post(
            "https://shop.example.com/api/orders", json={"product": "mug", "quantity": 2}, timeout=10
        )
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def status(self, order: int) -> str:
        return str(self.get(f"/api/orders/{order}").json()["status"])

    def is_invoiced(self, order: int) -> bool:
        return wait_until(lambda: self.status(order) == "invoiced")


@pytest.fixture
def shop(web: requests.Session) -> Shop:
    return Shop(web)


@pytest.fixture
def queue(reach: Callable[..., str], secrets: dict[str, str]) -> redis.Redis:
    login = {"username": "shop", "password": secrets["shop_redis_password"]}
    return redis.Redis(unix_socket_path=reach("redis", 6379), **login, decode_responses=True)


@pytest.fixture(scope="module")
def app() -> dict[str, Any]:
    """The shop as the inventory has it."""
    variables = yaml.safe_load((Path(__file__).parent / "group_vars" / "all.yml").read_text())
    found: dict[str, Any] = variables["onebox_apps"]["shop"]
    return found


@pytest.fixture
def command(app: dict[str, Any], tmp_path: Path, inventory: Path) -> Callable[..., list[str]]:
    """The command line of a run that deploys the shop with changes: `command(tag="2.0.0", app_wait_seconds=10)`."""

    def command(*options: str, processes: dict[str, Any] | None = None, wait: int = 60, **changes: Any) -> list[str]:
        changed = {**copy.deepcopy(app), **changes}
        for name, process in (processes or {}).items():
            changed["processes"][name] = process
        changed["processes"] = {name: process for name, process in changed["processes"].items() if process}
        file = tmp_path / "variables.json"
        file.write_text(json.dumps({"onebox_apps": {"shop": changed}, "app_wait_seconds": wait}))
        return ["playbooks/site.yml", "--tags", "app", "-vvv", "--diff", "-e", f"@{file}", *options]

    return command


@pytest.fixture
def site(
    command: Callable[..., list[str]], play: Callable[..., Any], secrets: dict[str, str], app: dict[str, Any]
) -> Callable[..., Any]:
    """Deploy the shop with changes; whatever comes of it, no secret may be in what the run says."""

    def site(*options: str, **changes: Any) -> Any:
        run = play(*command(*options, **changes))
        assert [name for name, value in {**secrets, **app["secrets"]}.items() if value in run.output] == []
        return run

    return site


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], None]:
    """Make another version of the shop, which has a public file of its own, and no logo any more."""

    def build(version: str) -> None:
        sources = tmp_path_factory.mktemp("shop") / version
        shutil.copytree(SOURCES, sources)
        (sources / "public" / f"only-{version}.txt").write_text(version)
        (sources / "public" / "logo.svg").unlink()
        api.build(sources, f"shop:{version}", {"APP_VERSION": version})

    return build


@pytest.fixture(scope="module")
def picture(host: Host, engine: DockerClient) -> Callable[[], set[str]]:
    """All that a run makes on the host, but the ids of containers, and public files, which have a history."""

    def picture() -> set[str]:
        files = host.check_output(
            f"find /opt/onebox -path {HOME}/public -prune -o -printf '%p %U:%G %m %l\\n' | sort;"
            f"find /opt/onebox -path {HOME}/public -prune -o -type f -exec sha256sum {{}} + | sort;"
            f"readlink {HOME}/public/current"
        )
        containers = (
            f"{one.labels.get('com.docker.compose.service')}: {one.attrs['Config']['Image']} {one.health}"
            f" {one.labels.get('com.docker.compose.config-hash')} {one.labels.get('onebox.digest')}"
            for one in engine.containers.list(all=True)
        )
        return {*files.splitlines(), *containers}

    return picture


@pytest.fixture(scope="module", autouse=True)
def at_first(picture: Callable[[], set[str]]) -> set[str]:
    """What the scenario's own runs have made."""
    return picture()


# -- what runs -------------------------------------------------------------------------------------------------------


def test_an_order_is_taken_queued_and_invoiced(shop: Shop) -> None:
    order = shop.order()
    assert shop.is_invoiced(order)
    assert shop.get(f"/api/orders/{order}").json()["quantity"] == 2
    assert shop.serves("1.0.0")


def test_the_scheduler_ticks(shop: Shop) -> None:
    checks = shop.get("/health").json()["checks"]
    assert checks["database"] == "ok"
    assert checks["scheduler_seen_seconds"] < 30


def test_the_release_steps_ran_once(queue: redis.Redis) -> None:
    # By now there were a check, a first run, a second one, and a check again.
    assert queue.get("shop:test:releases") == "1"


@pytest.mark.parametrize("process", PROCESSES)
def test_every_value_of_the_environment_arrives_as_it_is(
    process: str, app: dict[str, Any], container: Callable[..., Container]
) -> None:
    shown = container(process).exec_run(["php", "-r", "echo json_encode(getenv());"]).output
    environment = json.loads(shown)
    wanted = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in app["env"].items()}
    assert {name: environment.get(name) for name in wanted} == wanted
    assert wanted["FLAG"] == "true"


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_reads_its_secrets_as_files_and_its_environment_has_paths_only(
    process: str, app: dict[str, Any], secrets: dict[str, str], container: Callable[..., Container]
) -> None:
    expected = {name: secrets[name] for name in ("shop_mysql_password", "shop_redis_password")} | app["secrets"]
    script = "foreach (glob('/run/secrets/*') as $path) { $all[basename($path)] = file_get_contents($path); }"
    read = container(process).exec_run(["php", "-r", f"{script} echo json_encode($all);"]).output
    assert json.loads(read) == expected
    environment = container(process).attrs["Config"]["Env"]
    assert [name for name, value in expected.items() if value in "\n".join(environment)] == []
    assert "DB_PASSWORD_FILE=/run/secrets/shop_mysql_password" in environment
    assert "REDIS_PASSWORD_FILE=/run/secrets/shop_redis_password" in environment


def test_each_consumer_has_a_copy_of_a_secret_that_only_its_group_may_read(host: Host) -> None:
    look = "cd /opt/onebox/secrets && stat --format '%n %u:%g %a' . shop shop/* redis/redis_password"
    assert dict(line.split(" ", 1) for line in host.check_output(look).splitlines()) == {
        ".": "0:0 700",
        "shop": "0:0 700",
        "shop/APP_KEY": "0:33 440",
        "shop/shop_redis_password": "0:33 440",
        "shop/shop_mysql_password": "0:33 440",
        "redis/redis_password": "0:1000 440",
    }


def test_a_worker_that_is_stopped_finishes_its_job(
    shop: Shop, container: Callable[..., Container], reach: Callable[..., str], secrets: dict[str, str], host: Host
) -> None:
    host.check_output("docker stop onebox-shop-worker-1")
    order = shop.order()
    database = pymysql.connect(
        unix_socket=reach("mysql", 3306), user="shop", password=secrets["shop_mysql_password"], database="shop"
    )
    with database, database.cursor() as cursor:
        cursor.execute("SELECT id FROM orders WHERE id = %s FOR UPDATE", (order,))
        host.check_output("docker start onebox-shop-worker-1")
        waiting = "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'UPDATE orders%%' AND user = 'shop'"
        assert wait_until(lambda: cursor.execute(waiting)), "the worker does not take the order"
        host.check_output("docker stop onebox-shop-worker-1 >/dev/null 2>&1 &")
        time.sleep(1)
        assert container("shop-worker").status == "running"
        database.rollback()
    assert wait_until(lambda: container("shop-worker").status == "exited")
    assert container("shop-worker").attrs["State"]["ExitCode"] == 0
    assert container("shop-worker").logs(tail=1).decode() == "worker: stopped\n"
    assert shop.status(order) == "invoiced"
    host.check_output("docker start onebox-shop-worker-1")


# -- releases --------------------------------------------------------------------------------------------------------


def test_a_second_release_is_deployed_and_files_of_the_first_are_still_served(
    site: Callable[..., Any],
    build: Callable[[str], None],
    shop: Shop,
    queue: redis.Redis,
    secrets: dict[str, str],
    app: dict[str, Any],
    process_lists: Callable[[], str],
) -> None:
    build("2.0.0")
    before = int(str(queue.get("shop:test:releases")))
    assert shop.get("/only-2.0.0.txt").status_code == 404
    run = site(tag="2.0.0")
    assert run.exit_code == 0, run.output
    assert run.changed == [RUN]
    assert shop.serves("2.0.0")
    assert shop.get("/only-2.0.0.txt").text == "2.0.0"
    assert shop.get("/logo.svg").status_code == 200
    assert int(str(queue.get("shop:test:releases"))) == before + 1
    assert shop.is_invoiced(shop.order())
    # What is shown of the secrets was there to be shown.
    assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in run.output
    lists = process_lists()
    assert "bin/migrate.php" in lists
    assert [name for name, value in {**secrets, **app["secrets"]}.items() if value in lists] == []


def test_a_third_release_has_no_worker_more_replicas_and_no_files_of_the_first(
    site: Callable[..., Any],
    build: Callable[[str], None],
    shop: Shop,
    app: dict[str, Any],
    engine: DockerClient,
    host: Host,
) -> None:
    build("3.0.0")
    run = site(tag="3.0.0", processes={"worker": None, "web": {**app["processes"]["web"], "replicas": 2}})
    assert run.exit_code == 0, run.output
    assert "remove container onebox-shop-worker-1" in run.actions
    running = engine.containers.list(filters={"label": "onebox.service=shop"})
    assert sorted(one.labels["com.docker.compose.service"] for one in running) == [
        "shop-scheduler",
        "shop-web",
        "shop-web",
    ]
    assert shop.get("/only-3.0.0.txt").text == "3.0.0"
    assert shop.get("/only-2.0.0.txt").text == "2.0.0"
    assert shop.get("/logo.svg").status_code == 404
    assert len(host.check_output(f"find {HOME}/public -mindepth 1 -maxdepth 1 -type d").splitlines()) == 2
    servers: set[str] = set()
    assert wait_until(lambda: servers.add(shop.get("/api/whoami").json()["host"]) or len(servers) == 2)


# What there is on the host when a run that goes back to the first release is cut off, and what is killed then: the
# module alone, or all that holds the lock, which is the commands that it runs too.
MOMENTS = {
    "the new files lie beside the old ones": (f"[ -e {HOME}/../.shop.new/compose.yaml ]", ".*"),
    "a release step runs": ("docker ps -q --filter label=com.docker.compose.oneoff=True | grep -q .", "python3"),
    "the first container is new": (
        f"docker ps -aq --filter ancestor={IMAGE}:1.0.0 --filter label=com.docker.compose.oneoff=False | grep -q .",
        ".*",
    ),
}
KILL = """
until {condition}; do sleep 0.01; done
for process in /proc/[0-9]*; do
  ls -l $process/fd | grep -q /opt/onebox/.lock && grep -qx '{what}' $process/comm && kill -9 ${{process#/proc/}}
done 2>/dev/null
exit 0
"""


def test_a_run_that_is_killed_at_any_moment_is_finished_by_the_next_one(
    command: Callable[..., list[str]],
    site: Callable[..., Any],
    shop: Shop,
    host: Host,
    inventory: Path,
    picture: Callable[[], set[str]],
    at_first: set[str],
) -> None:
    order = shop.order()
    assert shop.status(order) == "queued"
    for moment, (condition, what) in MOMENTS.items():
        run = subprocess.Popen(
            ["ansible-playbook", "--inventory", inventory, *command()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert host.run("timeout 90 sh -c %s", KILL.format(condition=condition, what=what)).rc == 0, moment
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    run = site()
    assert run.exit_code == 0, run.output
    assert picture() ^ at_first == set()
    assert shop.serves("1.0.0")
    assert shop.get("/logo.svg").status_code == 200
    assert shop.is_invoiced(order)
    again = site("--check")
    assert (again.exit_code, again.changed) == (0, []), again.output


ENDS = ["php", "-r", "fwrite(STDERR, 'the ledger cannot be opened'); exit(7);"]
WEB = {"kind": "fastcgi", "port": 9000, "health": ["bin/health-web"]}
BACK = r"The configuration before this run is in force again\."
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an image that does not exist": (
        {"tag": "9.9.9"},
        rf"shop: the image {IMAGE}:9\.9\.9 cannot be pulled: .*manifest unknown",
    ),
    "a release step that fails": (
        {"release_steps": [ENDS]},
        r"shop: the release step 'php -r .*' failed; what ran before still runs:\s+the ledger cannot be opened",
    ),
    "a container that ends": (
        {"processes": {"web": {**WEB, "command": ENDS}}},
        rf"shop: container onebox-shop-web-\d+ is restarting \(exit code 7\)\..*the ledger cannot be opened.*{BACK}",
    ),
    "a container without a health check that ends": (
        {"processes": {"worker": {"command": ENDS}}},
        rf"shop: container onebox-shop-worker-\d+ is restarting \(exit code 7\)\..*the ledger cannot be opened.*{BACK}",
    ),
    "a container that never becomes healthy": (
        {"processes": {"web": {**WEB, "health": ["php", "-r", "echo 'no ledger'; exit(1);"]}}},
        r"shop: container onebox-shop-web-\d+ is starting after 10 s\.\s+Its health check says: no ledger\s+"
        rf"Last log lines:.*ready to handle connections.*{BACK}",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_release_fails_with_a_reason_and_the_one_before_goes_on(
    case: str, site: Callable[..., Any], shop: Shop, picture: Callable[[], set[str]], at_first: set[str]
) -> None:
    changes, words = BAD[case]
    run = site(wait=10, **changes)
    assert run.exit_code != 0
    assert re.search(words, run.output, re.DOTALL), run.output
    assert shop.serves("1.0.0")
    assert shop.get("/logo.svg").status_code == 200
    assert shop.is_invoiced(shop.order())
    assert picture() ^ at_first == set()


def test_drift_is_named_by_check_mode_and_exactly_that_is_repaired(
    site: Callable[..., Any],
    shop: Shop,
    snapshot: Callable[[], str],
    picture: Callable[[], set[str]],
    at_first: set[str],
    container: Callable[..., Container],
    queue: redis.Redis,
    host: Host,
) -> None:
    container("shop-scheduler").stop()
    container("shop-worker").remove(force=True)
    host.check_output(f"echo 'memory_limit = -1' >>{HOME}/php.ini; rm {HOME}/public/current")
    host.check_output("chmod 644 /opt/onebox/secrets/shop/APP_KEY")
    drifted = snapshot()
    check = site("--check")
    assert (check.exit_code, check.changed) == (0, [RUN]), check.output
    assert "-memory_limit = -1" in check.output
    assert snapshot() == drifted
    run = site()
    assert run.exit_code == 0, run.output
    assert (
        run.actions
        == check.actions
        == [
            f"write {HOME}/php.ini",
            "write /opt/onebox/secrets/shop/APP_KEY",
            "recreate shop-web (its files were altered)",
            "start shop-worker (0 of 1 containers there)",
            "recreate shop-scheduler (its files were altered)",
            f"publish the files of {IMAGE}:1.0.0",
        ]
    )
    assert picture() ^ at_first == set()
    assert shop.is_invoiced(shop.order())
    queue.set("shop:test:releases", 1)  # as it was
