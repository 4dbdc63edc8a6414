"""The queue: which jobs are taken, and which goes next."""

import math
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from tests.support.jobs import DEATH, again, claim, enqueue, jobs
from tests.support.racing import at_once, meanwhile, wait_until_somebody_waits_for_a_lock
from webapp.crawls import queue, recording
from webapp.crawls.catalog import ArgumentError
from webapp.crawls.models import CrawlSchedule
from webapp.crawls.queue import JobError
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


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
        ("market", {}, {}, 0, "There is no spider 'market'."),
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
def test_what_cannot_run_is_rejected_with_a_sentence_and_not_stored(
    spider: str, given: dict[str, str], settings: dict[str, str], priority: float, sentence: str
) -> None:
    with pytest.raises((ArgumentError, JobError)) as refused:
        queue.enqueue(spider, given, settings=settings, priority=priority)

    assert sentence in str(refused.value)
    assert not jobs.exists()


def test_a_job_without_a_source_is_rejected_as_the_crawl_would_be(settings: Any) -> None:
    settings.MIRROR_URL = ""

    with pytest.raises(ArgumentError, match=r"mirror needs -a url=\.\.\., or MIRROR_URL in the environment"):
        enqueue(spider="mirror")
    queue.enqueue("mirror", {"url": "https://coins.example/api/coins/"})
    settings.API_TOKEN = True
    with pytest.raises(ArgumentError, match="API_TOKEN is sent to the address in MIRROR_URL alone"):
        queue.enqueue("mirror", {"url": "https://coins.example/api/coins/"})

    assert jobs.count() == 1


@pytest.mark.parametrize("key", ["", ".", "..", ".job", "../job", "a/b", "a\\b", "a b", "a\n", "\x00", "é", "x" * 201])
def test_a_key_that_cannot_be_a_files_name_is_rejected(key: str) -> None:
    with pytest.raises(JobError, match="A job id has letters, digits"):
        enqueue(key)

    assert not jobs.exists()


@pytest.mark.parametrize("key", ["x" * 200, "a.b-c_d", "-1"])
def test_any_other_key_is_taken(key: str) -> None:
    assert enqueue(key).pk == key


def test_a_key_serves_once() -> None:
    enqueue("job")

    with pytest.raises(JobError, match="There is a job job already: choose another id"):
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


# PostgreSQL's locks ------------------------------------------------------------------------------


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_run_that_hangs_while_it_writes_does_not_make_others_hang() -> None:
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


def fail_without_an_answer() -> None:
    recording.finish(jobs.get(), Verdict.FAILED, has_answered=False)


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
        (Verdict.RUNNING, fail_without_an_answer, Verdict.FAILED),
    ],
)
def test_retrying_a_slot_waits_for_the_tick_before_it_locks_the_run(
    before: str, come_to_nothing: Callable[[], None], verdict: str
) -> None:
    schedule = CrawlSchedule.objects.create(
        name="one", spider="markets", crontab="0 * * * *", next_run_at=Now() + timedelta(hours=1)
    )
    run = jobs.create(spider="markets", verdict=before, schedule=schedule, slot=Now(), claim="claim")
    jobs.update(heartbeat_at=Now() - timedelta(seconds=181))

    with ExitStack() as stack, transaction.atomic():
        CrawlSchedule.objects.select_for_update().get()  # as the tick does
        stack.enter_context(meanwhile(come_to_nothing))
        wait_until_somebody_waits_for_a_lock()
        jobs.select_for_update(nowait=True).get()  # as the tick may: it is not locked

    assert again(run).verdict == verdict
