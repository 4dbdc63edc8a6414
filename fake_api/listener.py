"""A host that nobody should ever talk to."""

import contextlib
import socket
import threading
from typing import Self

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"


class Listener:
    """A bare TCP socket at `url` that writes down what it hears and, where it `answers`, says `[]` to all of it."""

    def __init__(self, *, answers: bool = False) -> None:
        self._answers = answers
        self._connections: list[tuple[socket.socket, bytearray]] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._socket.settimeout(0)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self._hear()
        for connection, _heard in self._connections:
            connection.close()
        self._socket.close()

    @property
    def heard(self) -> list[bytes]:
        """What came over each connection up to this moment: b"" where somebody connected and was silent."""
        if not self._closing.is_set():
            self._hear()
        with self._lock:
            return [bytes(heard) for _, heard in self._connections]

    def _listen(self) -> None:
        while not self._closing.wait(0.01):
            self._hear()

    def _hear(self) -> None:
        """Take what the kernel holds. Any thread may, so that `heard` is never behind what clients have sent."""
        with self._lock:
            with contextlib.suppress(BlockingIOError):
                while True:
                    connection, _ = self._socket.accept()
                    connection.settimeout(0)
                    self._connections.append((connection, bytearray()))
            for connection, heard in self._connections:
                with contextlib.suppress(OSError):  # no more has come, or the client has gone
                    while piece := connection.recv(65_536):
                        heard += piece
                        if self._answers:
                            connection.sendall(OK)
