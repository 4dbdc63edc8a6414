"""What a tick does: which slot becomes a job and when, and which waits."""

from datetime import datetime

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.support.racing import at_once
from tests.support.slots import DAY, HOUR, MINUTE, NOON, SECOND, end, next_of, runs, schedule, schedules, seen, tick
from webapp.coins.clock import database_clock
from webapp.crawls import queue, recording, ticker
from webapp.crawls.models.schedule import MAX_PASSED
from webapp.crawls.ticker import MISSED
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


# Slots become jobs -------------------------------------------------------------------------------


def test_a_new_schedule_waits_for_its_next_slot() -> None:
    new = schedule(next_run_at=None)

    tick(NOON + SECOND)

    assert next_of(new) == NOON + 5 * MINUTE
    assert not runs.exists()


def test_a_slot_that_has_come_is_one_job() -> None:
    one = schedule(arguments={"pages": 1})

    tick(NOON - SECOND, NOON + SECOND / 10, NOON + SECOND, NOON + MINUTE)

    job = runs.get()
    assert (job.spider, job.arguments, job.verdict, job.schedule, job.slot) == (
        "markets",
        {"pages": 1},
        "pending",
        one,
        NOON,
    )
    assert next_of(one) == NOON + 5 * MINUTE
    assert schedules.get().last_run == job


def test_each_slot_has_a_run_where_the_spider_is_free_in_time() -> None:
    schedule()

    for number in range(3):
        tick(NOON + number * 5 * MINUTE)
        end()

    assert seen() == [(NOON + number * 5 * MINUTE, Verdict.COMPLETE) for number in range(3)]


def test_a_crontab_of_six_fields_has_slots_between_minutes() -> None:
    schedule("* * * * * */20")

    for number in range(5):
        tick(NOON + number * 10 * SECOND)
        if queue.waiting().exists():
            end()

    assert [slot for slot, _ in seen()] == [NOON, NOON + 20 * SECOND, NOON + 40 * SECOND]


@pytest.mark.django_db(transaction=True)
def test_of_nodes_that_tick_in_the_same_moment_one_makes_the_job() -> None:
    schedule(), schedule("*/10 * * * *", "two"), schedule("*/5 * * * *", "three", "mirror")

    at_once(*[lambda: tick(NOON)] * 6)

    assert sorted(runs.values_list("spider", "schedule__name", "verdict")) == [
        ("markets", "two", "pending"),
        ("mirror", "three", "pending"),
    ]


# A busy spider -----------------------------------------------------------------------------------


def test_a_slot_waits_for_its_spider() -> None:
    one = schedule()
    recording.begin("markets", {}, "by-hand")

    tick(NOON, NOON + MINUTE)
    waits = next_of(one)
    recording.finish(runs.get(pk="by-hand"), Verdict.COMPLETE)
    tick(NOON + 2 * MINUTE)

    assert waits == NOON
    assert seen(one) == [(NOON, Verdict.PENDING)]
    assert next_of(one) == NOON + 5 * MINUTE


def test_it_waits_until_its_own_next_slot_and_then_that_one_waits() -> None:
    one = schedule()
    recording.begin("markets", {})
    runs.update(started_at=NOON - MINUTE)

    tick(NOON, NOON + 5 * MINUTE)

    skipped = runs.get(schedule=one)
    assert (skipped.slot, skipped.verdict, skipped.finished_at) == (NOON, Verdict.SKIPPED, NOON + 5 * MINUTE)
    assert skipped.reason == "another run of markets was under way until the next slot came"
    assert next_of(one) == NOON + 5 * MINUTE


def test_a_run_that_was_only_starting_when_the_slot_came_was_under_way() -> None:
    one = schedule()
    recording.begin("markets", {})
    runs.update(queued_at=NOON - MINUTE, started_at=NOON + SECOND)

    tick(NOON, NOON + 5 * MINUTE)

    skipped = runs.get(schedule=one)
    assert skipped.reason == "another run of markets was under way until the next slot came"


def test_another_spiders_run_makes_nothing_wait() -> None:
    one = schedule()
    recording.begin("mirror", {})

    tick(NOON)

    assert seen(one) == [(NOON, Verdict.PENDING)]


def test_of_several_that_are_due_the_rarest_goes_first() -> None:
    often, rarely = schedule("*/5 * * * *", "often"), schedule("0 * * * *", "rarely")

    tick(NOON)
    end()
    tick(NOON + MINUTE)

    assert seen(rarely) == [(NOON, Verdict.COMPLETE)]
    assert seen(often) == [(NOON, Verdict.PENDING)]


def test_of_several_that_are_equally_rare_each_has_its_turn() -> None:
    """Their runs take longer than it is from one slot to the next."""
    each = [schedule(name=name) for name in ("one", "two", "three")]

    for number in range(6):
        tick(NOON + number * 6 * MINUTE)
        end()

    assert [runs.filter(schedule=one, verdict=Verdict.COMPLETE).count() for one in each] == [2, 2, 2]


# A long queue ------------------------------------------------------------------------------------


def add_job(key: str, at: datetime, priority: float = 0) -> None:
    """A job beside the slots."""
    queue.enqueue("markets", {}, key, priority=priority)
    runs.filter(pk=key).update(queued_at=at)


def work(moment: datetime) -> str:
    """What runs next: a job's key, or `slot`; after a tick, as scrapyd's queue does it."""
    tick(moment)
    run = end()
    return "slot" if run.slot else run.pk


def test_a_slot_and_jobs_go_in_the_order_in_which_they_fell_due() -> None:
    schedule()
    for key, at in {"early": NOON - MINUTE, "late": NOON + MINUTE}.items():
        add_job(key, at)

    assert [work(NOON + 2 * MINUTE) for _ in range(3)] == ["early", "slot", "late"]


def test_a_slot_waits_for_jobs_of_a_higher_priority() -> None:
    one = schedule()
    add_job("urgent", NOON + MINUTE, priority=1)

    tick(NOON + 2 * MINUTE)
    waits = next_of(one)

    assert waits == NOON
    assert [work(NOON + 2 * MINUTE) for _ in range(2)] == ["urgent", "slot"]


def test_a_slot_does_not_wait_for_jobs_of_a_lower_priority() -> None:
    schedule()
    add_job("later", NOON - MINUTE, priority=-1)

    assert [work(NOON + 2 * MINUTE) for _ in range(2)] == ["slot", "later"]


def test_no_slot_is_lost_behind_a_long_queue() -> None:
    """A run takes half a minute."""
    schedule("* * * * *")
    for number in range(20):
        add_job(f"job-{number:02}", NOON - HOUR)
    work(NOON - MINUTE)

    order = [work(NOON + number * MINUTE / 2) for number in range(10)]

    assert order == ["slot", "job-01", "slot", "job-02", "slot", "job-03", "slot", "job-04", "slot", "job-05"]
    assert not runs.filter(verdict=Verdict.SKIPPED).exists()


def test_a_schedule_that_is_always_due_does_not_starve_the_queue() -> None:
    """Its runs take longer than it is from one slot to the next."""
    schedule("* * * * *")
    for number in range(3):
        add_job(f"job-{number}", NOON - HOUR)

    order = [work(NOON + number * 2 * MINUTE) for number in range(6)]

    assert order == ["job-0", "slot", "job-1", "slot", "job-2", "slot"]


@pytest.mark.parametrize("ticks", [1, 2])
def test_a_slots_job_is_claimed_before_jobs_that_waited_longer(ticks: int) -> None:
    """It may have been made a while before there is room for it."""
    schedule()
    recording.finish(recording.begin("markets", {}, "by-hand"), Verdict.COMPLETE)
    runs.update(claim="claim")
    for number in range(2):
        add_job(f"job-{number}", NOON - HOUR)
    tick(*[NOON + number * SECOND for number in range(ticks)])

    waiting = [run.pk for run in queue.waiting()]
    job = queue.claim("node")

    assert len(waiting) == 3
    assert job is not None
    assert job.slot == NOON


def test_a_slot_waits_for_a_run_by_hand_of_a_schedule() -> None:
    one = schedule()
    ticker.run_now(one)

    tick(NOON)

    assert seen() == [(None, Verdict.PENDING)]


# What was missed ---------------------------------------------------------------------------------


def test_slots_missed_while_everything_was_down_are_run_once() -> None:
    one = schedule()

    tick(NOON + 16 * MINUTE)

    assert seen(one) == [(NOON + number * 5 * MINUTE, Verdict.SKIPPED) for number in range(3)] + [
        (NOON + 15 * MINUTE, Verdict.PENDING)
    ]
    assert {run.reason for run in runs.filter(verdict=Verdict.SKIPPED)} == {MISSED}


@pytest.mark.parametrize(
    ("more", "told"), [(0, ""), (1, "; the same is true of all slots since 2026-11-22 12:00:00 UTC")]
)
def test_of_very_many_the_latest_are_recorded_and_the_others_told_of(more: int, told: str) -> None:
    schedule("* * * * *")

    tick(NOON + (MAX_PASSED + more) * MINUTE)

    first, *others = runs.filter(verdict=Verdict.SKIPPED).order_by("slot")
    assert (first.slot, len(others)) == (NOON + more * MINUTE, MAX_PASSED - 1)
    assert first.reason == MISSED + told
    assert {run.reason for run in others} == {MISSED}
    assert runs.get(verdict=Verdict.PENDING).slot == NOON + (MAX_PASSED + more) * MINUTE


def test_a_year_of_every_second_is_one_run() -> None:
    one = schedule("* * * * * *")

    tick(NOON + 365 * DAY)

    assert runs.filter(verdict=Verdict.PENDING).count() == 1
    assert runs.count() == MAX_PASSED + 1
    assert next_of(one) == NOON + 365 * DAY + SECOND


# What a tick costs -------------------------------------------------------------------------------


def statements(now: datetime) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        tick(now)
    return [query["sql"].split()[0] for query in queries]


def test_a_tick_with_nothing_to_do_reads_as_often_for_many_schedules_and_writes_nothing() -> None:
    schedule(next_run_at=NOON)
    recording.begin("markets", {})
    one = statements(NOON + SECOND)  # it waits for its spider

    for number in range(5):
        schedule(name=str(number), next_run_at=NOON + 5 * MINUTE, enabled=True)
    six = statements(NOON + SECOND)

    assert six == one
    assert set(one) == {"SELECT"}


@pytest.mark.django_db(transaction=True)
def test_a_tick_with_nothing_to_do_does_not_wait_for_one_who_writes() -> None:
    schedule(next_run_at=NOON + 5 * MINUTE)

    with transaction.atomic():
        schedules.update(name="another name")
        at_once(lambda: tick(NOON + SECOND))


def test_the_clock_is_the_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule(next_run_at=None)

    before = database_clock()
    ticker.tick()

    assert before <= database_clock()
    slot = schedules.get().next_run_at
    assert slot
    assert before < slot <= database_clock() + 5 * MINUTE
