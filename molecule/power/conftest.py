# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of durability know of each server: how a client writes and reads, and how it is made less durable."""

from __future__ import annotations

import json
import os
import ssl
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pymysql
import pytest
import redis
import yaml
from docker.models.containers import Container
from redis.backoff import NoBackoff
from redis.retry import Retry
from testinfra.host import Host

from powerloss import Disk, own_disk

TIMEOUT_SECONDS = 60
# Where what was measured is written as JSON; nowhere unless asked for.
FIGURES_FILE = os.environ.get("DURABILITY_FILE", "")

POSTGRESQL_CHECK = """
pg_amcheck --username=postgres --database=books --install-missing --heapallindexed
psql="psql --no-psqlrc --quiet --tuples-only --no-align --username=postgres --dbname=books"
$psql --command='DROP EXTENSION amcheck'
$psql --command='SELECT sum(checksum_failures) FROM pg_stat_database'
"""


class Mysql:
    """A client of MariaDB or MySQL."""

    data = "/var/lib/mysql"
    weaker: ClassVar = {"innodb_flush_log_at_trx_commit": 2}

    def __init__(self, reach: Callable[..., str], secrets: dict[str, str]) -> None:
        self.login = {"unix_socket": reach("mysql", 3306), "user": "shop", "password": secrets["shop_mysql_password"]}
        # MySQL asks for a password on a line that is encrypted only; its certificate is one that it made itself.
        self.encrypted = ssl.create_default_context()
        self.encrypted.check_hostname, self.encrypted.verify_mode = False, ssl.CERT_NONE

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        options = {"ssl": self.encrypted, "connect_timeout": TIMEOUT_SECONDS, "read_timeout": TIMEOUT_SECONDS}
        with (
            closing(pymysql.connect(**self.login, **options, database="shop", autocommit=True)) as connection,
            connection.cursor() as cursor,
        ):
            yield cursor

    @contextmanager
    def writer(self) -> Iterator[Callable[[int], object]]:
        with self.cursor() as cursor:
            yield lambda number: cursor.execute("INSERT INTO written VALUES (%s)", [number])

    def begin(self) -> None:
        with self.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS written")
            cursor.execute("CREATE TABLE written (number INT PRIMARY KEY)")

    def end(self) -> None:
        with self.cursor() as cursor:
            cursor.execute("DROP TABLE written")

    def found(self) -> set[int]:
        with self.cursor() as cursor:
            cursor.execute("SELECT number FROM written")
            return {number for (number,) in cursor.fetchall()}

    def check(self, _server: Container) -> None:
        """Fail when the server finds its data damaged."""
        with self.cursor() as cursor:
            cursor.execute("CHECK TABLE written EXTENDED")
            assert [row[-1] for row in cursor.fetchall()] == ["OK"]


class Postgresql:
    """A client of PostgreSQL."""

    data = "/var/lib/postgresql/data"
    weaker: ClassVar = {"synchronous_commit": "off"}

    def __init__(self, reach: Callable[..., str], secrets: dict[str, str]) -> None:
        # The client wants a directory, in which the socket has a name of its choice.
        socket = reach("postgresql", 5432)
        directory = Path(f"{socket}.directory")
        directory.mkdir()
        (directory / ".s.PGSQL.5432").symlink_to(socket)
        self.login = {"host": str(directory), "user": "books", "password": secrets["books_postgresql_password"]}

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(**self.login, dbname="books", autocommit=True, connect_timeout=TIMEOUT_SECONDS)

    @contextmanager
    def writer(self) -> Iterator[Callable[[int], object]]:
        with closing(self.connect()) as connection:
            yield lambda number: connection.execute("INSERT INTO written VALUES (%s)", [number])

    def begin(self) -> None:
        with closing(self.connect()) as connection:
            connection.execute("DROP TABLE IF EXISTS written")
            connection.execute("CREATE TABLE written (number INT PRIMARY KEY)")

    def end(self) -> None:
        with closing(self.connect()) as connection:
            connection.execute("DROP TABLE written")

    def found(self) -> set[int]:
        with closing(self.connect()) as connection:
            return {number for (number,) in connection.execute("SELECT number FROM written")}

    def check(self, server: Container) -> None:
        """Fail when the server finds its data damaged: a row that its index lacks, a page with a wrong checksum."""
        code, output = server.exec_run(["sh", "-ec", POSTGRESQL_CHECK])
        assert (code, output.decode().split()) == (0, ["0"])


class Redis:
    """A client of Valkey, with a queue."""

    data = "/data"
    weaker: ClassVar = {"appendfsync": "everysec"}

    def __init__(self, reach: Callable[..., str], secrets: dict[str, str]) -> None:
        socket = reach("redis", 6379)
        self.login = {"unix_socket_path": socket, "username": "shop", "password": secrets["shop_redis_password"]}

    def connect(self) -> redis.Redis:
        # It would try again by itself: what it wrote twice could not be told from what was lost.
        return redis.Redis(**self.login, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=TIMEOUT_SECONDS)

    @contextmanager
    def writer(self) -> Iterator[Callable[[int], object]]:
        with self.connect() as client:
            yield lambda number: client.rpush("shop:written", number)

    def begin(self) -> None:
        with self.connect() as client:
            client.delete("shop:written")

    end = begin

    def found(self) -> set[int]:
        with self.connect() as client:
            return set(map(int, client.lrange("shop:written", 0, -1)))

    def check(self, server: Container) -> None:
        """Fail when the server finds its data damaged."""
        files = server.exec_run(["sh", "-c", "valkey-check-aof /data/appendonlydir/*.manifest"])
        assert files.exit_code == 0, files.output.decode()


SCENARIO = yaml.safe_load((Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "molecule.yml").read_text())
SERVICES = SCENARIO["provisioner"]["inventory"]["group_vars"]["all"]["onebox_services"]
CLIENTS = {
    service: client
    for service, client in {"mysql": Mysql, "postgresql": Postgresql, "redis": Redis}.items()
    if service in SERVICES
}


@pytest.fixture(scope="session")
def figures() -> Iterator[dict[str, dict[str, Any]]]:
    """What was measured, by the server's image."""
    figures: dict[str, dict[str, Any]] = defaultdict(dict)
    yield figures
    if FIGURES_FILE:
        file = Path(FIGURES_FILE)
        others = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**others, **figures}, indent=2) + "\n")


@pytest.fixture(scope="module", params=CLIENTS)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(service: str, container: Callable[..., Container]) -> Callable[[], Container]:
    """The service's container as it is now."""
    return lambda: container(service)


@pytest.fixture
def measured(server: Callable[[], Container], figures: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What was measured of the server; a test adds what it measures."""
    return figures[server().attrs["Config"]["Image"]]


@pytest.fixture
def client(service: str, reach: Callable[..., str], secrets: dict[str, str]) -> Callable[[], Any]:
    """A client of the server that runs now."""
    return lambda: CLIENTS[service](reach, secrets)


@pytest.fixture
def clients(secrets: dict[str, str]) -> Callable[..., dict[str, Any]]:
    """A client of each server that runs now, by its service, through what leads there."""
    return lambda reach: {service: client(reach, secrets) for service, client in CLIENTS.items()}


@pytest.fixture(scope="module")
def disk(service: str, server: Callable[[], Container], host: Host) -> Iterator[Disk]:
    with own_disk(host, server, CLIENTS[service].data) as disk:
        yield disk


@pytest.fixture
def weaker_settings(service: str, play: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """Have the settings with which writes are faster and less durable, and put those of the scenario back."""
    site = ("playbooks/site.yml", "--tags", service)
    run = play(*site, "-e", json.dumps({f"{service}_settings": CLIENTS[service].weaker}))
    assert run.exit_code == 0, run.output
    yield CLIENTS[service].weaker
    run = play(*site)
    assert run.exit_code == 0, run.output
