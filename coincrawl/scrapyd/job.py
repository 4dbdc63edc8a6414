"""A job's process (`scrapy crawl`) and its log."""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from itertools import chain
from pathlib import Path
from time import time
from typing import IO, Any, Self

from coincrawl.log import TAIL_LINES, TAIL_SIZE
from webapp.crawls.queue import KEY, Death

KEEP_LOGS_DAYS = 30


class Job:
    """A process, with the attributes that scrapyd's web services and pages read.

    It has a session of its own, so that the end of scrapyd, or of its terminal, does not end the crawl.
    """

    def __init__(
        self, project: str, spider: str, key: str, *, claim: str, log: Path, process: subprocess.Popen[bytes]
    ) -> None:
        self.project, self.spider, self.job, self.claim = project, spider, key, claim
        self.log = log
        self.process = process
        self.pid = process.pid
        self.start_time = datetime.now()  # noqa: DTZ005 - scrapyd shows it beside its own, which has no zone
        self._verdict: tuple[str | None, float] | None = None  # its run's, and when the launcher first saw it
        self._fault = ""  # why it was killed

    @classmethod
    def start(cls, message: Mapping[str, Any], runner: str, logs: Path, folder: Path) -> Self:
        """Start the crawl of a message of the queue. Raises OSError or ValueError if that fails.

        A log that cannot be written does not keep it from starting: the run says so.
        """
        values = dict(message)
        project, spider, key, settings = (values.pop(name) for name in ("_project", "_spider", "_job", "settings"))
        if not KEY.fullmatch(key) or not KEY.fullmatch(spider):
            raise ValueError("its id or its spider's name cannot be part of a file's name")
        log = logs / project / spider / f"{key}.log"
        given = [("-s", {**settings, "LOG_FILE": log}), ("-a", {**values, "_job": key})]
        options = chain.from_iterable(
            (flag, f"{name}={value}") for flag, pairs in given for name, value in pairs.items()
        )
        with output_to(log) as output:
            process = subprocess.Popen(  # noqa: S603 - what the catalog has checked, and without a shell
                [sys.executable, "-m", runner, "crawl", spider, *options],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return cls(project, spider, key, claim=settings["JOB_CLAIM"], log=log, process=process)

    def signalProcess(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self, fault: str) -> None:
        self._fault = f"killed by scrapyd, because {fault}"
        self.signalProcess(signal.SIGKILL)

    def seconds_with(self, verdict: str | None, now: float) -> float:
        """For how long its run has had this verdict, by the calls of this method. `now` is a monotonic time."""
        if self._verdict is None or self._verdict[0] != verdict:
            self._verdict = verdict, now
        return now - self._verdict[1]

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def death(self) -> Death:
        """How it ended, with the end of its log."""
        status = self.process.returncode
        words = f"signal {-status} ({signal.strsignal(-status)})" if status < 0 else f"exit status {status}"
        words = f"{self._fault}, {words}" if self._fault else words
        tail = end_of(self.log)
        last = next((line.strip() for line in reversed(tail.splitlines()) if line.strip()), "")
        return Death(f"{words}: {last[:500]}" if last else words, tail, was_killed=status < 0)


def output_to(log: Path) -> IO[bytes]:
    """The log, opened for writing; the null device if that fails."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log.open("ab")
    except OSError:
        return open(os.devnull, "ab")


def end_of(log: Path) -> str:
    """The last lines of a log; empty if it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_SIZE))
            lines = deque(file.read(TAIL_SIZE).decode("utf-8", "replace").splitlines(), maxlen=TAIL_LINES)
    except OSError:
        return ""
    return "\n".join(lines).replace("\0", "")


def forget_old_logs(folder: Path, keep: int) -> None:
    """Delete logs that are older than KEEP_LOGS_DAYS, and all but the newest `keep` of each spider."""
    oldest = time() - KEEP_LOGS_DAYS * 86_400
    for spider in folder.glob("coincrawl/*/"):
        logs = sorted(spider.glob("*.log"), key=_changed_at, reverse=True)
        for place, log in enumerate(logs):
            if place >= keep or _changed_at(log) < oldest:
                with suppress(OSError):
                    log.unlink()


def _changed_at(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0
