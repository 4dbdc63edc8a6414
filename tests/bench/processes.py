"""What a whole process takes."""

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryFile

ROOT = Path(__file__).resolve().parent.parent.parent
TICKS = os.sysconf("SC_CLK_TCK")  # in which the kernel counts the CPU of other processes
LAST_LINES = 20  # of the output of a process that fails


class Failed(Exception):
    """What was to be measured has not come to its end. The message says what, and what it said at last."""


@dataclass(frozen=True)
class Usage:
    """What a process took, together with its children."""

    wall: float  # seconds
    cpu: float  # seconds, user and system
    memory: int  # bytes, at most: of the process, or of one of its children
    server: float = 0.0  # seconds of CPU of the database's server meanwhile
    api: float = 0.0  # seconds of CPU of the fake API meanwhile


def environment(**variables: str) -> dict[str, str]:
    """An environment of nothing else, so that a user's own settings have no part in what is measured."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "ENV_FILE": os.devnull,
        "DJANGO_SETTINGS_MODULE": "webapp.settings",
        "COINGECKO_PLAN": "keyless",
        "COINGECKO_CALLS_PER_MINUTE": "0",
        "MIRROR_CALLS_PER_MINUTE": "0",
        "VS_CURRENCY": "usd",
        **variables,
    }


def measure(command: Sequence[str], variables: Mapping[str, str], status: int = 0) -> Usage:
    """Run a command to its end. Raises Failed, with its last lines, if it has another exit status than `status`."""
    launcher = [sys.executable, "-I", "-S", str(Path(__file__).parent / "launch.py"), *command]
    with (
        TemporaryFile() as log,
        Popen(launcher, cwd=ROOT, env=variables, stdout=PIPE, stderr=log, process_group=0) as process,
    ):
        try:
            output, _ = process.communicate()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what it has started, if the benchmark is stopped
        taken = json.loads(output)
        if taken.pop("status") != status:
            log.seek(0)
            lines = log.read().decode(errors="replace").splitlines()[-LAST_LINES:]
            raise Failed("\n".join([f"This command has failed: {' '.join(command)}", *lines]))
    return Usage(**taken)


def cpu_of(pid: int) -> float:
    """The seconds of CPU of a running process, of its children that run, and of those that have ended."""
    total = sum(_times(pid, slice(11, 15)))
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(_fields(path)[1]) == pid:
                total += sum(_times(int(path.parent.name), slice(11, 13)))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended: its time is now its parent's
    return total


def _times(pid: int, which: slice) -> list[float]:
    return [int(ticks) / TICKS for ticks in _fields(Path(f"/proc/{pid}/stat"))[which]]


def _fields(path: Path) -> list[str]:
    """From the state on: the name before it may have spaces and brackets in it."""
    return path.read_text().rpartition(")")[2].split()
