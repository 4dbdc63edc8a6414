"""scrapyd's launcher by itself: what it records of its processes, and when it kills them."""

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from scrapyd.config import Config
from scrapyd.interfaces import IPoller
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.components import Componentized

from coincrawl.scrapyd.job import Job
from coincrawl.scrapyd.launcher import Launcher
from coincrawl.scrapyd.queue import RunQueue
from tests.support.processes import PATIENCE
from webapp.crawls import queue
from webapp.crawls.models import CrawlRun
from webapp.crawls.verdict import Verdict

pytestmark = pytest.mark.django_db

Clock = dict[str, float]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = {"now": 1_000.0}
    monkeypatch.setattr("coincrawl.scrapyd.launcher.monotonic", lambda: clock["now"])
    return clock


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch, clock: Clock, tmp_path: Path) -> Launcher:
    """One that runs and has room for no more, with the database at once in place of in its thread."""
    monkeypatch.setattr("coincrawl.scrapyd.database.later", maybeDeferred)
    app = Componentized()
    app.setComponent(IPoller, Mock(next=Mock(wraps=Deferred)))
    launcher = Launcher(Config({"runner": "scrapy", "logs_dir": str(tmp_path), "max_proc": "1"}), app)
    launcher.running = 1
    return launcher


@pytest.fixture
def job(launcher: Launcher, tmp_path: Path) -> Iterator[Job]:
    """The launcher's: a process that does not end by itself."""
    with subprocess.Popen(["sleep", "600"]) as process:
        job = Job("coincrawl", "markets", "key", claim="claim", log=tmp_path / "log", process=process)
        launcher.processes[0] = job
        yield job
        process.kill()


def make_job(**values: Any) -> CrawlRun:
    """The run of a pending job that the launcher has claimed."""
    return CrawlRun.objects.create(**({"id": "key", "spider": "markets", "claim": "claim"} | values))


def run() -> CrawlRun:
    return CrawlRun.objects.get(pk="key")


def asked(launcher: Launcher) -> int:
    """How many times the launcher has asked for a job."""
    return launcher._poller.next.call_count


def end(job: Job) -> None:
    job.process.kill()
    job.process.wait(PATIENCE)


def test_a_claim_is_kept_fresh_until_its_crawl_has_begun(launcher: Launcher, job: Job) -> None:
    make_job(claimed_at=datetime.now(UTC) - timedelta(seconds=59))

    launcher._check()

    claimed_at = run().claimed_at
    assert claimed_at is not None
    assert datetime.now(UTC) - claimed_at < timedelta(seconds=30)


@pytest.mark.parametrize(
    ("values", "patience"),
    [
        pytest.param({"verdict": "pending"}, 300, id="before its run has begun"),
        pytest.param({"verdict": "complete"}, 60, id="when its run is over"),
        pytest.param({"claim": "another's"}, 60, id="when another process has its job"),
        pytest.param(
            {"verdict": "running", "heartbeat_at": datetime(2026, 1, 1, tzinfo=UTC)}, 60, id="without a heartbeat"
        ),
    ],
)
def test_a_process_that_hangs_does_not_keep_its_place(
    launcher: Launcher, job: Job, clock: Clock, values: dict[str, Any], patience: float
) -> None:
    make_job(**values)

    for seconds in (0, patience - 1):
        clock["now"] = 1_000 + seconds
        launcher._check()
        assert not job.has_ended()
    clock["now"] = 1_000 + patience + 6
    launcher._check()

    assert job.process.wait(PATIENCE) == -9
    launcher._check()
    assert launcher.processes == {}


def test_a_process_whose_run_goes_on_is_left_alone(launcher: Launcher, job: Job, clock: Clock) -> None:
    make_job(verdict=Verdict.RUNNING, heartbeat_at=datetime.now(UTC))

    for clock["now"] in (1_000, 100_000):
        launcher._check()

    assert not job.has_ended()


def test_hanging_processes_are_found_before_anything_is_written(launcher: Launcher, job: Job) -> None:
    make_job(verdict=Verdict.RUNNING, heartbeat_at=datetime(2026, 1, 1, tzinfo=UTC))

    with CaptureQueriesContext(connection) as queries:
        verdicts = launcher._verdicts()

    assert verdicts == {"claim": "lost"}
    assert not any("UPDATE" in query["sql"] for query in queries)


def failing(*errors: Exception) -> tuple[Callable[[], None], list[str]]:
    """A function that raises each of the errors and then succeeds, and the list of what it did."""
    left, did = list(errors), list[str]()

    def write() -> None:
        did.append("tried")
        if left:
            raise left.pop(0)
        did.append("written")

    return write, did


def test_what_cannot_be_recorded_now_is_recorded_later(launcher: Launcher) -> None:
    write, did = failing(OperationalError("locked"), OperationalError("away"))
    launcher._record(write)

    for _ in range(4):
        launcher._check()

    assert did == ["tried", "tried", "tried", "written"]


def test_what_can_never_be_recorded_does_not_keep_the_rest_from_it(launcher: Launcher) -> None:
    launcher._record(failing(*[ValueError("odd")] * 9)[0])
    write, did = failing()
    launcher._record(write)

    for _ in range(2):
        launcher._check()

    assert did == ["tried", "written"]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [({"verdict": "pending"}, "lost"), ({"verdict": "running"}, "lost"), ({"verdict": "complete"}, "complete")],
    ids=lambda value: value["verdict"] if isinstance(value, dict) else "",
)
def test_a_process_that_was_killed_leaves_a_run_that_is_lost_unless_it_was_over(
    launcher: Launcher, job: Job, values: dict[str, Any], verdict: str
) -> None:
    make_job(**values)
    end(job)

    launcher._check()

    assert run().verdict == verdict
    assert launcher.processes == {}


@pytest.mark.parametrize(
    ("verdict", "then", "claim"), [("pending", "pending", ""), ("running", "lost", "claim")], ids=["unbegun", "begun"]
)
def test_a_job_that_has_not_begun_goes_back_into_the_queue_where_scrapyd_stops(
    launcher: Launcher, job: Job, verdict: str, then: str, claim: str
) -> None:
    make_job(verdict=verdict, node="here")
    launcher.running = 0
    end(job)

    launcher._check()

    assert (run().verdict, run().claim) == (then, claim)


def test_a_job_that_comes_while_scrapyd_stops_goes_back_into_the_queue(launcher: Launcher) -> None:
    make_job()
    launcher.running = 0

    launcher._start({"_job": "key", "settings": {"JOB_CLAIM": "claim"}}, 0)
    launcher._check()

    assert (run().verdict, run().claim, launcher.processes) == ("pending", "", {})


def test_a_process_that_ends_before_its_run_has_begun_has_failed(launcher: Launcher, job: Job) -> None:
    make_job()
    job.log.write_text("Usage\n")
    job.process = subprocess.Popen(["false"])
    job.process.wait(PATIENCE)

    launcher._check()

    assert (run().verdict, run().reason) == ("failed", "the crawl could not begin: exit status 1: Usage")
    assert launcher.processes == {}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"_job": "../../odd"}, "could not be started (its id or its spider's name cannot be part of a file's name)"),
        ({"_spider": "../odd"}, "could not be started (its id or its spider's name cannot be part of a file's name)"),
        ({"url": "x" * 200_000}, "could not be started ([Errno 7] Argument list too long"),
    ],
    ids=["odd key", "odd spider", "too long"],
)
def test_a_job_that_cannot_be_started_fails_with_the_reason_and_its_slot_is_free(
    message: dict[str, str], reason: str, launcher: Launcher, tmp_path: Path
) -> None:
    make_job()
    usual = {"_project": "coincrawl", "_spider": "markets", "_job": "key", "settings": {"JOB_CLAIM": "claim"}}

    launcher._start({**usual, **message}, 0)
    launcher._check()

    assert (run().verdict, reason in run().reason) == ("failed", True)
    assert (launcher.processes, asked(launcher)) == ({}, 1)
    assert not list(tmp_path.parent.rglob("odd.log"))


def test_a_run_that_has_begun_is_not_given_back() -> None:
    make_job(verdict=Verdict.RUNNING)

    queue.release("claim")

    assert run().claim == "claim"


def test_an_unreadable_row_fails_and_the_next_job_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coincrawl.scrapyd.database.later", maybeDeferred)
    monkeypatch.setattr("coincrawl.scrapyd.database.now", lambda function: function())
    make_job(claim="", arguments=["odd"], priority=1)
    good = make_job(id="good", claim="", arguments={"pages": 1, "name": "odd"})
    queue, jobs = RunQueue(Config({"node_name": "here"}), "coincrawl"), list[Any]()

    listed = queue.list()
    queue.pop().addCallback(jobs.append)

    assert [job["_job"] for job in listed] == [job["_job"] for job in jobs] == [good.pk]
    assert jobs[0]["name"] == "markets"
    assert (run().verdict, run().reason.partition(" (")[0]) == (
        "failed",
        "the crawl could not begin: its arguments or settings cannot be read",
    )
