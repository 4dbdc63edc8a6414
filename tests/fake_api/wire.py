"""HTTP for the fake API: one thread per connection, which is kept open, and one write per answer."""

import contextlib
import gzip
import hashlib
import socket
import socketserver
import sys
import threading
import time
import uuid
from collections.abc import Callable
from email.utils import formatdate
from http.client import responses
from http.server import BaseHTTPRequestHandler
from typing import Any

from .answers import Answer

# Sent with every answer to look like the real one; a crawler needs none of them.
HEADERS = {
    "server": "cloudflare",
    "vary": "Accept-Encoding, Origin",
    "cache-control": "max-age=30, public, must-revalidate, s-maxage=60",
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "link, per-page, total",
    "referrer-policy": "strict-origin-when-cross-origin",
    "strict-transport-security": "max-age=15724800; includeSubdomains",
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "cf-cache-status": "MISS",
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the end of an answer must not wait for an acknowledgement
    server: "Server"

    def do_GET(self) -> None:
        started = time.monotonic()
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.answer(self.command, self.path, headers)
        self.server.closing.wait(min(answer.delay, threading.TIMEOUT_MAX))
        if answer.close or self.server.closing.is_set():
            self.close_connection = True
            return
        body, own = answer.body, {name.lower(): value for name, value in answer.headers.items()}
        if body and "content-encoding" not in own and "gzip" in headers.get("accept-encoding", ""):
            body = gzip.compress(body, compresslevel=1, mtime=0)
            own["content-encoding"] = "gzip"
        if answer.status == 200:
            own["etag"] = f'W/"{hashlib.md5(answer.body, usedforsecurity=False).hexdigest()}"'
        sent = {
            "date": formatdate(usegmt=True),
            **HEADERS,
            "x-request-id": str(uuid.uuid4()),
            "x-runtime": f"{time.monotonic() - started:.6f}",
            **own,
            "content-length": str(len(body)),
        }
        lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, '')}"]  # Cloudflare's 520 has no phrase
        lines += [f"{name}: {value}" for name, value in sent.items()]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: `FakeAPI.requests` is the log."""


class Server(socketserver.ThreadingTCPServer):
    """Hands method, target and headers (names in lower case) of each request to `answer`, on 127.0.0.1 alone.

    Closing it ends every connection and thread. Not http.server's own server, which asks the name server for its name.
    """

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, answer: Callable[[str, str, dict[str, str]], Answer]) -> None:
        self.answer = answer
        self.closing = threading.Event()
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        self.closing.set()
        for connection in self._connections.copy():
            with contextlib.suppress(OSError):  # the client was faster
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client may leave when it likes
            super().handle_error(request, client_address)
