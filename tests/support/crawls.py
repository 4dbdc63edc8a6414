"""`scrapy crawl` as a user runs it, and the run that it leaves."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from time import monotonic
from typing import IO, Any

from fake_api import FakeAPI, LinkedAPI
from tests.support.preloaded import Program
from tests.support.processes import PATIENCE, ROOT, preloaded
from webapp.crawls.models import CrawlRun

Api = FakeAPI | LinkedAPI | str  # where it is a str, its address
Crawl = Callable[..., subprocess.CompletedProcess[str]]
Crawling = Callable[..., AbstractContextManager["Process"]]

SOURCES = {"markets": "BASE_API_URL", "history": "BASE_API_URL", "mirror": "MIRROR_URL"}  # the variables that name them
SOON = 10  # seconds in which a crawl ends that is stopped
COUNTS = ("seen", "created", "updated", "unchanged", "stale", "duplicates", "rejected")


def crawl_command(
    api: Api, database_url: str, *arguments: str, spider: str = "markets", **environment: str
) -> dict[str, Any]:
    """`scrapy crawl ...` against an API or what is at a URL, for subprocess.run and subprocess.Popen."""
    url = api if isinstance(api, str) else api.url
    return {
        "args": [sys.executable, "-m", "scrapy", "crawl", spider, *arguments],
        "cwd": ROOT,
        "env": os.environ | {SOURCES[spider]: url, "DATABASE_URL": database_url} | environment,
    }


def run_crawl(
    api: Api, database_url: str, *arguments: str, spider: str = "markets", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `scrapy crawl ...` to its end, in a process that is forked."""
    command = crawl_command(api, database_url, *arguments, spider=spider, **environment)
    return preloaded().run(command["args"][1:], command["cwd"], command["env"], PATIENCE)


class Process:
    """A crawl under way. `log` has the lines of its stderr that were read so far."""

    def __init__(self, program: Program, stderr: IO[str]) -> None:
        self._program, self._stderr = program, stderr
        self.pid, self.poll, self.send_signal, self.kill = program.pid, program.poll, program.send_signal, program.kill
        self.log: list[str] = []

    @property
    def returncode(self) -> int | None:
        return self._program.returncode

    def wait(self) -> int:
        return self._program.wait(PATIENCE)

    def read_until(self, words: str) -> None:
        """Return when a line of the log has these words in it; AssertionError where there is none."""
        for line in self._stderr:
            self.log.append(line)
            if words in line:
                return
        raise AssertionError(f"{words!r} is not in the log:\n{''.join(self.log)}")

    def end(self) -> list[str]:
        """Wait for the end; all lines of the log."""
        self.log += self._stderr.readlines()
        self.wait()
        return self.log


def stop(process: Process, number: signal.Signals = signal.SIGTERM) -> float:
    """The seconds that the process takes to end after a signal."""
    process.send_signal(number)
    sent = monotonic()
    process.end()
    return monotonic() - sent


def last_run() -> CrawlRun:
    return CrawlRun.objects.order_by("-started_at")[0]


def outcome(run: CrawlRun) -> dict[str, int]:
    """What became of the records, without the zeros."""
    return {name: getattr(run, name) for name in COUNTS if getattr(run, name)}
