"""Claimed jobs: who may begin one, and what becomes of it otherwise."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.jobs import DEATH, again, begin, claim, enqueue, jobs, let_pass
from tests.support.racing import at_once
from webapp.crawls import queue, recording
from webapp.crawls.models import CrawlRun
from webapp.crawls.queue import STOPPED_BEFORE, Death, JobError
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


# What may have become of a job ------------------------------------------------------------------


def begun(job: CrawlRun) -> None:
    begin(job)


def complete(job: CrawlRun) -> None:
    recording.finish(begin(job), Verdict.COMPLETE)


def stopped(job: CrawlRun) -> None:
    queue.stop(job.pk)


def claimed_anew(job: CrawlRun) -> None:
    let_pass(61)
    assert queue.claim("another node")


def settled(job: CrawlRun) -> None:
    queue.settle(job.claim, DEATH)


def nothing(job: CrawlRun) -> None:
    pass


# Who may begin it --------------------------------------------------------------------------------


def test_a_job_begins_with_its_claim_and_keeps_the_spiders_lock() -> None:
    job = claim()

    run = begin(job, log_file="/logs/job.log")

    assert (run.pk, run.verdict, run.node, run.log_file) == ("job", Verdict.RUNNING, "node", "/logs/job.log")
    assert run.started_at is not None
    assert recording.begin("markets", {}).verdict == Verdict.SKIPPED


def test_a_run_by_hand_is_skipped_where_a_job_is_about_to_begin() -> None:
    claim()

    run = recording.begin("markets", {})

    assert (run.verdict, run.reason) == (Verdict.SKIPPED, "another run of markets is about to begin")


@pytest.mark.parametrize(
    ("spider", "arguments", "key", "token", "sentence"),
    [
        ("markets", {"pages": 1}, "job", "", "The job job waits for another process to begin it."),
        ("markets", {"pages": 1}, "job", "another", "The job job waits for another process to begin it."),
        ("mirror", {"pages": 1}, "job", None, "The job job is a run of markets with other arguments"),
        ("markets", {"pages": 2}, "job", None, "The job job is a run of markets with other arguments"),
        ("markets", {}, "job", None, "The job job is a run of markets with other arguments"),
        ("markets", {"pages": 1}, "over", "", "There is a run with the key over already: choose another job id."),
    ],
    ids=["no claim", "claim", "spider", "argument", "arguments", "key"],
)
def test_a_job_is_begun_by_nobody_else_and_as_nothing_else(
    spider: str, arguments: dict[str, Any], key: str, token: str | None, sentence: str
) -> None:
    recording.finish(recording.begin("markets", {}, "over"), Verdict.COMPLETE)
    queue.enqueue("markets", {"pages": "1"}, "job")
    job = queue.claim("node")
    assert job

    with pytest.raises(JobError) as refused:
        recording.begin(spider, arguments, key, claim=job.claim if token is None else token)

    assert sentence in str(refused.value)
    assert jobs.get(pk="job").verdict == Verdict.PENDING
    assert jobs.get(pk="over").verdict == Verdict.COMPLETE


def test_a_default_that_the_spider_adds_is_no_other_argument() -> None:
    job = claim(spider="mirror")

    run = recording.begin("mirror", {"url": "https://coins.example/"}, job.pk, claim=job.claim)

    assert (run.verdict, run.arguments) == (Verdict.RUNNING, {"url": "https://coins.example/"})


@pytest.mark.parametrize("beginner", ["claimed anew", "not claimed anew"])
def test_a_claim_that_nobody_renews_goes_stale_and_its_process_may_not_begin(beginner: str) -> None:
    first = claim()
    let_pass(61)
    second = queue.claim("another node") if beginner == "claimed anew" else None

    with pytest.raises(JobError, match="waits for another process"):
        begin(first)

    if second:
        assert (second.pk, second.node) == ("job", "another node")
        assert begin(second).verdict == Verdict.RUNNING


def test_a_claim_that_is_renewed_holds() -> None:
    job = claim()
    let_pass(61)

    queue.renew([job.claim])

    assert queue.claim("another node") is None
    assert begin(job).verdict == Verdict.RUNNING


def test_a_claim_of_less_than_a_minute_holds() -> None:
    job = claim()
    let_pass(55)

    assert queue.claim("another node") is None
    assert begin(job).verdict == Verdict.RUNNING


def test_a_stale_claim_of_another_job_does_not_keep_a_run_by_hand_away() -> None:
    claim()
    let_pass(61)

    assert recording.begin("markets", {}).verdict == Verdict.RUNNING


@pytest.mark.django_db(transaction=True)
def test_of_a_job_and_runs_by_hand_that_begin_in_the_same_moment_the_job_has_the_lock() -> None:
    job = claim()

    runs = at_once(lambda: begin(job), *[lambda: recording.begin("markets", {})] * 4)

    assert [run.verdict for run in runs] == [Verdict.RUNNING, *[Verdict.SKIPPED] * 4]


@pytest.mark.parametrize("other", [begun, complete, settled, claimed_anew])
def test_a_process_whose_job_is_taken_just_before_it_begins_does_not_begin(
    other: Callable[[CrawlRun], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, look = claim(), recording._job

    def look_and_lose(*args: Any) -> CrawlRun | None:
        found = look(*args)
        monkeypatch.undo()
        other(job)
        return found

    monkeypatch.setattr(recording, "_job", look_and_lose)

    with pytest.raises(JobError, match="The job job has gone to another process"):
        begin(job)

    assert jobs.count() == 1
    assert again(job).verdict != Verdict.RUNNING or other is begun


def test_a_job_that_is_given_back_waits_again_and_one_that_has_begun_is_not() -> None:
    waits, runs = claim("waits"), claim("runs", spider="mirror")
    begin(runs)

    for job in (waits, runs):
        queue.release(job.claim)

    assert [job.pk for job in queue.waiting()] == ["waits"]
    assert again(runs).verdict == Verdict.RUNNING


# What becomes of it otherwise --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "verdict", "reason", "log_tail"),
    [
        (nothing, Verdict.FAILED, "the crawl could not begin: signal 9 (Killed)", "the last line"),
        (stopped, Verdict.SKIPPED, STOPPED_BEFORE, "the last line"),
        (begun, Verdict.LOST, "its process ended before the run was over: signal 9 (Killed)", "the last line"),
        (complete, Verdict.COMPLETE, "", ""),
        (claimed_anew, Verdict.PENDING, "", ""),
    ],
)
def test_a_process_that_ends_is_settled_by_what_its_job_is_by_then(
    before: Callable[[CrawlRun], None], verdict: str, reason: str, log_tail: str
) -> None:
    job = claim()
    before(job)

    queue.settle(job.claim, DEATH)

    run = again(job)
    assert (run.verdict, run.reason, run.log_tail) == (verdict, reason, log_tail)
    assert (run.finished_at is None) == (verdict == Verdict.PENDING)


@pytest.mark.parametrize(
    ("before", "verdict"), [(nothing, Verdict.LOST), (stopped, Verdict.SKIPPED), (begun, Verdict.LOST)]
)
def test_a_process_that_is_killed_has_not_failed(before: Callable[[CrawlRun], None], verdict: str) -> None:
    job = claim()
    before(job)

    queue.settle(job.claim, Death("signal 9 (Killed)", was_killed=True))

    assert again(job).verdict == verdict
    assert recording.begin("markets", {}).verdict == Verdict.RUNNING


def test_what_a_dying_process_has_kept_of_its_log_is_not_replaced_by_nothing() -> None:
    job = claim()
    recording.heartbeat(begin(job), log_tail="its own")

    queue.settle(job.claim, Death("exit status 1"))

    assert again(job).log_tail == "its own"


def test_settling_one_job_leaves_others_alone() -> None:
    first, second = claim("first"), claim("second", spider="mirror")
    begin(second)

    queue.settle(first.claim, DEATH)

    assert again(second).verdict == Verdict.RUNNING


@pytest.mark.parametrize(
    ("before", "answer", "verdict", "is_to_stop"),
    [
        (None, "pending", Verdict.SKIPPED, True),
        (nothing, "pending", Verdict.PENDING, True),
        (begun, "running", Verdict.RUNNING, True),
        (complete, "complete", Verdict.COMPLETE, False),
    ],
    ids=["waits", "claimed", "under way", "over"],
)
def test_a_job_is_stopped_at_once_where_it_waits_and_asked_to_stop_where_a_process_has_it(
    before: Callable[[CrawlRun], None] | None, answer: str, verdict: str, is_to_stop: bool
) -> None:
    job = claim() if before else enqueue()
    if before:
        before(job)

    assert queue.stop("job") == answer

    run = again(job)
    assert (run.verdict, run.stop_requested_at is not None) == (verdict, is_to_stop)
    assert (run.finished_at is not None) == (verdict in (Verdict.SKIPPED, Verdict.COMPLETE))
    if verdict == Verdict.SKIPPED:
        assert run.reason == STOPPED_BEFORE


def test_stopping_what_there_is_not_says_so() -> None:
    assert queue.stop("nobody") == ""


def test_to_ask_twice_to_stop_does_not_ask_later() -> None:
    job = claim()
    queue.stop("job")
    first = again(job).stop_requested_at

    queue.stop("job")

    assert again(job).stop_requested_at == first


def test_a_job_that_was_stopped_before_its_process_could_begin_it_is_skipped() -> None:
    job = claim()
    queue.stop("job")

    run = begin(job)

    assert (run.verdict, run.reason) == (Verdict.SKIPPED, STOPPED_BEFORE)


@pytest.mark.django_db(transaction=True)
def test_a_job_that_is_stopped_while_it_is_claimed_never_runs() -> None:
    enqueue()

    at_once(lambda: queue.stop("job"), lambda: queue.claim("node"))

    job = jobs.get()
    run = begin(job) if job.claim else job
    assert (run.verdict, run.reason) == (Verdict.SKIPPED, STOPPED_BEFORE)
