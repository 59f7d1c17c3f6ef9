# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All who use a stack with the shop at once, none of them on its box."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pymysql
import redis
import requests

from load import Report, http, mysql, postgresql
from load import redis as redis_load

SITE = "https://shop.example.com"
# By the server itself, since it would take minutes from outside. Only so many at a time: before a command it makes room
# for half a millisecond at most, and a script that writes much would take it beyond its maxmemory.
FILL_KEYS = 32
FILL = f"for n = ARGV[1], ARGV[1] + {FILL_KEYS - 1} do redis.call('SET', 'load:' .. n, string.rep('x', 1024)) end"
# Of what the cache was filled with, the part that is written over and over.
CACHE_HOT_MIB = 256


@dataclass(frozen=True)
class Demand:
    """How much is asked of a stack at once, for how long."""

    seconds: int
    pages: int  # heavy ones, at the same time
    page_mib: int  # what a heavy page has in memory
    mysql_sorts: int  # connections to the database that sort, beside the shop's own
    mysql_mib: int  # what there is to sort
    postgresql_sorts: int
    postgresql_mib: int
    redis_mib: int
    downloads: int  # by clients that hardly read
    worker_mib: int = 100  # what a worker's job has in memory
    uploads: int = 2
    upload_mib: int = 18
    cache_mib: int = 2048


class Users:
    """All who use a stack. `directory` is an empty one for their own use."""

    def __init__(
        self, reach: Callable[..., str], web: requests.Session, address: str, secrets: dict[str, str], directory: Path
    ) -> None:
        self.reach = cache(reach)
        self.address = f"{address}:443"
        self.ca = str(web.verify)
        self.secrets = secrets
        self.shop = {"user": "shop", "password": secrets["shop_mysql_password"], "database": "shop"}
        self.books = {"user": "books", "password": secrets["books_postgresql_password"], "database": "books"}
        # By the name that PostgreSQL's clients look for.
        self.postgresql_socket = directory / ".s.PGSQL.5432"
        self.postgresql_socket.symlink_to(reach("postgresql", 5432))

    def ask_mysql(self, sql: str, *values: Any) -> Any:
        """Return the first row of the answer."""
        socket = self.reach("mysql", 3306)
        with (
            closing(pymysql.connect(unix_socket=socket, **self.shop, autocommit=True)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql, values)
            return cursor.fetchone()

    def ask_postgresql(self, sql: LiteralString) -> Any:
        """Return the first row of the answer."""
        login = {"user": self.books["user"], "password": self.books["password"], "dbname": self.books["database"]}
        with psycopg.connect(host=str(self.postgresql_socket.parent), **login) as connection:
            return connection.execute(sql).fetchone()

    def redis(self, instance: str) -> redis.Redis:
        return redis.Redis(
            unix_socket_path=self.reach(instance, 6379), **self.redis_login(instance), decode_responses=True
        )

    def redis_login(self, instance: str) -> dict[str, str]:
        return {"username": "shop", "password": self.secrets[f"shop_{instance}_password"]}

    def prepare(self, demand: Demand) -> None:
        """Leave what the months before the load would have left: orders, rows to sort, a queue, and a cache in use."""
        for sorts in self.sorts(demand).values():
            sorts(connections=1, seconds=0)
        self.ask_mysql(
            "INSERT INTO orders (product_id, quantity, price_cents, vat_permille, status, created_at, net_cents,"
            " vat_cents, total_cents, worker, invoiced_at) SELECT 1 + seq MOD 6, 2, 1000, 200, 'invoiced',"
            " UTC_TIMESTAMP(3) - INTERVAL 2 DAY, 2000, 400, 2400, 'before', UTC_TIMESTAMP(3) - INTERVAL 2 DAY"
            " FROM seq_1_to_20000"
        )
        with self.redis("redis") as client:
            report = {"orders": 200, "document_mib": demand.worker_mib, "wait_ms": 1000}
            client.lpush("shop:reports", *[json.dumps(report)] * demand.seconds)
        with self.redis("redis_cache") as client:
            for mib in range(demand.cache_mib):
                with client.pipeline(transaction=False) as pipeline:
                    for first in range(mib * 1024, (mib + 1) * 1024, FILL_KEYS):
                        pipeline.eval(FILL, 0, first)
                    pipeline.execute()

    def everybody(self, demand: Demand) -> dict[str, partial[Report]]:
        """The whole load, for `load.at_once`."""
        uploads = partial(http.uploads, f"{SITE}/api/pictures", mib=demand.upload_mib, connections=demand.uploads)
        downloads = partial(http.slow_clients, f"{SITE}/download.bin", connections=demand.downloads)
        visitors = {
            "home": partial(http.requests, f"{SITE}/", connections=1),
            "uploads": uploads,
            "downloads": downloads,
        }
        here = {"address": self.address, "ca": self.ca, "seconds": demand.seconds}
        return {
            "pages": self.pages(demand),
            **{name: partial(visit, **here) for name, visit in visitors.items()},
            **self.sorts(demand),
            "redis": self.writes("redis", demand.redis_mib, demand.seconds),
            "redis_cache": self.writes("redis_cache", CACHE_HOT_MIB, demand.seconds),
        }

    def pages(self, demand: Demand) -> partial[Report]:
        """Those who wait for heavy pages."""
        return partial(
            http.requests,
            f"{SITE}/api/report?orders=200&document_mib={demand.page_mib}&wait_ms=5000",
            address=self.address,
            ca=self.ca,
            connections=demand.pages,
            seconds=demand.seconds,
        )

    def sorts(self, demand: Demand) -> dict[str, partial[Report]]:
        """Those who have the databases sort."""
        on_mysql = partial(mysql.heavy_sorts, self.reach("mysql", 3306), **self.shop, mib=demand.mysql_mib)
        on_postgresql = partial(
            postgresql.heavy_sorts, str(self.postgresql_socket), **self.books, mib=demand.postgresql_mib
        )
        return {
            "mysql": partial(on_mysql, connections=demand.mysql_sorts, seconds=demand.seconds),
            "postgresql": partial(on_postgresql, connections=demand.postgresql_sorts, seconds=demand.seconds),
        }

    def writes(self, instance: str, mib: int, seconds: int) -> partial[Report]:
        """Whoever writes to an instance of Redis, and may not ask it to rewrite its file."""
        address = self.reach(instance, 6379)
        write = partial(redis_load.fill_and_rewrite, address, **self.redis_login(instance), rewrites=False)
        return partial(write, connections=1, seconds=seconds, mib=mib)


class Customer:
    """Orders something every second, from `with` to the end of the block."""

    def __init__(self, web: requests.Session) -> None:
        self.web = web
        self.orders: list[int] = []
        self.refusals: list[str] = []

    def __enter__(self) -> Customer:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._order)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _order(self) -> None:
        while not self._stop.wait(1):
            try:
                answer = self.web.post(f"{SITE}/api/orders", json={"product": "mug", "quantity": 1}, timeout=60)
            except requests.RequestException as error:
                self.refusals.append(str(error))
            else:
                if answer.status_code == 201:
                    self.orders.append(answer.json()["id"])
                else:
                    self.refusals.append(f"{answer.status_code} {answer.text}")
