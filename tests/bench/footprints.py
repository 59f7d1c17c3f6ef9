# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much memory each service takes: idle, and under its own load, with its planned limit and settings.

Prints a table, and writes the same figures to docs/footprints.json. They are what counts against a limit and cannot be
taken back: anonymous and shared memory, and the kernel's own for it, without the file cache.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import docker
from ansible_collections.onebox.stack.plugins.module_utils._tuning import engine, summary, tuning

from engines import services
from engines.plan import IDEAL, limit_mib
from engines.services import Server, Settings
from lab import api
from load import Report, http, mysql, postgresql, redis, websocket

FIGURES = Path(__file__).parents[2] / "docs/footprints.json"
SETTLE_SECONDS = 3
SECONDS = 10
FILE_URL = f"https://{services.DOMAIN}/load.txt"

NOT_MEASURED = {
    "minio": "the lab has no image of MinIO, silo or RustFS",
    "meilisearch": "the lab has no image of Meilisearch",
    "octane": "the lab has no image of Octane on FrankenPHP or Swoole",
    "gotenberg": "the lab has no image of Gotenberg",
}


@dataclass(frozen=True)
class Case:
    """A service to measure.

    `name` is that of the table of requests, or of the runtime of an app's process, with what is special after a colon.
    """

    name: str
    engine: str
    program: str
    version: list[str]
    limit_mib: int
    start: Callable[[docker.DockerClient, int, Settings], AbstractContextManager[Server]]
    load: Callable[[Server, Settings], Report]
    load_is: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def main() -> None:
    client = api.local_images(services.IMAGES)
    machine = client.info()
    figures = {
        "cpus": machine["NCPU"],
        "cgroup_version": int(machine.get("CgroupVersion", 1)),
        "services": {case.name: measure(client, case) for case in cases()},
        "not_measured": NOT_MEASURED,
    }
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
    print(table(figures["services"]))
    for name, why in NOT_MEASURED.items():
        print(f"{name}: not measured; {why}")


def measure(client: docker.DockerClient, case: Case) -> dict[str, Any]:
    """Return a row. Figures of a server that was killed, or that gave its clients errors, would be worth nothing."""
    settings = tuning(case.limit_mib, case.engine, **case.facts)
    with case.start(client, case.limit_mib, settings) as server:
        time.sleep(SETTLE_SECONDS)
        idle_mib = server.container.held_mib()
        with server.container.watched() as used:
            report = case.load(server, settings)
        version = re.findall(r"\d+(?:\.\d+)+", server.container.exec(*case.version)[1])[0]
        if report.errors or server.container.oom_kills():
            raise SystemExit(
                f"{case.program} failed under its load: {dict(report.errors)}\n{server.container.logs()[-2000:]}"
            )
    return {
        "version": f"{case.program} {version}",
        "limit_mib": case.limit_mib,
        "settings": summary(case.engine, settings),
        "load": case.load_is,
        "idle_mib": round(idle_mib),
        "load_mib": round(used.median_mib),
        "peak_mib": round(used.peak_mib),
    }


def cases() -> list[Case]:
    sorts = "heavy sorts, groupings and joins in every connection, the buffers full"
    rewrites = "full, written to in 4 connections, its file rewritten over and over"
    pages = "{} clients ask {} for pages as fast as they can"
    return [
        Case(
            name="mysql",
            engine="mysql",
            program="MariaDB",
            version=["mariadbd", "--version"],
            limit_mib=limit_mib("mysql", IDEAL),
            start=services.mysql,
            load=sort_in_mysql,
            load_is=sorts,
        ),
        Case(
            name="mysql: MySQL",
            engine="mysql",
            program="MySQL",
            facts={"flavor": "mysql"},
            version=["mysqld", "--version"],
            limit_mib=limit_mib("mysql", IDEAL, mysql_flavor="mysql"),
            start=partial(services.mysql, flavor="mysql"),
            load=sort_in_mysql,
            load_is=sorts,
        ),
        Case(
            name="postgresql",
            engine="postgresql",
            program="PostgreSQL",
            version=["postgres", "--version"],
            limit_mib=limit_mib("postgresql", IDEAL),
            start=services.postgresql,
            load=sort_in_postgresql,
            load_is=sorts,
        ),
        *(
            Case(
                name=name,
                engine="redis",
                program=program,
                facts={"flavor": program.lower()},
                version=[f"{program.lower()}-server", "--version"],
                limit_mib=limit_mib("redis", IDEAL),
                start=partial(services.redis, flavor=program.lower()),
                load=write_and_rewrite,
                load_is=rewrites,
            )
            for name, program in (("redis", "Valkey"), ("redis: Redis", "Redis"))
        ),
        Case(
            name="redis_cache",
            engine="redis",
            program="Valkey",
            facts={"eviction_policy": "allkeys-lru"},
            version=["valkey-server", "--version"],
            limit_mib=limit_mib("redis_cache", IDEAL),
            start=services.redis,
            load=write_and_evict,
            load_is="full, written to in 4 connections",
        ),
        Case(
            name="nginx",
            engine="nginx",
            program="nginx",
            version=["nginx", "-v"],
            limit_mib=limit_mib("nginx", IDEAL),
            start=nginx_before_files,
            load=ask_for_files,
            load_is="100 clients ask for 256 KiB by TLS as fast as they can",
        ),
        Case(
            name="nginx: slow clients",
            engine="nginx",
            program="nginx",
            version=["nginx", "-v"],
            limit_mib=limit_mib("nginx", IDEAL),
            start=nginx_before_files,
            load=leave_answers_unread,
            load_is="100 clients do not read the 256 KiB that they asked for by TLS",
        ),
        Case(
            name="soketi",
            engine="soketi",
            program="soketi",
            version=["node", "-p", "require('/app/node_modules/@soketi/soketi/package.json').version"],
            limit_mib=limit_mib("soketi", IDEAL),
            start=services.soketi,
            load=subscribe,
            load_is="500 clients get every event, as fast as they can be published",
        ),
        Case(
            name="php_fpm",
            engine="php_fpm",
            program="PHP-FPM",
            version=["php", "--version"],
            limit_mib=416,
            start=partial(services.php_fpm, alias="footprints-php"),
            load=hold_in_php,
            load_is="every worker holds the 60 MiB that are planned for it",
        ),
        Case(
            name="node",
            engine="node",
            program="Node",
            version=["node", "--version"],
            limit_mib=256,
            start=services.node,
            load=partial(ask_for_pages, clients=50),
            load_is=pages.format(50, "a small program"),
        ),
        Case(
            name="puma",
            engine="puma",
            program="Puma",
            version=["puma", "--version"],
            limit_mib=768,
            start=services.puma,
            load=partial(ask_for_pages, clients=10),
            load_is=pages.format(10, "a small Rails application"),
        ),
        Case(
            name="sidekiq",
            engine="sidekiq",
            program="Sidekiq",
            version=["sidekiq", "--version"],
            limit_mib=384,
            start=services.sidekiq,
            load=queue_jobs,
            load_is="every thread in a job of the same application that holds some MiB",
        ),
    ]


def sort_in_mysql(server: Server, settings: Settings) -> Report:
    pool_mib, connections = engine.kib(settings["innodb_buffer_pool_size"]) // 1024, int(settings["max_connections"])
    return mysql.heavy_sorts(
        server.address, **services.MYSQL_LOGIN, connections=connections, seconds=SECONDS, mib=pool_mib + 16
    )


def sort_in_postgresql(server: Server, settings: Settings) -> Report:
    # One less, since that which makes the table may take a moment to go.
    buffers_mib, connections = engine.kib(settings["shared_buffers"]) // 1024, int(settings["max_connections"]) - 1
    return postgresql.heavy_sorts(
        server.address, **services.POSTGRESQL_LOGIN, connections=connections, seconds=SECONDS, mib=buffers_mib + 16
    )


def write_and_rewrite(server: Server, _settings: Settings) -> Report:
    return redis.fill_and_rewrite(server.address, connections=4, seconds=SECONDS)


def write_and_evict(server: Server, _settings: Settings) -> Report:
    return redis.fill_and_rewrite(server.address, connections=4, seconds=SECONDS, rewrites=False)


@contextmanager
def nginx_before_files(client: docker.DockerClient, limit: int, _settings: Settings) -> Iterator[Server]:
    with (
        services.file_server(client, "footprints-files", kib=256) as upstream,
        services.nginx(client, limit, upstream) as server,
    ):
        yield server


def ask_for_files(server: Server, _settings: Settings) -> Report:
    return http.requests(FILE_URL, connections=100, seconds=SECONDS, address=server.address)


def leave_answers_unread(server: Server, _settings: Settings) -> Report:
    return http.slow_clients(FILE_URL, connections=100, seconds=SECONDS, address=server.address)


def subscribe(server: Server, _settings: Settings) -> Report:
    return websocket.subscribers(server.address, **services.SOKETI_APP, connections=500, seconds=SECONDS)


def hold_in_php(server: Server, settings: Settings) -> Report:
    url = f"http://{server.address}/?mib=60&seconds=5"
    return http.requests(url, connections=int(settings["pm.max_children"]), seconds=SECONDS)


def ask_for_pages(server: Server, _settings: Settings, clients: int) -> Report:
    return http.requests(f"http://{server.address}/", connections=clients, seconds=SECONDS)


def queue_jobs(server: Server, _settings: Settings) -> Report:
    urlopen(Request(f"http://{server.address}/jobs?count=1000", method="POST")).close()
    time.sleep(SECONDS)
    return Report()


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    columns = ("version", "limit_mib", "settings", "idle_mib", "load_mib", "peak_mib")
    lines = [("", *columns), *((name, *(str(row[column]) for column in columns)) for name, row in rows.items())]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)) for line in lines)


if __name__ == "__main__":
    main()
