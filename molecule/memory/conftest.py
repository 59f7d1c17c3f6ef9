# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stack at full stretch, and what its vendors' defaults make of the same load."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import docker
import psycopg
import pymysql
import pytest
import redis
import requests
from box_watch import Watch
from docker.models.containers import Container
from shop_users import Customer, Demand, Users
from testinfra.host import Host

from load import Report, at_once

LOAD_SECONDS = int(os.environ.get("MEMORY_LOAD_SECONDS", "120"))
STOCK_SECONDS = 20
# Where the peaks are written as JSON; nowhere unless asked for.
PEAKS_FILE = os.environ.get("MEMORY_PEAKS_FILE", "")
# What is beside the stack for a while.
COPY = "onebox-shop-web-2"
JOB = "onebox-dump"


@dataclass
class Rollout:
    """What was beside the stack for a while: a copy of the web container, and the one job that runs at a time."""

    limits_mib: int  # of all containers that ran then
    pages: Report
    job_exit_code: int
    job_output: str


@dataclass
class Stretch:
    """The stack under load: what was asked of it, what came of that, and what was seen of its box."""

    demand: Demand
    users: Users
    watch: Watch
    customer: Customer
    reports: dict[str, Report]
    rollout: Rollout
    before: dict[str, str]  # the containers' ids by name
    after: dict[str, str]


@pytest.fixture(scope="module")
def plan(run_tasks: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The box's memory plan."""
    file = tmp_path_factory.mktemp("plan") / "plan.json"
    write = {"content": "{{ onebox_memory_plan | to_json }}", "dest": str(file), "mode": "0600"}
    run = run_tasks(
        [
            {"ansible.builtin.import_role": {"name": "onebox.stack.onebox", "tasks_from": "preflight"}},
            {"ansible.builtin.copy": write, "delegate_to": "localhost", "become": False},
        ]
    )
    assert run.exit_code == 0, run.output
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.fixture(scope="module")
def new_users(
    host: Host,
    reach: Callable[..., str],
    web: requests.Session,
    inventory: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Users]:
    """Those who use the stack of this project: `new_users("onebox")`."""
    variables = host.ansible.get_variables()
    secrets = json.loads((inventory / ".secrets" / f"{variables['inventory_hostname']}.json").read_text())

    def new_users(project: str) -> Users:
        own = partial(reach, project=project)
        return Users(own, web, variables["lab_ipv4"], secrets, tmp_path_factory.mktemp("users"))

    return new_users


@pytest.fixture(scope="module")
def demand(new_users: Callable[[str], Users], host: Host) -> Demand:
    """As much as the settings of the planned stack let in."""

    def setting(pattern: str, file: str) -> int:
        return int(host.check_output(f"sed -nE 's/^ *{pattern}([0-9]+);?$/\\1/p' /opt/onebox/services/{file}"))

    users = new_users("onebox")
    connections, pool_bytes = users.ask_mysql("SELECT @@max_connections, @@innodb_buffer_pool_size")
    more_connections, buffers_bytes = users.ask_postgresql(
        "SELECT current_setting('max_connections')::int, pg_size_bytes(current_setting('shared_buffers'))"
    )
    with users.redis("redis") as client:
        maxmemory = client.info("memory")["maxmemory"]
    children = setting("pm.max_children = ", "shop/php-fpm.conf")
    return Demand(
        seconds=LOAD_SECONDS,
        pages=children,
        # With PHP's own, the 40 that the inventory plans for a worker.
        page_mib=34,
        # Beside the children of two web containers, the worker, the scheduler, the job, the health check, and a few
        # that the server has not let go of when the same child comes again.
        mysql_sorts=connections - 2 * children - 8,
        mysql_mib=pool_bytes // 2**20 + 64,
        # Three are for the superuser, one for the health check.
        postgresql_sorts=more_connections - 4,
        postgresql_mib=buffers_bytes // 2**20 + 64,
        # A key of 1 KiB takes 1.3 KiB. At maxmemory itself the server would refuse the shop's orders.
        redis_mib=int(maxmemory * 0.725) // 2**20,
        # As many as fit into one of nginx's processes, should they all come to the same.
        downloads=setting("worker_connections ", "nginx/nginx.conf") * 3 // 4,
    )


@pytest.fixture(scope="module")
def stretch(
    host: Host,
    engine: docker.DockerClient,
    web: requests.Session,
    new_users: Callable[[str], Users],
    demand: Demand,
    plan: dict[str, Any],
) -> Stretch:
    """The planned stack under load, with a rollout and a job in the middle of it."""
    # The users may be on the same machine as the box, which comes first.
    os.nice(10)
    users = new_users("onebox")
    users.prepare(demand)

    def roll_out() -> Rollout:
        time.sleep(demand.seconds / 3)
        scale = "docker compose up --detach --wait --no-deps --no-recreate --scale shop-web=2 shop-web"
        host.check_output(f"cd /opt/onebox && {scale}")
        with ThreadPoolExecutor(1) as pool:
            pages = pool.submit(at_once, {"pages": users.pages(replace(demand, seconds=demand.seconds // 2))})
            job = dump(engine, plan["jobs_mib"])
            limits = [container.attrs["HostConfig"]["Memory"] for container in engine.containers.list()]
            exit_code = job.wait(timeout=demand.seconds * 4)["StatusCode"]
            output = job.logs().decode()
            job.remove(v=True)
            return Rollout(sum(limits) // 2**20, pages.result()["pages"], exit_code, output)

    before = containers(engine)
    try:
        with Watch(host, engine) as watch, Customer(web) as customer, ThreadPoolExecutor(1) as pool:
            rollout = pool.submit(roll_out)
            reports = at_once(users.everybody(demand))
            rolled_out = rollout.result()
        after = containers(engine)
    finally:
        host.check_output(f"docker rm --force --volumes {COPY} {JOB}")
    return Stretch(demand, users, watch, customer, reports, rolled_out, before, after)


def containers(engine: docker.DockerClient) -> dict[str, str]:
    return {container.name: container.id for container in engine.containers.list()}


def dump(engine: docker.DockerClient, limit_mib: int) -> Container:
    """Start a dump of the shop's database, as a job with the memory that is planned for one."""
    command = (
        "MYSQL_PWD=$(cat /run/secrets/password) mariadb-dump --host=onebox-mysql --user=shop --single-transaction shop"
        " | tee >(tail -n 1 >&2) | zstd >/var/tmp/shop.sql.zst"
    )
    return engine.containers.run(
        engine.containers.get("onebox-mysql-1").image,
        ["-o", "pipefail", "-c", command],
        entrypoint="bash",
        name=JOB,
        network="onebox_data",
        mem_limit=f"{limit_mib}m",
        memswap_limit=f"{limit_mib}m",
        user="33:33",
        volumes=["/opt/onebox/secrets/shop/shop_mysql_password:/run/secrets/password:ro"],
        detach=True,
    )


@contextmanager
def stock_stack(host: Host, run_tasks: Callable[..., Any], secrets: dict[str, str]) -> Iterator[None]:
    """Have the images of the stack with their vendors' defaults in its place, and with its passwords."""
    passwords = {
        "MYSQL_PASSWORD": secrets["shop_mysql_password"],
        "POSTGRESQL_PASSWORD": secrets["books_postgresql_password"],
        "REDIS_PASSWORD": secrets["shop_redis_password"],
        "REDIS_CACHE_PASSWORD": secrets["shop_redis_cache_password"],
    }
    environment = "".join(f"{name}={value}\n" for name, value in passwords.items())
    files = {"src": f"{Path(__file__).parent / 'stock'}/", "dest": "/root/stock/", "mode": "0644"}
    run = run_tasks(
        [
            {"ansible.builtin.copy": files},
            {"ansible.builtin.copy": {"content": environment, "dest": "/root/stock/.env", "mode": "0600"}},
        ]
    )
    assert run.exit_code == 0, run.output
    host.check_output("cd /opt/onebox && docker compose stop")
    try:
        host.check_output("cd /root/stock && docker compose up --detach")
        yield
    finally:
        host.check_output("cd /root/stock && docker compose down --volumes && rm -r /root/stock")
        host.check_output("cd /opt/onebox && docker compose start")


@pytest.fixture(scope="module")
def stock(
    host: Host,
    engine: docker.DockerClient,
    run_tasks: Callable[..., Any],
    new_users: Callable[[str], Users],
    plan: dict[str, Any],
    stretch: Stretch,
) -> Iterator[Watch]:
    """What was seen under the same load without a plan."""
    demand = replace(stretch.demand, seconds=STOCK_SECONDS)
    with stock_stack(host, run_tasks, stretch.users.secrets):
        users = new_users("stock")
        with Watch(host, engine) as watch:
            users.prepare(demand)
            # When the server is killed as soon as its load comes.
            with suppress(redis.ConnectionError, pymysql.OperationalError, psycopg.OperationalError):
                at_once(users.everybody(demand))
        if PEAKS_FILE:
            Path(PEAKS_FILE).write_text(json.dumps(peaks(plan, stretch, watch), indent=2) + "\n")
        yield watch


def peaks(plan: dict[str, Any], planned: Stretch, stock: Watch) -> dict[str, Any]:
    """What the containers took at most beside what they may have, in MiB, and what they did for that."""
    limits = {name: (f"onebox-{name}-1", service["limit_mib"]) for name, service in plan["services"].items()}
    limits["shop-web, a rollout's copy"] = COPY, plan["rollout_mib"]
    limits["a dump of the database"] = JOB, plan["jobs_mib"]
    return {
        "total_mib": plan["total_mib"],
        "reserve_mib": plan["reserve_mib"],
        "seconds": planned.demand.seconds,
        "lowest_available_mib": plan["total_mib"] - planned.watch.most_used_mib,
        "services": {
            name: {"limit_mib": limit, "peak_mib": planned.watch.peak_mib[container]}
            for name, (container, limit) in limits.items()
        },
        "done_per_second": {
            name: {done: round(count / report.seconds, 1) for done, count in report.counts.items()}
            for name, report in planned.reports.items()
        },
        "vendor_defaults": {
            "lowest_available_mib": plan["total_mib"] - stock.most_used_mib,
            "troubles": stock.troubles,
            "peaks_mib": {name.removeprefix("stock-"): mib for name, mib in sorted(stock.peak_mib.items())},
        },
    }
