# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load on Redis and Valkey."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from load.running import CONNECT_TIMEOUT_SECONDS, TIMEOUT_SECONDS, Report, repeat, split

VALUE_BYTES = 1024
BATCH = 64


def fill_and_rewrite(
    address: str,
    *,
    connections: int,
    seconds: float,
    username: str | None = None,
    password: str | None = None,
    rewrites: bool = True,
    mib: int | None = None,
) -> Report:
    """Fill the server to its maxmemory, then overwrite keys in all connections while it rewrites its append-only file.

    It is asked for the next rewrite when one is over. Without `rewrites`, for a user who may not ask or a server that
    keeps nothing, it rewrites when it wants to: by default each time that the file has doubled. A server without
    maxmemory gets `mib` of values. The report counts the "rewrites" that were done meanwhile.
    """
    where = split(address)
    host, port = where or ("", 0)

    def open_client() -> redis.Redis:
        # It tries again by itself unless it is told not to.
        options: dict[str, Any] = {"username": username, "password": password, "retry": Retry(NoBackoff(), 0)}
        options |= {"socket_timeout": TIMEOUT_SECONDS, "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS}
        return redis.Redis(host, port, **options) if where else redis.Redis(unix_socket_path=address, **options)

    with open_client() as client:
        keys = _key_count(client, mib)
        _fill(client, keys)
        before = _rewrites(client)

    @contextmanager
    def connect() -> Iterator[Callable[[], str]]:
        with open_client() as client:

            def overwrite() -> str:
                with client.pipeline(transaction=False) as pipeline:
                    for _ in range(BATCH):
                        pipeline.set(_key(keys), os.urandom(VALUE_BYTES))
                    answers = pipeline.execute(raise_on_error=False)
                for error in (answer for answer in answers if isinstance(answer, Exception)):
                    if not isinstance(error, redis.OutOfMemoryError):
                        raise error
                    # At maxmemory the server takes no write until there is room.
                    client.unlink(*(_key(keys) for _ in range(BATCH // 4)))
                    break
                if rewrites and not client.info("persistence")["aof_rewrite_in_progress"]:
                    _ask_for_rewrite(client)
                return "batches"

            yield overwrite

    report = repeat(connect, connections, seconds)
    try:
        with open_client() as client:
            report.counts["rewrites"] = _rewrites(client) - before
    except redis.RedisError as error:
        report.fail(error)
    return report


def _key(keys: int) -> str:
    return f"load:{secrets.randbelow(keys)}"


def _key_count(client: redis.Redis, mib: int | None) -> int:
    """Return a number of keys that is a little more than fits."""
    room = mib * 2**20 if mib else int(client.info("memory")["maxmemory"])
    if not room:
        raise ValueError("this server has no maxmemory: say how many `mib` to write")
    return room // VALUE_BYTES


def _fill(client: redis.Redis, keys: int) -> None:
    """Write all keys, or as many as the server takes."""
    evicted = client.info("stats")["evicted_keys"]
    for first in range(0, keys, BATCH):
        try:
            client.mset({f"load:{first + n}": os.urandom(VALUE_BYTES) for n in range(BATCH)})
        except redis.OutOfMemoryError:
            return
        if client.info("stats")["evicted_keys"] > evicted:
            return


def _ask_for_rewrite(client: redis.Redis) -> None:
    try:
        client.bgrewriteaof()
    except redis.ResponseError as error:
        # Another connection was quicker.
        if "in progress" not in str(error):
            raise


def _rewrites(client: redis.Redis) -> int:
    return int(client.info("persistence")["aof_rewrites"])
