# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MariaDB and MySQL: what the plan gives is enough for every connection, and MySQLTuner thinks so, too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import docker
import pytest
from ansible_collections.onebox.stack.plugins.module_utils._tuning import tuning, worst_case_mib

from engines import containers, services
from engines.plan import CEILING, FLOOR, IDEAL, limit_mib
from load import mysql

SECONDS = 6


@dataclass(frozen=True)
class Planned:
    """A server with what the plan gives it."""

    server: services.Server
    limit_mib: int
    pool_mib: int
    connections: int
    worst_case_mib: int


@pytest.fixture(
    scope="module",
    params=[
        ("mariadb", 20, FLOOR),
        ("mariadb", 20, IDEAL),
        ("mariadb", 60, FLOOR),
        ("mysql", 20, FLOOR),
        ("mysql", 20, IDEAL),
    ],
    ids=lambda row: "-".join(map(str, row)),
)
def planned(request: pytest.FixtureRequest, client: docker.DockerClient) -> Iterator[Planned]:
    flavor, connections, size = request.param
    limit = limit_mib("mysql", size, mysql_flavor=flavor, mysql_max_connections=connections)
    settings = tuning(limit, "mysql", flavor=flavor, connections=connections)
    with services.mysql(client, limit, settings, flavor) as server:
        yield Planned(
            server,
            limit,
            pool_mib(settings),
            int(settings["max_connections"]),
            worst_case_mib("mysql", settings, flavor=flavor),
        )


def pool_mib(settings: Mapping[str, Any]) -> int:
    return int(settings["innodb_buffer_pool_size"].removesuffix("M"))


def verdict(client: docker.DockerClient, server: services.Server, limit_mib: int) -> str:
    """Return the line in which MySQLTuner judges the most that the server may use: a mark, and the share."""
    host, port = server.address.split(":")
    login = ["--host", host, "--port", port, "--user", services.MYSQL_LOGIN["user"], "--pass", services.PASSWORD]
    command = [*login, "--forcemem", str(limit_mib), "--forceswap", "0", "--skippassword", "--nocolor"]
    with containers.run(client, services.MYSQLTUNER, 0, command) as tuner:
        tuner.wait()
        report = tuner.logs()
    lines = re.findall(r"^.*Maximum possible memory usage.*$", report, re.MULTILINE)
    assert len(lines) == 1, report
    return str(lines[0])


def test_mysqltuner_passes_what_was_planned(client: docker.DockerClient, planned: Planned) -> None:
    assert verdict(client, planned.server, planned.limit_mib).startswith("✔")


def test_a_full_pool_and_heavy_sorts_in_every_connection_stay_below_the_limit(planned: Planned) -> None:
    server = planned.server
    with server.container.watched() as used:
        report = mysql.heavy_sorts(
            server.address,
            **services.MYSQL_LOGIN,
            connections=planned.connections,
            seconds=SECONDS,
            mib=planned.pool_mib + 16,
        )
    assert not report.errors
    assert planned.pool_mib < used.peak_mib < planned.worst_case_mib
    assert server.container.running
    assert server.container.oom_kills() == 0


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_mysqltuner_passes_the_most_that_is_planned(client: docker.DockerClient, flavor: str) -> None:
    limit = limit_mib("mysql", CEILING, mysql_flavor=flavor)
    with services.mysql(client, limit, tuning(limit, "mysql", flavor=flavor), flavor) as server:
        assert verdict(client, server, limit).startswith("✔")


def test_mysqltuner_does_not_pass_stock_connections_beside_the_same_pool(client: docker.DockerClient) -> None:
    limit = limit_mib("mysql", IDEAL)
    pool = tuning(limit, "mysql")["innodb_buffer_pool_size"]
    with services.mysql(client, limit, {"innodb_buffer_pool_size": pool}) as server:
        assert verdict(client, server, limit).startswith("✘")


def test_the_same_load_on_stock_connections_is_killed(client: docker.DockerClient) -> None:
    limit = limit_mib("mysql", FLOOR)
    pool = tuning(limit, "mysql")["innodb_buffer_pool_size"]
    with services.mysql(client, limit, {"innodb_buffer_pool_size": pool}) as server:
        report = mysql.heavy_sorts(server.address, **services.MYSQL_LOGIN, connections=20, seconds=SECONDS, mib=80)
        assert any("Lost connection" in error for error in report.errors)
        assert not server.container.running
        assert server.container.oom_kills() > 0
