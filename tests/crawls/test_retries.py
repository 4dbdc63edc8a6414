"""Slots that are due once more, because their run failed before its source answered."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from tests.support.slots import (
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    end,
    next_of,
    runs,
    schedule,
    schedules,
    seen,
    tick,
)
from webapp.coins.clock import database_clock
from webapp.crawls import queue, recording, ticker
from webapp.crawls.models import CrawlSchedule
from webapp.crawls.queue import Death
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


# Runs without an answer -----------------------------------------------------------------------


def in_an_hour(crontab: str = "0 0 1 1 *", **values: Any) -> CrawlSchedule:
    """One whose slot has come by now, and whose next is far away by any clock."""
    return schedule(crontab, next_run_at=database_clock() + HOUR, **values)


def lost(one: CrawlSchedule) -> None:
    queue.enqueue(one.spider, {}, schedule=one, slot=NOON)
    end(Verdict.LOST)


def unanswered(one: CrawlSchedule) -> None:
    queue.enqueue(one.spider, {}, schedule=one, slot=NOON)
    end(Verdict.FAILED, has_answered=False)


def unbegun(one: CrawlSchedule) -> None:
    queue.enqueue(one.spider, {}, schedule=one, slot=NOON)
    job = queue.claim("node")
    assert job
    queue.settle(job.claim, Death("its process could not be started"))


Come = Callable[[CrawlSchedule], None]  # a run of the slot at noon, and what becomes of it


@pytest.mark.parametrize("second", [lost, unanswered, unbegun])
@pytest.mark.parametrize("first", [lost, unanswered, unbegun])
def test_a_slot_whose_run_never_got_an_answer_is_due_once_more_and_only_once(first: Come, second: Come) -> None:
    one = in_an_hour()
    later = next_of(one)

    first(one)
    after_one = next_of(one)
    schedules.update(next_run_at=later)
    second(one)

    assert after_one == NOON
    assert next_of(one) == later
    assert list(runs.order_by("queued_at").values_list("slot", "due_again")) == [(NOON, True), (NOON, False)]


@pytest.mark.parametrize(("come", "wait"), [(lost, 0), (unanswered, 60), (unbegun, 60)])
def test_after_a_failure_it_is_due_a_minute_later(come: Come, wait: float) -> None:
    one = in_an_hour()

    before = database_clock()
    come(one)

    not_before = schedules.get().not_before
    if wait:
        assert not_before
        assert before + wait * SECOND <= not_before <= database_clock() + wait * SECOND
    else:
        assert not_before is None


def test_a_slot_is_not_run_again_before_its_time() -> None:
    one = schedule(not_before=NOON + MINUTE)

    tick(NOON, NOON + MINUTE - SECOND)
    early = seen(one)
    tick(NOON + MINUTE)

    assert early == []
    assert seen(one) == [(NOON, Verdict.PENDING)]
    assert (next_of(one), schedules.get().not_before) == (NOON + 5 * MINUTE, None)


def test_a_schedule_that_is_edited_does_not_wait_for_what_it_was_before() -> None:
    one = schedule("0 0 1 1 *", next_run_at=NOON, not_before=NOON + HOUR)

    tick(NOON + SECOND)

    assert (next_of(one), schedules.get().not_before) == (datetime(2027, 1, 1, tzinfo=UTC), None)


@pytest.mark.parametrize("verdict", [Verdict.COMPLETE, Verdict.PARTIAL, Verdict.FAILED, Verdict.INTERRUPTED])
@pytest.mark.parametrize("has_answered", [True, False])
def test_any_other_end_of_a_run_stands(verdict: Verdict, has_answered: bool) -> None:
    one = in_an_hour()
    before = next_of(one)
    queue.enqueue(one.spider, {}, schedule=one, slot=NOON)

    run = end(verdict, has_answered=has_answered)

    is_due = verdict == Verdict.FAILED and not has_answered
    assert (run.due_again, next_of(one)) == (is_due, NOON if is_due else before)


def test_a_run_that_fails_after_somebody_has_stopped_it_is_not_retried() -> None:
    one = in_an_hour()
    later = next_of(one)
    queue.enqueue("markets", {}, schedule=one, slot=NOON)
    run = recording.begin("markets", {}, runs.get().pk)
    queue.stop(run.pk)

    recording.finish(run, Verdict.FAILED, has_answered=False)

    assert next_of(one) == later


def test_a_run_whose_schedule_is_deleted_meanwhile_ends_as_any_other() -> None:
    one = in_an_hour()
    queue.enqueue("markets", {}, schedule=one, slot=NOON)
    run = recording.begin("markets", {}, runs.get().pk)
    one.delete()

    recording.finish(run, Verdict.FAILED, has_answered=False)

    assert (run.verdict, run.schedule) == (Verdict.FAILED, None)


def test_a_run_that_somebody_has_stopped_is_not_retried_when_it_is_killed() -> None:
    one = in_an_hour()
    later = next_of(one)
    queue.enqueue("markets", {}, key="stopped", schedule=one, slot=NOON)
    job = queue.claim("node")
    assert job is not None
    recording.begin("markets", {}, job.pk, claim=job.claim)
    queue.stop(job.pk)

    queue.settle(job.claim, Death("signal 9 (Killed)", was_killed=True))

    assert (runs.get().verdict, next_of(one)) == (Verdict.LOST, later)


def test_of_two_at_one_slot_the_one_that_waited_says_for_whom() -> None:
    often, rarely = schedule(), schedule("0 * * * *", name="rare")
    tick(NOON + SECOND)
    runs.update(queued_at=NOON + SECOND)
    recording.begin("markets", {}, runs.get().pk)
    runs.update(started_at=NOON + 2 * SECOND)

    tick(NOON + 5 * MINUTE)

    assert runs.get(verdict=Verdict.RUNNING).schedule == rarely
    assert runs.get(schedule=often).reason == "another run of markets was under way until the next slot came"


def test_so_does_one_whose_crawl_was_killed_before_it_could_begin() -> None:
    one = in_an_hour()
    job = queue.enqueue("markets", {}, schedule=one, slot=NOON)
    job = queue.claim("node") or job

    queue.settle(job.claim, Death("signal 9 (Killed)", was_killed=True))

    assert next_of(one) == NOON
    assert seen(one) == [(NOON, Verdict.LOST)]


@pytest.mark.parametrize("come", [lost, unanswered, unbegun])
@pytest.mark.parametrize("values", [{"next_run_at": NOON + MINUTE}, {"enabled": False}], ids=["later slot", "disabled"])
def test_it_does_not_where_a_later_slot_is_due_or_none_is_wanted(values: dict[str, Any], come: Come) -> None:
    one = in_an_hour()
    schedules.update(**values)
    before = next_of(one)

    come(one)

    assert (next_of(one), runs.get().due_again) == (before, False)


@pytest.mark.parametrize(("come", "is_due"), [(lost, True), (unanswered, False), (unbegun, False)])
def test_it_does_not_where_a_later_slot_is_due_before_the_minute_is_over(come: Come, is_due: bool) -> None:
    one = schedule("0 0 1 1 *", next_run_at=database_clock() + 50 * SECOND)

    come(one)

    assert runs.get().due_again is is_due


def test_a_run_beside_the_slots_is_not_retried() -> None:
    one = in_an_hour()
    before = next_of(one)
    ticker.run_now(one)

    end(Verdict.LOST)

    assert next_of(one) == before


def test_a_tick_finds_the_run_without_a_heartbeat_and_retries_its_slot() -> None:
    one = schedule("0 0 1 1 *", next_run_at=datetime(2100, 1, 1, tzinfo=UTC))
    slot = datetime(2099, 1, 1, tzinfo=UTC)
    lost_run = recording.begin("markets", {})
    runs.update(schedule=one, slot=slot, heartbeat_at=Now() - timedelta(seconds=181))

    tick(slot + HOUR)

    assert seen(one) == [(slot, Verdict.LOST), (slot, Verdict.PENDING)]
    assert runs.get(pk=lost_run.pk).reason.startswith("no heartbeat for 180 s")
    assert next_of(one) == datetime(2100, 1, 1, tzinfo=UTC)
