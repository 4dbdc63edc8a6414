"""The fake API in a process of its own: its CPU is not that of what is measured, and neither waits for the other."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Self

from tests.bench.processes import ROOT, Failed


@dataclass(frozen=True)
class Arrival:
    """A request as the API saw it."""

    time: float  # seconds, from any moment on
    path: str
    status: int


class Api:
    """The API is at `url` while the context lasts. `linked`: its pages are joined by links, for the mirror."""

    def __init__(self, coins: int, *, linked: bool = False) -> None:
        self.coins = coins
        self._options = [f"--coins={coins}", *(["--linked"] if linked else [])]

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.bench.serving", *self._options]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
        )
        self.url: str = self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # it ends with its input

    def advance(self) -> None:
        """Every coin changes."""
        self._ask("advance")

    def set_rules(self, *, delay: float = 0.0, total: bool = True, calls: int = 0, window: float = 60.0) -> None:
        """From now on: seconds before each answer, whether pages say the total, and calls in a window (0: any)."""
        words = "exact" if total else "absent"
        self._ask("set_rules", delay=delay, total=words, calls=calls, window=window)

    def forget(self) -> None:
        """The requests up to now."""
        self._ask("forget")

    @property
    def arrivals(self) -> list[Arrival]:
        return [Arrival(*each) for each in self._ask("requests")]

    @property
    def cpu(self) -> float:
        """In seconds, since it began."""
        return float(self._ask("cpu"))

    def _ask(self, what: str, **how: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps({'do': what, **how})}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Failed("The fake API has ended. What it said is above.")
        return json.loads(line)
