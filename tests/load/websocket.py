# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load on a server of the Pusher protocol, such as soketi."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import selectors
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import urlencode

from websocket import WebSocket, create_connection

from load.running import Report, open_socket, repeat

CHANNEL = "load"
EVENT_BYTES = 1024
PUBLISHERS = 2
PARALLEL_HANDSHAKES = 32
# A server gives up on clients that say nothing for 120 s.
PING_SECONDS = 30
# How an event begins, up to which a message may be cut in two.
MARK = b'{"event":"load"'


def subscribers(address: str, *, app_id: str, key: str, secret: str, connections: int, seconds: float) -> Report:
    """Have clients that are subscribed to one channel, and publish events of 1 KiB to it, one after the other.

    The report counts the clients "subscribed", the events "published", and those "received".
    """
    with ExitStack() as opened, ThreadPoolExecutor(PARALLEL_HANDSHAKES) as pool:
        clients = list(pool.map(lambda _: _subscribe(address, key), range(connections)))
        for client in clients:
            opened.enter_context(closing(client))
        stopping = threading.Event()
        received = pool.submit(_receive, clients, stopping)
        report = repeat(lambda: _publisher(address, app_id, key, secret), PUBLISHERS, seconds)
        stopping.set()
        report.counts["received"] = received.result()
    report.counts["subscribed"] = connections
    return report


def _subscribe(address: str, key: str) -> WebSocket:
    client: WebSocket = create_connection(f"ws://localhost/app/{key}", socket=open_socket(address))
    _expect(client, "pusher:connection_established")
    client.send(json.dumps({"event": "pusher:subscribe", "data": {"channel": CHANNEL}}))
    _expect(client, "pusher_internal:subscription_succeeded")
    return client


def _expect(client: WebSocket, event: str) -> None:
    message = client.recv()
    if json.loads(message)["event"] != event:
        raise ConnectionError(f"{event} was expected, and not {message!r}")


def _receive(clients: list[WebSocket], stopping: threading.Event) -> int:
    """Read what the clients get, without a look at it; return how many events there were."""
    count = 0
    sockets = [client.sock for client in clients if client.sock]
    ends = dict.fromkeys(sockets, b"")
    pinged = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for connection in sockets:
            selector.register(connection, selectors.EVENT_READ, connection)
        while not stopping.is_set():
            for ready, _ in selector.select(timeout=0.1):
                text = ends[ready.data] + ready.data.recv(2**16)
                count += text.count(MARK)
                ends[ready.data] = text[-len(MARK) + 1 :]
            if time.monotonic() > pinged + PING_SECONDS:
                pinged = time.monotonic()
                for client in clients:
                    client.send(json.dumps({"event": "pusher:ping", "data": {}}))
    return count


class _Connection(http.client.HTTPConnection):
    """Is opened when there is something to ask, since soketi closes it after each answer."""

    def __init__(self, address: str) -> None:
        super().__init__("localhost")
        self.address = address

    def connect(self) -> None:
        self.sock = open_socket(self.address)


@contextmanager
def _publisher(address: str, app_id: str, key: str, secret: str) -> Iterator[Callable[[], str]]:
    connection = _Connection(address)
    body = json.dumps({"name": "load", "channel": CHANNEL, "data": "x" * EVENT_BYTES})

    def publish() -> str:
        connection.request("POST", _signed(f"/apps/{app_id}/events", key, secret, body), body)
        response = connection.getresponse()
        response.read()
        return "published" if response.status == 200 else f"status {response.status}"

    with closing(connection):
        yield publish


def _signed(path: str, key: str, secret: str, body: str) -> str:
    """Return a path with the signature that the Pusher HTTP API asks for."""
    query = urlencode(
        {
            "auth_key": key,
            "auth_timestamp": int(time.time()),
            "auth_version": "1.0",
            "body_md5": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        }
    )
    signature = hmac.digest(secret.encode(), f"POST\n{path}\n{query}".encode(), "sha256").hex()
    return f"{path}?{query}&auth_signature={signature}"
