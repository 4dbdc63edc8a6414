"""Who people hear from: a webhook's receiver and a mail server, on ports of their own."""

import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Self


class Receiver:
    """Takes what is sent over HTTP at `url`; `statuses` are the answers to come, and then 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[tuple[str, str, bytes]] = []  # method, path, body
        self.on_message: Callable[[], None] = lambda: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                status = outer.statuses.pop(0) if outer.statuses else 200
                outer.got.append((self.command, self.path, body))
                outer.on_message()
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *args: Any) -> None:
                """Not into the tests' output."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01])
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def messages(self) -> list[dict[str, str]]:
        return [json.loads(body) for method, _, body in self.got if method == "POST"]

    @property
    def said(self) -> list[str]:
        return [f"{message['check']} {message['status']}" for message in self.messages]


class MailServer:
    """Takes mail over SMTP at `port`."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # which ends the waiting for another
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            client.settimeout(10)
            with client, client.makefile("rwb", 0) as wire:
                self._talk(wire)

    def _talk(self, wire: Any) -> None:
        wire.write(b"220 here\r\n")
        while line := wire.readline():
            if line.upper().startswith(b"DATA"):
                wire.write(b"354 go on\r\n")
                lines = iter(wire.readline, b".\r\n")
                self.got.append(b"".join(lines))
            wire.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 well\r\n")
