"""Slots while clocks are wrong, nodes are down and runs fail: none is lost, none runs twice."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.slots import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    end,
    runs,
    schedule,
    schedules,
    seen,
    tick,
)
from webapp.crawls import queue
from webapp.crawls.crontab import Crontab
from webapp.crawls.verdict import Verdict

pytestmark = pytest.mark.django_db


# Clocks ------------------------------------------------------------------------------------------


def run_for(begin: datetime, minutes: int) -> None:
    """Beats in each minute; what is queued runs at once."""
    for minute in range(minutes):
        tick(begin + minute * MINUTE)
        while queue.waiting().exists():
            end()


def ran(first: datetime, last: datetime) -> int:
    """For how many of these slots there is a run that ran."""
    return runs.filter(verdict=Verdict.COMPLETE, slot__gte=first, slot__lt=last).count()


@pytest.mark.every_database
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
    tick(NOON)
    end()

    tick(NOON - back, NOON, NOON + SECOND)

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
        tick(first + number * 14 * MINUTE)
        if queue.waiting().exists():
            end()

    assert seen() == [(slot, Verdict.COMPLETE) for slot in expected]


# Whatever happens --------------------------------------------------------------------------------

BEGIN = datetime(2100, 1, 1, tzinfo=UTC)  # so that by the database's clock no slot is too late to be retried
ENDINGS = [(Verdict.COMPLETE, True), (Verdict.FAILED, True), (Verdict.FAILED, False), (Verdict.LOST, True)]
STEPS = st.one_of(
    st.tuples(st.just("go on"), st.integers(1, 2_000)),
    st.tuples(st.just("set back"), st.integers(1, 100_000)),
    st.tuples(st.just("be off"), st.integers(2_000, 12_000)),
    st.tuples(st.just("end"), st.sampled_from(ENDINGS)),
)


@pytest.mark.every_database
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=10))
@example([("go on", 300), ("end", ENDINGS[3]), ("go on", 1), ("end", ENDINGS[3]), ("go on", 1)])
@example([("go on", 300), ("end", ENDINGS[2]), ("go on", 1), ("end", ENDINGS[2]), ("go on", 1)])
@example([("be off", 20_000), ("end", ENDINGS[0]), ("set back", 19_000), ("go on", 1_000)])
def test_a_slot_has_one_run_or_a_second_if_the_first_got_no_answer_and_every_slot_has_a_record(
    steps: list[tuple[str, Any]],
) -> None:
    runs.all().delete()
    schedules.all().delete()
    each = [schedule("*/5 * * * *", "often", next_run_at=None), schedule("*/15 * * * *", "rarely", next_run_at=None)]
    moments = [BEGIN]
    tick(BEGIN)

    for what, how in [*steps, ("go on", 1)]:
        if what != "end":
            moments.append(moments[-1] + (-1 if what == "set back" else 1) * how * SECOND)
            tick(moments[-1])
        elif queue.waiting().exists():
            verdict, has_answered = how
            end(verdict, has_answered=has_answered)
        assert runs.filter(verdict=Verdict.PENDING).count() <= 1
    for _ in range(4):
        tick(max(moments))
        while queue.waiting().exists():
            end()

    for one in each:
        for due_again in (True, False):
            slots = list(one.crawlrun_set.filter(due_again=due_again).exclude(slot=None).values_list("slot", flat=True))
            assert len(slots) == len(set(slots))
        recorded = set(one.crawlrun_set.values_list("slot", flat=True))
        expected = takewhile(lambda slot: slot <= max(moments), one.timetable().after(BEGIN))
        assert set(expected) <= recorded
