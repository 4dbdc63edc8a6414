"""scrapyd's launcher by itself: what it tells the database of its processes, and when it ends them."""

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from scrapyd.config import Config
from scrapyd.jobstorage import MemoryJobStorage
from twisted.internet.defer import Deferred, maybeDeferred

from coincrawl.scrapyd.job import Job, end_of
from coincrawl.scrapyd.launcher import Launcher
from coincrawl.scrapyd.queue import RunQueue
from tests.conftest import PATIENCE
from webapp.crawls import queue
from webapp.crawls.models import CrawlRun, Verdict
from webapp.crawls.queue import Death

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
    storage = MemoryJobStorage(Config({}))
    parts = {"IJobStorage": storage, "IPoller": SimpleNamespace(next=Deferred)}
    app: Any = SimpleNamespace(getComponent=lambda kind: parts[kind.__name__])
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


def make_run(**values: Any) -> CrawlRun:
    return CrawlRun.objects.create(**({"id": "key", "spider": "markets", "claim": "claim"} | values))


def run() -> CrawlRun:
    return CrawlRun.objects.get(pk="key")


def end(job: Job) -> None:
    job.process.kill()
    job.process.wait(PATIENCE)


def test_a_claim_is_kept_fresh_until_its_crawl_has_begun(launcher: Launcher, job: Job) -> None:
    make_run(claimed_at=datetime.now(UTC) - timedelta(seconds=59))

    launcher._look_once()

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
            {"verdict": "running", "heartbeat_at": datetime(2026, 1, 1, tzinfo=UTC)}, 60, id="without a sign of life"
        ),
    ],
)
def test_a_process_that_hangs_does_not_keep_its_place(
    launcher: Launcher, job: Job, clock: Clock, values: dict[str, Any], patience: float
) -> None:
    make_run(**values)

    for seconds in (0, patience - 1):
        clock["now"] = 1_000 + seconds
        launcher._look_once()
        assert not job.has_ended()
    clock["now"] = 1_000 + patience + 6
    launcher._look_once()

    assert job.process.wait(PATIENCE) == -9
    launcher._look_once()
    assert launcher.processes == {}


def test_a_process_whose_run_goes_on_is_left_alone(launcher: Launcher, job: Job, clock: Clock) -> None:
    make_run(verdict=Verdict.RUNNING, heartbeat_at=datetime.now(UTC))

    for clock["now"] in (1_000, 100_000):
        launcher._look_once()

    assert not job.has_ended()


def test_what_hangs_is_looked_for_before_anything_is_written(launcher: Launcher, job: Job) -> None:
    make_run(verdict=Verdict.RUNNING, heartbeat_at=datetime(2026, 1, 1, tzinfo=UTC))

    with CaptureQueriesContext(connection) as queries:
        verdicts = launcher._verdicts()

    assert verdicts == {"claim": "lost"}
    assert not any("UPDATE" in query["sql"] for query in queries)


def failing(*errors: Exception) -> tuple[Callable[[], None], list[str]]:
    """A function that raises each of the errors and then succeeds, and what it has come to."""
    left, said = list(errors), list[str]()

    def tell() -> None:
        said.append("asked")
        if left:
            raise left.pop(0)
        said.append("told")

    return tell, said


def test_what_the_database_cannot_be_told_now_is_told_later(launcher: Launcher) -> None:
    tell, said = failing(OperationalError("locked"), OperationalError("away"))
    launcher._tell(tell)

    for _ in range(4):
        launcher._look_once()

    assert said == ["asked", "asked", "asked", "told"]


def test_what_can_never_be_told_does_not_keep_the_rest_from_it(launcher: Launcher) -> None:
    launcher._tell(failing(*[ValueError("odd")] * 9)[0])
    tell, said = failing()
    launcher._tell(tell)

    for _ in range(2):
        launcher._look_once()

    assert said == ["asked", "told"]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [({"verdict": "pending"}, "lost"), ({"verdict": "running"}, "lost"), ({"verdict": "complete"}, "complete")],
    ids=lambda value: value["verdict"] if isinstance(value, dict) else "",
)
def test_a_process_that_was_killed_leaves_a_run_that_is_lost_unless_it_was_over(
    launcher: Launcher, job: Job, values: dict[str, Any], verdict: str
) -> None:
    make_run(**values)
    end(job)

    launcher._look_once()

    assert run().verdict == verdict
    assert launcher.processes == {}


@pytest.mark.parametrize(
    ("verdict", "then", "claim"), [("pending", "pending", ""), ("running", "lost", "claim")], ids=["unbegun", "begun"]
)
def test_a_job_that_has_not_begun_goes_back_into_the_queue_where_scrapyd_stops(
    launcher: Launcher, job: Job, verdict: str, then: str, claim: str
) -> None:
    make_run(verdict=verdict, node="here")
    launcher.running = 0
    end(job)

    launcher._look_once()

    assert (run().verdict, run().claim) == (then, claim)


def test_a_job_that_comes_while_scrapyd_stops_goes_back_into_the_queue(launcher: Launcher) -> None:
    make_run()
    launcher.running = 0

    launcher._start({"_job": "key", "settings": {"JOB_CLAIM": "claim"}}, 0)
    launcher._look_once()

    assert (run().verdict, run().claim, launcher.processes) == ("pending", "", {})


def test_to_give_a_job_back_leaves_a_run_that_has_begun_alone() -> None:
    make_run(verdict=Verdict.RUNNING)

    queue.release("claim")

    assert run().claim == "claim"


def test_the_end_of_a_log_is_its_last_200_lines_as_text(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(300)) + b"\xff\0end")

    lines = end_of(log).splitlines()

    assert (len(lines), lines[0], lines[-1]) == (200, "line 101", "\ufffdend")
    assert end_of(tmp_path / "none") == ""
    log.write_bytes(b"x" * 1_000_000)
    assert len(end_of(log)) == 100_000


def test_a_row_that_nobody_can_read_fails_and_lets_the_next_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coincrawl.scrapyd.database.later", maybeDeferred)
    monkeypatch.setattr("coincrawl.scrapyd.database.now", lambda function: function())
    make_run(claim="", arguments=["odd"], priority=1)
    good = make_run(id="good", claim="", arguments={"pages": 1, "name": "odd"})
    queue, jobs = RunQueue(Config({"node_name": "here"}), "coincrawl"), list[Any]()

    listed = queue.list()
    queue.pop().addCallback(jobs.append)

    assert [job["_job"] for job in listed] == [job["_job"] for job in jobs] == [good.pk]
    assert jobs[0]["name"] == "markets"
    assert (run().verdict, run().reason.partition(" (")[0]) == (
        "failed",
        "the crawl could not begin: its arguments or settings cannot be read",
    )


def test_why_a_job_ended_is_said_with_the_last_line_of_its_log(job: Job) -> None:
    job.log.write_text("one\ntwo\n\n")
    end(job)

    assert job.death() == Death("signal 9 (Killed): two", "one\ntwo\n", was_killed=True)
