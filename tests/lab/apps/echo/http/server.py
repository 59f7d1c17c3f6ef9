# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Says what reached it, as JSON, on port 8000, and sends back what comes on a websocket (RFC 6455)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CLOSE = 8
CHUNK = 2**16


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self._websocket()
        else:
            self._answer()

    def do_POST(self) -> None:
        left = int(self.headers.get("Content-Length", 0))
        received = 0
        while left > received and (part := self.rfile.read(min(CHUNK, left - received))):
            received += len(part)
        self._answer(received=received)

    def _answer(self, **more: object) -> None:
        body = json.dumps(
            {
                "server": socket.gethostname(),
                "version": os.environ.get("APP_VERSION"),
                "method": self.command,
                "uri": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                **more,
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _websocket(self) -> None:
        proof = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + GUID).encode(), usedforsecurity=False).digest()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(proof).decode())
        self.end_headers()
        self.close_connection = True
        while (frame := self._frame()) is not None:
            code, content = frame
            # A server's frames are not masked; these tests send less than 126 bytes.
            self.wfile.write(bytes([0x80 | code, len(content)]) + content)
            if code == CLOSE:
                return

    def _frame(self) -> tuple[int, bytes] | None:
        head = self.rfile.read(6)
        if len(head) < 6:
            return None
        length, mask = head[1] & 0x7F, head[2:]
        content = self.rfile.read(length)
        return head[0] & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(content))

    def log_message(self, *_arguments: object) -> None:
        """nginx logs the requests."""


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ThreadingHTTPServer(("", 8000), Handler).serve_forever()
