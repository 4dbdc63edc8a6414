"""The schedule's beat: which slot becomes a job and when, whatever nodes, clocks and people do meanwhile."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.racing import at_once, meanwhile, wait_until_somebody_waits_for_a_lock
from webapp.coins.clock import database_clock
from webapp.crawls import queue, recording, ticker
from webapp.crawls.catalog import typical_calls
from webapp.crawls.crontab import Crontab
from webapp.crawls.models import CrawlRun, CrawlSchedule, Node, Verdict
from webapp.crawls.models.schedule import MAX_OUTAGE, MAX_PASSED
from webapp.crawls.queue import Death, JobError
from webapp.crawls.ticker import MISSED

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)  # a Sunday
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DEATH = Death("signal 9 (Killed)")

schedules, runs = CrawlSchedule.objects, CrawlRun.objects


def schedule(crontab: str = "*/5 * * * *", name: str = "one", spider: str = "markets", **values: Any) -> CrawlSchedule:
    """One that has beaten already, at five to noon, unless it says otherwise."""
    values = {"next_run_at": next(Crontab(crontab, values.get("time_zone", "UTC")).since(NOON))} | values
    return schedules.create(name=name, spider=spider, crontab=crontab, **values)


def beat(*moments: datetime) -> None:
    for moment in moments:
        ticker.tick(moment)


def end(verdict: Verdict = Verdict.COMPLETE, *, heard: bool = True) -> CrawlRun:
    """Begin the job that waits, and end it; where its source is not `heard`, without an answer."""
    job = queue.claim("node")
    assert job
    run = recording.begin(job.spider, job.arguments, job.pk, claim=job.claim)
    if verdict == Verdict.LOST:
        queue.settle(job.claim, DEATH)
    else:
        recording.finish(run, verdict, heard=heard)
    return runs.get(pk=run.pk)


def seen(which: CrawlSchedule | None = None) -> list[tuple[datetime | None, str]]:
    """Slots with their verdicts, in their order."""
    of = runs.filter(schedule=which) if which else runs.all()
    return list(of.order_by("slot", "queued_at").values_list("slot", "verdict"))


def next_of(which: CrawlSchedule) -> datetime | None:
    return schedules.get(pk=which.pk).next_run_at


# Slots become jobs -------------------------------------------------------------------------------


def test_a_new_schedule_waits_for_its_next_slot() -> None:
    new = schedule(next_run_at=None)

    beat(NOON + SECOND)

    assert next_of(new) == NOON + 5 * MINUTE
    assert not runs.exists()


def test_a_slot_that_has_come_is_one_job() -> None:
    one = schedule(arguments={"pages": 1})

    beat(NOON - SECOND, NOON + SECOND / 10, NOON + SECOND, NOON + MINUTE)

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
        beat(NOON + number * 5 * MINUTE)
        end()

    assert seen() == [(NOON + number * 5 * MINUTE, Verdict.COMPLETE) for number in range(3)]


def test_a_crontab_of_six_fields_has_slots_between_minutes() -> None:
    schedule("* * * * * */20")

    for number in range(5):
        beat(NOON + number * 10 * SECOND)
        if queue.waiting().exists():
            end()

    assert [slot for slot, _ in seen()] == [NOON, NOON + 20 * SECOND, NOON + 40 * SECOND]


@pytest.mark.django_db(transaction=True)
def test_of_nodes_that_beat_in_the_same_moment_one_makes_the_job() -> None:
    schedule(), schedule("*/10 * * * *", "two"), schedule("*/5 * * * *", "three", "mirror")

    at_once(*[lambda: beat(NOON)] * 6)

    assert sorted(runs.values_list("spider", "schedule__name", "verdict")) == [
        ("markets", "two", "pending"),
        ("mirror", "three", "pending"),
    ]


# A busy spider -----------------------------------------------------------------------------------


def test_a_slot_waits_for_its_spider() -> None:
    one = schedule()
    recording.begin("markets", {}, "by-hand")

    beat(NOON, NOON + MINUTE)
    waits = next_of(one)
    recording.finish(runs.get(pk="by-hand"), Verdict.COMPLETE)
    beat(NOON + 2 * MINUTE)

    assert waits == NOON
    assert seen(one) == [(NOON, Verdict.PENDING)]
    assert next_of(one) == NOON + 5 * MINUTE


def test_it_waits_until_its_own_next_slot_and_then_that_one_waits() -> None:
    one = schedule()
    recording.begin("markets", {})
    runs.update(started_at=NOON - MINUTE)

    beat(NOON, NOON + 5 * MINUTE)

    skipped = runs.get(schedule=one)
    assert (skipped.slot, skipped.verdict, skipped.finished_at) == (NOON, Verdict.SKIPPED, NOON + 5 * MINUTE)
    assert skipped.reason == "another run of markets was under way until the next slot came"
    assert next_of(one) == NOON + 5 * MINUTE


def test_a_run_that_was_only_starting_when_the_slot_came_was_under_way() -> None:
    one = schedule()
    recording.begin("markets", {})
    runs.update(queued_at=NOON - MINUTE, started_at=NOON + SECOND)

    beat(NOON, NOON + 5 * MINUTE)

    skipped = runs.get(schedule=one)
    assert skipped.reason == "another run of markets was under way until the next slot came"


def test_another_spiders_run_makes_nothing_wait() -> None:
    one = schedule()
    recording.begin("mirror", {})

    beat(NOON)

    assert seen(one) == [(NOON, Verdict.PENDING)]


def test_of_several_that_are_due_the_rarest_goes_first() -> None:
    often, rarely = schedule("*/5 * * * *", "often"), schedule("0 * * * *", "rarely")

    beat(NOON)
    end()
    beat(NOON + MINUTE)

    assert seen(rarely) == [(NOON, Verdict.COMPLETE)]
    assert seen(often) == [(NOON, Verdict.PENDING)]


def test_of_several_that_are_equally_rare_each_has_its_turn() -> None:
    """Their runs take longer than it is from one slot to the next."""
    each = [schedule(name=name) for name in ("one", "two", "three")]

    for number in range(6):
        beat(NOON + number * 6 * MINUTE)
        end()

    assert [runs.filter(schedule=one, verdict=Verdict.COMPLETE).count() for one in each] == [2, 2, 2]


# A long queue ------------------------------------------------------------------------------------


def add_job(key: str, at: datetime, priority: float = 0) -> None:
    """A job beside the slots."""
    queue.enqueue("markets", {}, key, priority=priority)
    runs.filter(pk=key).update(queued_at=at)


def work(moment: datetime) -> str:
    """What runs next: a job's key, or `slot`; after a beat, as scrapyd's queue does it."""
    beat(moment)
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

    beat(NOON + 2 * MINUTE)
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


@pytest.mark.parametrize("beats", [1, 2])
def test_a_slots_job_is_claimed_before_jobs_that_waited_longer(beats: int) -> None:
    """It may have been made a while before there is room for it."""
    schedule()
    recording.finish(recording.begin("markets", {}, "by-hand"), Verdict.COMPLETE)
    runs.update(claim="claim")
    for number in range(2):
        add_job(f"job-{number}", NOON - HOUR)
    beat(*[NOON + number * SECOND for number in range(beats)])

    waiting = [run.pk for run in queue.waiting()]
    job = queue.claim("node")

    assert len(waiting) == 3
    assert job is not None
    assert job.slot == NOON


def test_a_slot_waits_for_a_run_by_hand_of_a_schedule() -> None:
    one = schedule()
    ticker.run_now(one)

    beat(NOON)

    assert seen() == [(None, Verdict.PENDING)]


# What was missed ---------------------------------------------------------------------------------


def test_slots_missed_while_everything_was_down_are_run_once() -> None:
    one = schedule()

    beat(NOON + 16 * MINUTE)

    assert seen(one) == [(NOON + number * 5 * MINUTE, Verdict.SKIPPED) for number in range(3)] + [
        (NOON + 15 * MINUTE, Verdict.PENDING)
    ]
    assert {run.reason for run in runs.filter(verdict=Verdict.SKIPPED)} == {MISSED}


@pytest.mark.parametrize(("more", "told"), [(0, ""), (1, "; so it was with all slots from 2026-11-22 12:00:00 UTC on")])
def test_of_very_many_the_latest_are_recorded_and_the_others_told_of(more: int, told: str) -> None:
    schedule("* * * * *")

    beat(NOON + (MAX_PASSED + more) * MINUTE)

    first, *others = runs.filter(verdict=Verdict.SKIPPED).order_by("slot")
    assert (first.slot, len(others)) == (NOON + more * MINUTE, MAX_PASSED - 1)
    assert first.reason == MISSED + told
    assert {run.reason for run in others} == {MISSED}
    assert runs.get(verdict=Verdict.PENDING).slot == NOON + (MAX_PASSED + more) * MINUTE


def test_a_year_of_every_second_is_one_run() -> None:
    one = schedule("* * * * * *")

    beat(NOON + 365 * DAY)

    assert runs.filter(verdict=Verdict.PENDING).count() == 1
    assert runs.count() == MAX_PASSED + 1
    assert next_of(one) == NOON + 365 * DAY + SECOND


# Runs that come to nothing -----------------------------------------------------------------------


def in_an_hour(crontab: str = "0 0 1 1 *", **values: Any) -> CrawlSchedule:
    """One whose slot has come by now, and whose next is far away by any clock."""
    return schedule(crontab, next_run_at=database_clock() + HOUR, **values)


def lost(one: CrawlSchedule) -> None:
    queue.enqueue(one.spider, {}, schedule=one, slot=NOON)
    end(Verdict.LOST)


def unheard(one: CrawlSchedule) -> None:
    queue.enqueue(one.spider, {}, schedule=one, slot=NOON)
    end(Verdict.FAILED, heard=False)


def unbegun(one: CrawlSchedule) -> None:
    queue.enqueue(one.spider, {}, schedule=one, slot=NOON)
    job = queue.claim("node")
    assert job
    queue.settle(job.claim, Death("its process could not be started"))


Come = Callable[[CrawlSchedule], None]  # a run of the slot at noon, and what becomes of it


@pytest.mark.parametrize("second", [lost, unheard, unbegun])
@pytest.mark.parametrize("first", [lost, unheard, unbegun])
def test_a_slot_whose_run_comes_to_nothing_falls_due_once_more_and_only_once(first: Come, second: Come) -> None:
    one = in_an_hour()
    later = next_of(one)

    first(one)
    after_one = next_of(one)
    schedules.update(next_run_at=later)
    second(one)

    assert after_one == NOON
    assert next_of(one) == later
    assert list(runs.order_by("queued_at").values_list("slot", "due_again")) == [(NOON, True), (NOON, False)]


@pytest.mark.parametrize(("come", "wait"), [(lost, 0), (unheard, 60), (unbegun, 60)])
def test_after_a_failure_it_falls_due_a_minute_later(come: Come, wait: float) -> None:
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

    beat(NOON, NOON + MINUTE - SECOND)
    early = seen(one)
    beat(NOON + MINUTE)

    assert early == []
    assert seen(one) == [(NOON, Verdict.PENDING)]
    assert (next_of(one), schedules.get().not_before) == (NOON + 5 * MINUTE, None)


def test_a_schedule_that_is_edited_does_not_wait_for_what_it_was_before() -> None:
    one = schedule("0 0 1 1 *", next_run_at=NOON, not_before=NOON + HOUR)

    beat(NOON + SECOND)

    assert (next_of(one), schedules.get().not_before) == (datetime(2027, 1, 1, tzinfo=UTC), None)


@pytest.mark.parametrize("verdict", [Verdict.COMPLETE, Verdict.PARTIAL, Verdict.FAILED, Verdict.INTERRUPTED])
@pytest.mark.parametrize("heard", [True, False])
def test_any_other_end_of_a_run_stands(verdict: Verdict, heard: bool) -> None:
    one = in_an_hour()
    before = next_of(one)
    queue.enqueue(one.spider, {}, schedule=one, slot=NOON)

    run = end(verdict, heard=heard)

    is_due = verdict == Verdict.FAILED and not heard
    assert (run.due_again, next_of(one)) == (is_due, NOON if is_due else before)


def test_a_run_that_fails_after_somebody_has_stopped_it_is_not_made_up_for() -> None:
    one = in_an_hour()
    later = next_of(one)
    queue.enqueue("markets", {}, schedule=one, slot=NOON)
    run = recording.begin("markets", {}, runs.get().pk)
    queue.stop(run.pk)

    recording.finish(run, Verdict.FAILED, heard=False)

    assert next_of(one) == later


def test_a_run_whose_schedule_is_deleted_meanwhile_ends_as_any_other() -> None:
    one = in_an_hour()
    queue.enqueue("markets", {}, schedule=one, slot=NOON)
    run = recording.begin("markets", {}, runs.get().pk)
    one.delete()

    recording.finish(run, Verdict.FAILED, heard=False)

    assert (run.verdict, run.schedule) == (Verdict.FAILED, None)


def test_a_run_that_somebody_has_stopped_is_not_made_up_for_when_it_is_killed() -> None:
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
    beat(NOON + SECOND)
    runs.update(queued_at=NOON + SECOND)
    recording.begin("markets", {}, runs.get().pk)
    runs.update(started_at=NOON + 2 * SECOND)

    beat(NOON + 5 * MINUTE)

    assert runs.get(verdict=Verdict.RUNNING).schedule == rarely
    assert runs.get(schedule=often).reason == "another run of markets was under way until the next slot came"


def test_so_does_one_whose_crawl_was_killed_before_it_could_begin() -> None:
    one = in_an_hour()
    job = queue.enqueue("markets", {}, schedule=one, slot=NOON)
    job = queue.claim("node") or job

    queue.settle(job.claim, Death("signal 9 (Killed)", was_killed=True))

    assert next_of(one) == NOON
    assert seen(one) == [(NOON, Verdict.LOST)]


@pytest.mark.parametrize("come", [lost, unheard, unbegun])
@pytest.mark.parametrize("values", [{"next_run_at": NOON + MINUTE}, {"enabled": False}], ids=["later slot", "disabled"])
def test_it_does_not_where_a_later_slot_is_due_or_none_is_wanted(values: dict[str, Any], come: Come) -> None:
    one = in_an_hour()
    schedules.update(**values)
    before = next_of(one)

    come(one)

    assert (next_of(one), runs.get().due_again) == (before, False)


@pytest.mark.parametrize(("come", "is_due"), [(lost, True), (unheard, False), (unbegun, False)])
def test_it_does_not_where_a_later_slot_is_due_before_the_minute_is_over(come: Come, is_due: bool) -> None:
    one = schedule("0 0 1 1 *", next_run_at=database_clock() + 50 * SECOND)

    come(one)

    assert runs.get().due_again is is_due


def test_a_run_beside_the_slots_is_not_made_up_for() -> None:
    one = in_an_hour()
    before = next_of(one)
    ticker.run_now(one)

    end(Verdict.LOST)

    assert next_of(one) == before


def test_a_beat_finds_the_run_that_shows_no_life_and_makes_up_for_its_slot() -> None:
    one = schedule("0 0 1 1 *", next_run_at=datetime(2100, 1, 1, tzinfo=UTC))
    slot = datetime(2099, 1, 1, tzinfo=UTC)
    lost_run = recording.begin("markets", {})
    runs.update(schedule=one, slot=slot, heartbeat_at=Now() - timedelta(seconds=181))

    beat(slot + HOUR)

    assert seen(one) == [(slot, Verdict.LOST), (slot, Verdict.PENDING)]
    assert runs.get(pk=lost_run.pk).reason.startswith("no sign of life for 180 s")
    assert next_of(one) == datetime(2100, 1, 1, tzinfo=UTC)


# Clocks ------------------------------------------------------------------------------------------


def run_for(begin: datetime, minutes: int) -> None:
    """Beats in each minute; what is queued runs at once."""
    for minute in range(minutes):
        beat(begin + minute * MINUTE)
        while queue.waiting().exists():
            end()


def ran(first: datetime, last: datetime) -> int:
    """For how many of these slots there is a run that ran."""
    return runs.filter(verdict=Verdict.COMPLETE, slot__gte=first, slot__lt=last).count()


def test_a_clock_that_jumps_ahead_by_a_day_and_back_neither_storms_nor_starves() -> None:
    schedule()

    run_for(NOON, 10)
    run_for(NOON + DAY, 10)
    ahead = runs.filter(verdict=Verdict.COMPLETE).count()
    run_for(NOON + 10 * MINUTE - SECOND, 21)

    run_for(NOON + DAY, 10)

    assert ahead == 4
    assert ran(NOON, NOON + 30 * MINUTE) == 6
    assert ran(NOON + DAY, NOON + DAY + 10 * MINUTE) == 2
    assert runs.filter(verdict=Verdict.COMPLETE).count() == ahead + 4 + 2


def test_a_clock_that_falls_back_by_a_day_and_is_put_right_neither_storms_nor_starves() -> None:
    schedule()

    run_for(NOON, 10)
    run_for(NOON - DAY, 10)
    run_for(NOON + 10 * MINUTE, 10)

    assert ran(NOON - DAY, NOON - DAY + 10 * MINUTE) == 1  # the one after it had noticed
    assert ran(NOON + 10 * MINUTE, NOON + 20 * MINUTE) == 2
    assert runs.filter(verdict=Verdict.COMPLETE).count() == 5


@pytest.mark.parametrize("crontab", ["*/5 * * * *", "0 */6 * * *", "0 12 * * *"])
@pytest.mark.parametrize("back", [SECOND, MINUTE])
def test_a_clock_that_is_set_back_a_little_gives_no_slot_a_second_run(crontab: str, back: timedelta) -> None:
    schedule(crontab)
    beat(NOON)
    end()

    beat(NOON - back, NOON, NOON + SECOND)

    assert seen() == [(NOON, Verdict.COMPLETE)]


@pytest.mark.parametrize(
    ("crontab", "zone", "begin"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-03-28 20:00"),
        ("30 2 * * * 30", "Europe/Berlin", "2026-03-28 20:00"),
        ("30 * * * *", "Europe/Berlin", "2026-03-28 20:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-24 20:00"),
        ("30 * * * *", "Europe/Berlin", "2026-10-24 20:00"),
        ("15 2 * * * 30", "Australia/Lord_Howe", "2026-10-03 12:00"),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04 12:00"),
        ("0 * * * *", "Australia/Lord_Howe", "2026-04-04 12:00"),
    ],
)
def test_each_slot_runs_once_while_clocks_are_changed(crontab: str, zone: str, begin: str) -> None:
    first = datetime.fromisoformat(begin).replace(tzinfo=UTC)
    schedule(crontab, time_zone=zone, next_run_at=None)
    expected = takewhile(lambda slot: slot <= first + 7 * HOUR, Crontab(crontab, zone).after(first))

    for number in range(31):
        beat(first + number * 14 * MINUTE)
        if queue.waiting().exists():
            end()

    assert seen() == [(slot, Verdict.COMPLETE) for slot in expected]


def test_the_clock_is_the_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule(next_run_at=None)

    before = database_clock()
    ticker.tick()

    assert before <= database_clock()
    slot = schedules.get().next_run_at
    assert slot
    assert before < slot <= database_clock() + 5 * MINUTE


# Whatever happens --------------------------------------------------------------------------------

BEGIN = datetime(2100, 1, 1, tzinfo=UTC)  # so that by the database's clock no slot is too late to be made up for
ENDINGS = [(Verdict.COMPLETE, True), (Verdict.FAILED, True), (Verdict.FAILED, False), (Verdict.LOST, True)]
STEPS = st.one_of(
    st.tuples(st.just("go on"), st.integers(1, 2_000)),
    st.tuples(st.just("set back"), st.integers(1, 100_000)),
    st.tuples(st.just("be off"), st.integers(2_000, 12_000)),
    st.tuples(st.just("end"), st.sampled_from(ENDINGS)),
)


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=10))
@example([("go on", 300), ("end", ENDINGS[3]), ("go on", 1), ("end", ENDINGS[3]), ("go on", 1)])
@example([("go on", 300), ("end", ENDINGS[2]), ("go on", 1), ("end", ENDINGS[2]), ("go on", 1)])
@example([("be off", 20_000), ("end", ENDINGS[0]), ("set back", 19_000), ("go on", 1_000)])
def test_a_slot_has_one_run_or_a_second_where_the_first_came_to_nothing_and_every_slot_has_a_record(
    steps: list[tuple[str, Any]],
) -> None:
    runs.all().delete()
    schedules.all().delete()
    each = [schedule("*/5 * * * *", "often", next_run_at=None), schedule("*/15 * * * *", "rarely", next_run_at=None)]
    moments = [BEGIN]
    beat(BEGIN)

    for what, how in [*steps, ("go on", 1)]:
        if what != "end":
            moments.append(moments[-1] + (-1 if what == "set back" else 1) * how * SECOND)
            beat(moments[-1])
        elif queue.waiting().exists():
            verdict, heard = how
            end(verdict, heard=heard)
        assert runs.filter(verdict=Verdict.PENDING).count() <= 1
    for _ in range(4):
        beat(max(moments))
        while queue.waiting().exists():
            end()

    for one in each:
        for due_again in (True, False):
            slots = list(one.crawlrun_set.filter(due_again=due_again).exclude(slot=None).values_list("slot", flat=True))
            assert len(slots) == len(set(slots))
        recorded = set(one.crawlrun_set.values_list("slot", flat=True))
        expected = takewhile(lambda slot: slot <= max(moments), one.timetable().after(BEGIN))
        assert set(expected) <= recorded


# What people do to the table ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ({"crontab": "*/7 * * * *"}, NOON + 7 * MINUTE),
        ({"crontab": "0 0 1 1 *"}, datetime(2027, 1, 1, tzinfo=UTC)),
        ({"crontab": "0 14 * * *", "time_zone": "Europe/Berlin"}, NOON + HOUR),
        ({"next_run_at": None}, NOON + 5 * MINUTE),
        ({"next_run_at": NOON + 3 * MINUTE}, NOON + 5 * MINUTE),
        ({"next_run_at": NOON + DAY}, NOON + 5 * MINUTE),
        ({"next_run_at": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)}, NOON + 5 * MINUTE),
        ({"next_run_at": datetime(1, 1, 1, tzinfo=UTC)}, NOON + 5 * MINUTE),
        ({"next_run_at": NOON - MAX_OUTAGE}, NOON + 5 * MINUTE),
        ({"enabled": False}, None),
    ],
    ids=str,
)
def test_edits_are_taken_up_at_once(edit: dict[str, Any], expected: datetime | None) -> None:
    one = schedule(next_run_at=NOON + 5 * MINUTE)
    schedules.update(**edit)

    beat(NOON + SECOND)

    assert next_of(one) == expected
    assert not runs.exists()


@pytest.mark.parametrize("first", [False, True], ids=["after the sound one", "before the sound one"])
@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"crontab": "nonsense"}, "crontab"),
        ({"crontab": ""}, "crontab"),
        ({"crontab": "0 0 31 2 *"}, "crontab"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": ""}, "time_zone"),
        ({"spider": "gone"}, "spider"),
        ({"arguments": {"pages": 0}}, "arguments"),
        ({"arguments": {"pages": [1]}}, "arguments"),
        ({"arguments": {"pagez": 1}}, "arguments"),
        ({"arguments": {"ids": "x" * 100_001}}, "arguments"),
        ({"arguments": []}, "arguments"),
        ({"arguments": "pages"}, "arguments"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_schedule_runs_nothing_and_stops_no_other(wrong: dict[str, Any], field: str, first: bool) -> None:
    bad = schedule("0 * * * *", "bad") if first else None
    good = schedule("*/5 * * * *", "good", "mirror")
    bad = bad or schedule("0 * * * *", "bad")
    schedules.filter(pk=bad.pk).update(**wrong)

    beat(NOON, NOON + HOUR)

    assert seen(good)[0] == (NOON, Verdict.PENDING)
    assert not seen(bad)
    bad.refresh_from_db()
    with pytest.raises(ValidationError) as refused:
        bad.clean()
    assert list(refused.value.message_dict) == [field]
    assert bad.fault() == " ".join(refused.value.messages)
    with pytest.raises(JobError, match="It cannot run: "):
        ticker.run_now(bad)


def test_a_wrong_schedule_can_be_disabled() -> None:
    bad, good = schedule(name="bad", crontab="0 * * * *"), schedule(name="good")
    schedules.filter(pk=bad.pk).update(crontab="nonsense", enabled=False)

    beat(NOON)

    assert next_of(bad) is None
    assert seen(good) == [(NOON, Verdict.PENDING)]


def test_a_disabled_schedule_does_not_run_and_does_not_make_up_for_it_later() -> None:
    one = schedule(enabled=False)

    beat(NOON, NOON + 5 * MINUTE)
    schedules.update(enabled=True)
    beat(NOON + 12 * MINUTE, NOON + 15 * MINUTE)

    assert seen(one) == [(NOON + 15 * MINUTE, Verdict.PENDING)]


def test_an_admin_who_saves_what_he_saw_before_the_beat_gives_no_slot_a_second_run() -> None:
    one = schedule()
    as_seen = schedules.get()
    beat(NOON)
    end()

    as_seen.name = "another name"
    as_seen.save()
    beat(NOON + SECOND)

    assert seen(one) == [(NOON, Verdict.COMPLETE)]
    assert next_of(one) == NOON + 5 * MINUTE


@pytest.mark.parametrize(("url", "jobs"), [("https://coins.example/api/coins/", 1), ("", 0)])
def test_the_mirror_may_be_scheduled_without_an_address_where_the_settings_have_one(
    url: str, jobs: int, settings: Any
) -> None:
    settings.MIRROR_URL = url
    one = schedule(spider="mirror")

    beat(NOON)

    assert runs.filter(arguments={}).count() == jobs
    assert one.fault() == ("" if url else "mirror needs -a url=..., or MIRROR_URL in the environment.")


# What a beat costs -------------------------------------------------------------------------------


def statements(now: datetime) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        beat(now)
    return [query["sql"].split()[0] for query in queries]


def test_a_beat_with_nothing_to_do_reads_as_often_for_many_schedules_and_writes_nothing() -> None:
    schedule(next_run_at=NOON)
    recording.begin("markets", {})
    one = statements(NOON + SECOND)  # it waits for its spider

    for number in range(5):
        schedule(name=str(number), next_run_at=NOON + 5 * MINUTE, enabled=True)
    six = statements(NOON + SECOND)

    assert six == one
    assert set(one) == {"SELECT"}


@pytest.mark.django_db(transaction=True)
def test_a_beat_with_nothing_to_do_does_not_wait_for_one_who_writes() -> None:
    schedule(next_run_at=NOON + 5 * MINUTE)

    with transaction.atomic():
        schedules.update(name="another name")
        at_once(lambda: beat(NOON + SECOND))


# By hand -----------------------------------------------------------------------------------------


def test_a_schedule_is_run_now_besides_its_slots() -> None:
    one = schedule(arguments={"pages": 1}, enabled=False)

    job = ticker.run_now(one)

    assert (job.schedule, job.slot, job.arguments, job.verdict) == (one, None, {"pages": 1}, Verdict.PENDING)
    assert schedules.get().last_run == job
    assert next_of(one) == NOON


@pytest.mark.parametrize("how", ["queued", "under way"])
def test_it_is_not_while_its_spider_is_busy(how: str) -> None:
    one, other = schedule(), schedule(name="other")
    queue.enqueue("markets", {}) if how == "queued" else recording.begin("markets", {})

    for each in (one, other):
        with pytest.raises(JobError, match="A run of markets is queued or under way: wait for its end, or stop it"):
            ticker.run_now(each)

    assert runs.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_schedules_of_one_spider_that_are_run_in_the_same_moment_one_is() -> None:
    each = [schedule(name=str(number), enabled=number > 1) for number in range(4)]

    def run(one: CrawlSchedule) -> None:
        with suppress(JobError):
            ticker.run_now(one)

    at_once(*[partial(run, one) for one in each], partial(beat, NOON))

    assert runs.count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_beat_waits_for_one_who_is_just_running_a_schedule_of_the_spider() -> None:
    one, _ = schedule("0 0 1 1 *", "by hand", enabled=False, next_run_at=None), schedule()

    with ExitStack() as stack, transaction.atomic():
        ticker.run_now(one)
        stack.enter_context(meanwhile(partial(beat, NOON)))
        wait_until_somebody_waits_for_a_lock()

    assert seen() == [(None, Verdict.PENDING)]


@pytest.mark.parametrize(("plan", "calls"), [("keyless", 14_400 + 120 * 77), ("demo", 8_940)])
def test_the_first_schedules_fit_the_plan_and_are_made_once(plan: str, calls: int, settings: Any) -> None:
    settings.COINGECKO_PLAN = plan

    made = [schedules.make_defaults(), schedules.make_defaults()]

    assert made == [True, False]
    assert not any(one.fault() for one in schedules.all())
    assert calls == sum(
        typical_calls(one.spider, one.arguments) * one.timetable().a_month(NOON) for one in schedules.all()
    )


def test_a_node_shows_that_it_beats() -> None:
    Node.objects.heartbeat("here", capacity=4)
    Node.objects.update(heartbeat_at=NOON)

    Node.objects.heartbeat("here", capacity=8)

    node = Node.objects.get()
    assert (node.name, node.capacity) == ("here", 8)
    assert abs(node.heartbeat_at - database_clock()) < MINUTE
