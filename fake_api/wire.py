"""HTTP for the fake API: one thread per connection, which is kept open, and one write per answer."""

import contextlib
import gzip
import hashlib
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http.client import responses
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from fake_api.exchange import Answer, Request

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
        request, answer = self.server.answer(self.command, self.path, headers)
        self._hold(answer)
        if self.server.closing.is_set():
            self.close_connection = True
            return
        head, body = (b"", answer.body) if answer.close else self._http(answer, headers, started)
        body = body[: answer.sends]
        request.sent = time.monotonic()
        if answer.pace:
            self.wfile.write(head)
            self._trickle(body, answer.pace)
        else:
            self.wfile.write(head + body)
        self._end(answer)

    def _hold(self, answer: Answer) -> None:
        closing = self.server.closing
        while answer.wait and not (answer.wait.wait(0.01) or closing.is_set()):  # no thread waits for two events
            pass
        closing.wait(min(answer.delay, threading.TIMEOUT_MAX))

    def _http(self, answer: Answer, asked: Mapping[str, str], started: float) -> tuple[bytes, bytes]:
        """Head and body as they go over the wire."""
        body, own = answer.body, {name.lower(): value for name, value in answer.headers.items()}
        if body and "content-encoding" not in own and "gzip" in asked.get("accept-encoding", ""):
            body = gzip.compress(body, compresslevel=1, mtime=0)
            own["content-encoding"] = "gzip"
        if answer.status == 200 and "etag" not in own:
            own["etag"] = f'W/"{hashlib.md5(answer.body, usedforsecurity=False).hexdigest()}"'
        if answer.chunked:
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        headers = {
            "date": formatdate(usegmt=True),
            **HEADERS,
            "x-request-id": str(uuid.uuid4()),
            "x-runtime": f"{time.monotonic() - started:.6f}",
            **({"transfer-encoding": "chunked"} if answer.chunked else {"content-length": str(len(body))}),
            **own,
        }
        lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, '')}"]  # Cloudflare's 520 has no phrase
        for name, value in headers.items():
            values = [value] if isinstance(value, str) else value or []
            lines += [f"{name}: {text}" for text in values]
        return "\r\n".join([*lines, "", ""]).encode(), body

    def _trickle(self, body: bytes, pace: float) -> None:
        step = max(1, round(pace / 10))  # ten times a second where that is a byte or more
        for start in range(0, len(body), step):
            if self.server.closing.wait(step / pace):
                return
            self.wfile.write(body[start : start + step])

    def _end(self, answer: Answer) -> None:
        self.close_connection = answer.close or answer.end != "keep"
        if answer.end == "stall":
            self.server.closing.wait()
        if answer.end == "reset":
            # Closed with no time to linger and without a shutdown before it, the kernel sends RST.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *_: Any) -> None:
        """Say nothing: `FakeAPI.requests` is the log."""


class Server(socketserver.ThreadingTCPServer):
    """Hands method, target and headers (names in lower case) of each request to `answer`, on 127.0.0.1 alone.

    It counts its `connections`. Closing it ends every connection and thread. Not http.server's own
    server, which asks the name server for its name.
    """

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self,
        port: int,
        answer: Callable[[str, str, dict[str, str]], tuple[Request, Answer]],
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        self.answer = answer
        self.closing = threading.Event()
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls else None
        if self._tls and tls:
            self._tls.load_cert_chain(*tls)
        super().__init__(("127.0.0.1", port), Handler)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        if self._tls:
            # The connection's own thread shakes hands at its first read, so that a slow client keeps nobody waiting.
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        self.closing.set()
        for connection in self._open.copy():
            with contextlib.suppress(OSError):  # the client was faster
                # Below TLS, whose own shutdown() would take the session from a thread that reads.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client may leave when it likes, and need not trust a certificate.
        if not isinstance(sys.exception(), ConnectionError | ssl.SSLError):
            super().handle_error(request, client_address)
