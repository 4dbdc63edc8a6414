"""A job's process and its log."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import time

import pytest

from coincrawl.scrapyd.job import Job, end_of, forget_old_logs
from fake_api import FakeAPI
from tests.support.processes import PATIENCE, ROOT
from webapp.crawls import queue
from webapp.crawls.models import CrawlRun
from webapp.crawls.queue import Death

RunJob = Callable[[str], CrawlRun]


@pytest.fixture
def run_job(database_url: str, api: FakeAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunJob:
    """Start the job of a crawl of one page, and wait for its end."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("BASE_API_URL", api.url)

    def run(key: str) -> CrawlRun:
        queue.enqueue("markets", {"pages": "1"}, key)
        claimed = queue.claim("node")
        assert claimed
        message = {"_project": "coincrawl", "_spider": "markets", "_job": key, "pages": "1"}
        job = Job.start({**message, "settings": {"JOB_CLAIM": claimed.claim}}, "scrapy", tmp_path / "logs", ROOT)
        job.process.wait(PATIENCE)
        return CrawlRun.objects.get(pk=key)

    return run


def test_a_log_whose_folder_cannot_be_made_stops_no_crawl(run_job: RunJob, tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file, and no folder")

    run = run_job("key")

    assert run.verdict == "complete"
    assert "not all of the log could be written (Not a directory: " in run.messages
    assert "Crawling markets from" in run.log_tail


def test_a_log_on_a_full_disk_stops_no_crawl(run_job: RunJob, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "coincrawl" / "markets" / "full.log"
    log.parent.mkdir(parents=True)
    log.symlink_to("/dev/full")

    run = run_job("full")

    assert run.verdict == "complete"
    assert "not all of the log could be written (No space left on device: " in run.messages
    assert "Crawling markets from" in run.log_tail


def test_a_job_ends_with_a_reason_and_the_last_line_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("one\ntwo\n\n")
    with subprocess.Popen(["sleep", "600"]) as process:
        process.kill()
    job = Job("coincrawl", "markets", "key", claim="claim", log=tmp_path / "log", process=process)

    assert job.death() == Death("signal 9 (Killed): two", "one\ntwo\n", was_killed=True)


@pytest.mark.parametrize("status", [0, 1])
def test_a_job_that_ended_by_itself_was_not_killed(status: int, tmp_path: Path) -> None:
    with subprocess.Popen(["sh", "-c", f"exit {status}"]) as process:
        pass
    job = Job("coincrawl", "markets", "key", claim="claim", log=tmp_path / "none", process=process)

    assert job.death() == Death(f"exit status {status}", was_killed=False)


def test_the_end_of_a_log_is_its_last_200_lines_as_text(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(300)) + b"\xff\0end")

    lines = end_of(log).splitlines()

    assert (len(lines), lines[0], lines[-1]) == (200, "line 101", "\ufffdend")
    assert end_of(tmp_path / "none") == ""
    log.write_bytes(b"x" * 1_000_000)
    assert len(end_of(log)) == 100_000


def test_of_logs_the_newest_are_kept_for_a_month(tmp_path: Path) -> None:
    folder = tmp_path / "coincrawl" / "markets"
    folder.mkdir(parents=True)
    for name, days in {"new": 0, "week": 7, "fortnight": 14, "old": 31}.items():
        path = folder / f"{name}.log"
        path.touch()
        os.utime(path, (time() - days * 86_400,) * 2)
    (folder / "other.txt").touch()

    forget_old_logs(tmp_path, keep=3)
    after_a_month = {path.name for path in folder.iterdir()}
    forget_old_logs(tmp_path, keep=2)

    assert after_a_month == {"new.log", "week.log", "fortnight.log", "other.txt"}
    assert {path.name for path in folder.iterdir()} == {"new.log", "week.log", "other.txt"}
