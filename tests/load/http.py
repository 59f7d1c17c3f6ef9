# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load over HTTP and HTTPS."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import SplitResult, urlsplit

from load.running import Report, open_socket, repeat

BOUNDARY = "load-of-uploads"
# Four lines fill the buffers that nginx has by default for large headers.
LARGE_HEADERS = "".join(f"X-Load-{number}: {'x' * 7000}\r\n" for number in range(4))
# The smallest receive buffer that Linux grants: what a client does not read stays with the server.
SMALL_BUFFER_BYTES = 2304
# More at a time only queue, on either side.
PARALLEL_HANDSHAKES = 64


def requests(
    url: str, *, connections: int, seconds: float, address: str | None = None, ca: str | None = None
) -> Report:
    """GET one URL over and over on connections that are kept. The report counts the statuses.

    `address` says where the host of the URL is to be found, `ca` the file with the certificate that vouches for it:
    without, none is asked for.
    """
    target = urlsplit(url)

    @contextmanager
    def connect() -> Iterator[Callable[[], str]]:
        with closing(_Connection(target, address, ca)) as connection:
            yield lambda: connection.ask("GET", b"", {})

    return repeat(connect, connections, seconds)


def uploads(
    url: str, *, connections: int, seconds: float, mib: int = 8, address: str | None = None, ca: str | None = None
) -> Report:
    """POST a form with a file of `mib` of noise as `file`, over and over. The report counts the statuses."""
    target = urlsplit(url)
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="load.bin"\r\n\r\n'
    body = head.encode() + os.urandom(mib * 2**20) + f"\r\n--{BOUNDARY}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

    @contextmanager
    def connect() -> Iterator[Callable[[], str]]:
        with closing(_Connection(target, address, ca)) as connection:
            yield lambda: connection.ask("POST", body, headers)

    return repeat(connect, connections, seconds)


class _Connection(http.client.HTTPConnection):
    """Asks for one URL, wherever its host is."""

    def __init__(self, target: SplitResult, address: str | None, ca: str | None) -> None:
        super().__init__(str(target.hostname), _port(target))
        self.target = target
        self.address = address or _address(target)
        self.tls = _tls(ca) if target.scheme == "https" else None

    def connect(self) -> None:
        self.sock = open_socket(self.address)
        if self.tls:
            self.sock = self.tls.wrap_socket(self.sock, server_hostname=self.target.hostname)

    def ask(self, method: str, body: bytes, headers: dict[str, str]) -> str:
        self.request(method, _path(self.target), body or None, {**headers, "Host": self.target.netloc})
        response = self.getresponse()
        response.read()
        return str(response.status)


def slow_clients(
    url: str, *, connections: int, seconds: float, address: str | None = None, ca: str | None = None
) -> Report:
    """Keep connections open that cost a server the most: a GET with 28 KiB of headers, and an answer, compressed
    if it can be, that is not read.

    `seconds` count from when all are open. The report counts those that were "opened". It is for a URL with an answer
    of a MiB or more, since less fits into the buffers of the kernel.
    """
    target = urlsplit(url)
    tls = _tls(ca) if target.scheme == "https" else None
    headers = f"Host: {target.netloc}\r\nAccept-Encoding: gzip\r\n{LARGE_HEADERS}\r\n"
    request = f"GET {_path(target)} HTTP/1.1\r\n{headers}".encode()
    report = Report()
    started = time.monotonic()
    with ExitStack() as opened, ThreadPoolExecutor(PARALLEL_HANDSHAKES) as pool:

        def ask() -> socket.socket:
            connection = open_socket(address or _address(target), SMALL_BUFFER_BYTES)
            if tls:
                connection = tls.wrap_socket(connection, server_hostname=target.hostname)
            connection.sendall(request)
            return connection

        for future in [pool.submit(ask) for _ in range(connections)]:
            try:
                opened.enter_context(future.result())
            except OSError as error:
                report.fail(error)
            else:
                report.counts["opened"] += 1
        time.sleep(seconds)
    report.seconds = time.monotonic() - started
    return report


def _address(target: SplitResult) -> str:
    return f"{target.hostname}:{_port(target)}"


def _tls(ca: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if ca is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _port(target: SplitResult) -> int:
    return target.port or (443 if target.scheme == "https" else 80)


def _path(target: SplitResult) -> str:
    return f"{target.path or '/'}{'?' if target.query else ''}{target.query}"
