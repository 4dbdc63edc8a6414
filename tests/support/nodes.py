"""scrapyd as a user runs it, for tests: `python -m scrapyd` on a free port."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.support.processes import PATIENCE, ROOT

_moment = threading.Event()  # never set: the condition is checked again


def until(condition: Callable[[], Any], what: str = "") -> Any:
    """Wait until the condition is true, and return its value. Raises AssertionError if it does not become true."""
    for _ in range(int(PATIENCE / 0.05)):
        if value := condition():
            return value
        _moment.wait(0.05)
    raise AssertionError(what or "what was waited for has not come")


def free_port() -> int:
    """A port that no process listens on. This process keeps it bound, so that the system gives it to no other.

    A server can listen on it all the same, because both have SO_REUSEADDR.
    """
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
        reserved.detach()
    return port


class ScrapydNode:
    """A scrapyd that is killed at the end, with its crawls. `log` has the lines that it has written so far."""

    def __init__(self, database_url: str, folder: Path, name: str = "node", **environment: str) -> None:
        self.name, self.logs = name, folder / "logs"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log: list[str] = []
        self._environment = {
            "DATABASE_URL": database_url,
            "SCRAPYD_HTTP_PORT": str(self.port),
            "SCRAPYD_LOGS_DIR": str(self.logs),
            "SCRAPYD_NODE_NAME": name,
        } | environment

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scrapyd", "--pidfile="],
            cwd=ROOT,
            env=os.environ | self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.wait_for("Site starting on")
        return self

    def __exit__(self, *_: object) -> None:
        jobs = self.children()
        self.process.kill()
        self.process.wait(PATIENCE)
        for job in jobs:
            kill_group(job)
        self._reader.join(PATIENCE)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            self.log.extend(iter(self.process.stdout.readline, ""))

    def wait_for(self, words: str) -> None:
        def is_there() -> bool:
            assert self.process.poll() is None or words in "".join(self.log), "".join(self.log)
            return words in "".join(self.log)

        until(is_there, f"{words!r} is not in scrapyd's log")

    def children(self) -> list[int]:
        """The crawls' process ids."""
        path = Path(f"/proc/{self.process.pid}/task")
        ids: list[int] = []
        for task in path.glob("*/children"):
            ids.extend(map(int, task.read_text().split()))
        return ids

    def ask(self, service: str, **headers: str) -> tuple[int, str]:
        return self._open(Request(f"{self.url}/{service}", headers=headers))

    def post(self, service: str, **values: str) -> dict[str, Any]:
        data = urlencode({"project": "coincrawl"} | values).encode()
        return json.loads(self._open(Request(f"{self.url}/{service}", data))[1])

    def schedule(self, **values: str) -> str:
        """The key of a job that was queued."""
        answer = self.post("schedule.json", **({"spider": "markets"} | values))
        assert answer["status"] == "ok", answer
        return answer["jobid"]

    @staticmethod
    def _open(request: Request) -> tuple[int, str]:
        try:
            with urlopen(request, timeout=PATIENCE) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def stop(self) -> int:
        """Stop it as a supervisor does; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


StartNode = Callable[..., ScrapydNode]


def kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
