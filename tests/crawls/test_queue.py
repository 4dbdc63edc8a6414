"""The queue: which jobs are taken, which goes next, who may begin it, and what becomes of it otherwise."""

import math
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from tests.support.racing import at_once, meanwhile, wait_until_somebody_waits_for_a_lock
from webapp.crawls import queue, recording
from webapp.crawls.catalog import ArgumentError
from webapp.crawls.models import CrawlRun, CrawlSchedule, Verdict
from webapp.crawls.queue import STOPPED_BEFORE, Death, JobError

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

jobs = CrawlRun.objects
DEATH = Death("signal 9 (Killed)", "the last line")


def enqueue(key: str = "job", spider: str = "markets", **values: Any) -> CrawlRun:
    return queue.enqueue(spider, {}, key, **values)


def claim(key: str = "job", **values: Any) -> CrawlRun:
    """A job that a node has claimed."""
    enqueue(key, **values)
    claimed = queue.claim("node")
    assert claimed
    return claimed


def begin(job: CrawlRun, **values: Any) -> CrawlRun:
    return recording.begin(job.spider, job.arguments, job.pk, claim=job.claim, **values)


def let_pass(seconds: float) -> None:
    """For the claims."""
    jobs.exclude(claimed_at=None).update(claimed_at=Now() - timedelta(seconds=seconds))


def again(run: CrawlRun) -> CrawlRun:
    return jobs.get(pk=run.pk)


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


# What is taken -----------------------------------------------------------------------------------


def test_a_job_is_a_run_that_has_not_begun() -> None:
    job = again(queue.enqueue("markets", {"pages": "1"}, "a-job", settings={"LOG_LEVEL": "DEBUG"}, priority=2.5))

    assert (job.pk, job.verdict, job.arguments, job.settings) == (
        "a-job",
        "pending",
        {"pages": 1},
        {"LOG_LEVEL": "DEBUG"},
    )
    assert (job.priority, job.claim, job.node, job.started_at, job.finished_at) == (2.5, "", "", None, None)


@pytest.mark.parametrize(
    ("spider", "given", "settings", "priority", "sentence"),
    [
        ("market", {}, {}, 0, "There is no spider 'market' in the catalog."),
        ("markets", {"pagez": "1"}, {}, 0, "markets has no argument 'pagez'."),
        ("markets", {"pages": "0"}, {}, 0, "pages=0 is not valid"),
        ("markets", {"ids": "x," * 50_000 + "x"}, {}, 0, "ids is too long: 100,000 bytes are the most."),
        ("markets", {}, {"ITEM_PIPELINES": "{}"}, 0, "A job cannot set 'ITEM_PIPELINES'."),
        ("markets", {}, {"LOG_LEVEL": "LOUD"}, 0, "LOG_LEVEL=LOUD is not valid"),
        ("markets", {}, {}, math.nan, "A priority is a finite number"),
        ("markets", {}, {}, math.inf, "A priority is a finite number"),
    ],
    ids=["spider", "argument", "value", "long", "setting", "setting's value", "NaN", "infinite"],
)
def test_what_cannot_run_is_refused_with_a_sentence_and_not_stored(
    spider: str, given: dict[str, str], settings: dict[str, str], priority: float, sentence: str
) -> None:
    with pytest.raises((ArgumentError, JobError)) as refused:
        queue.enqueue(spider, given, settings=settings, priority=priority)

    assert sentence in str(refused.value)
    assert not jobs.exists()


def test_a_job_without_a_source_is_refused_as_the_crawl_would_be(settings: Any) -> None:
    settings.MIRROR_URL = ""

    with pytest.raises(ArgumentError, match=r"mirror needs -a url=\.\.\., or MIRROR_URL in the environment"):
        enqueue(spider="mirror")
    queue.enqueue("mirror", {"url": "https://coins.example/api/coins/"})
    settings.API_TOKEN = True
    with pytest.raises(ArgumentError, match="API_TOKEN is sent to the address in MIRROR_URL alone"):
        queue.enqueue("mirror", {"url": "https://coins.example/api/coins/"})

    assert jobs.count() == 1


@pytest.mark.parametrize("key", ["", ".", "..", ".job", "../job", "a/b", "a\\b", "a b", "a\n", "\x00", "é", "x" * 201])
def test_a_key_that_could_be_no_files_name_is_refused(key: str) -> None:
    with pytest.raises(JobError, match="A job id has letters, digits"):
        enqueue(key)

    assert not jobs.exists()


@pytest.mark.parametrize("key", ["x" * 200, "a.b-c_d", "-1"])
def test_any_other_key_is_taken(key: str) -> None:
    assert enqueue(key).pk == key


def test_a_key_serves_once() -> None:
    enqueue("job")

    with pytest.raises(JobError, match="There is a job job already: an id serves once"):
        enqueue("job", "mirror")

    assert jobs.get().spider == "markets"


# Which is next -----------------------------------------------------------------------------------


def test_the_highest_priority_goes_first_and_of_one_the_oldest() -> None:
    for key, priority in [("late", 0), ("low", -1), ("old", 0), ("high", 0.5)]:
        enqueue(key, priority=priority)
    jobs.filter(pk="old").update(queued_at=Now() - timedelta(minutes=1))

    order = []
    while job := queue.claim("node"):
        order.append(job.pk)
        queue.settle(job.claim, DEATH)

    assert order == ["high", "old", "late", "low"]


def test_a_claimed_job_says_by_whom() -> None:
    job = claim()

    assert (job.verdict, job.node, len(job.claim)) == (Verdict.PENDING, "node", 32)
    assert not queue.waiting().exists()


def under_way(spider: str) -> None:
    assert recording.begin(spider, {}).verdict == Verdict.RUNNING


def about_to_begin(spider: str) -> None:
    assert claim(spider=spider, key="first")


@pytest.mark.parametrize("busy", [under_way, about_to_begin])
def test_a_job_of_a_busy_spider_waits_and_another_spiders_goes_first(busy: Callable[[str], None]) -> None:
    busy("markets")
    enqueue("waits", priority=9)
    enqueue("goes", "mirror")

    claimed = [queue.claim("node"), queue.claim("node")]

    assert [job and job.pk for job in claimed] == ["goes", None]


@pytest.mark.parametrize("busy", [None, under_way, about_to_begin])
def test_where_no_job_can_be_claimed_nothing_is_written(busy: Callable[[str], None] | None) -> None:
    if busy:
        busy("markets")
        enqueue("waits")

    with CaptureQueriesContext(connection) as queries:
        assert queue.claim("node") is None

    assert [query["sql"].split()[0] for query in queries] == ["SELECT"]


@pytest.mark.django_db(transaction=True)
def test_of_nodes_that_claim_in_the_same_moment_each_gets_another_job_and_one_of_a_spider() -> None:
    for number in range(6):
        enqueue(f"job-{number}", ("markets", "mirror")[number % 2])
    claimed: list[str] = []

    while len(claimed) < 6:
        got = [job for job in at_once(*[lambda: queue.claim("node")] * 6) if job]
        assert got
        assert len({job.spider for job in got}) == len(got)
        assert len({job.pk for job in got} - set(claimed)) == len(got)
        claimed += [job.pk for job in got]
        for job in got:
            queue.settle(job.claim, DEATH)

    assert jobs.filter(verdict=Verdict.FAILED).count() == 6


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
        ("markets", {"pages": 1}, "over", "", "There is a run with the key over already: a job id serves once."),
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
        (begun, Verdict.LOST, "its process ended before it had: signal 9 (Killed)", "the last line"),
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


# PostgreSQL's locks ------------------------------------------------------------------------------


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_run_that_hangs_while_it_writes_makes_nobody_hang_with_it() -> None:
    run = recording.begin("markets", {})
    jobs.update(heartbeat_at=Now() - timedelta(seconds=181))

    with transaction.atomic():
        jobs.select_for_update().get()
        at_once(queue.mark_silent_lost)

    assert again(run).verdict == Verdict.RUNNING
    queue.mark_silent_lost()
    assert again(run).verdict == Verdict.LOST


@pytest.mark.postgresql
def test_nor_does_it_keep_its_locks_for_ever() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")

        assert cursor.fetchone() == ("1min",)


def fail_unheard() -> None:
    recording.finish(jobs.get(), Verdict.FAILED, heard=False)


def settle() -> None:
    queue.settle("claim", DEATH)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("before", "come_to_nothing", "verdict"),
    [
        (Verdict.RUNNING, queue.mark_silent_lost, Verdict.LOST),
        (Verdict.RUNNING, settle, Verdict.LOST),
        (Verdict.PENDING, settle, Verdict.FAILED),
        (Verdict.RUNNING, fail_unheard, Verdict.FAILED),
    ],
)
def test_who_has_a_slot_fall_due_once_more_waits_for_the_beat_before_he_locks_the_run(
    before: str, come_to_nothing: Callable[[], None], verdict: str
) -> None:
    schedule = CrawlSchedule.objects.create(
        name="one", spider="markets", crontab="0 * * * *", next_run_at=Now() + timedelta(hours=1)
    )
    run = jobs.create(spider="markets", verdict=before, schedule=schedule, slot=Now(), claim="claim")
    jobs.update(heartbeat_at=Now() - timedelta(seconds=181))

    with ExitStack() as stack, transaction.atomic():
        CrawlSchedule.objects.select_for_update().get()  # as the beat does
        stack.enter_context(meanwhile(come_to_nothing))
        wait_until_somebody_waits_for_a_lock()
        jobs.select_for_update(nowait=True).get()  # as the beat may: it is not locked

    assert again(run).verdict == verdict
