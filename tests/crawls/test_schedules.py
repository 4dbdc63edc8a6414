"""Schedules that people edit, disable or run now."""

from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction

from tests.support.factories import make_run
from tests.support.racing import at_once, meanwhile, wait_until_somebody_waits_for_a_lock
from tests.support.slots import (
    DAY,
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
from webapp.crawls import queue, recording, ticker
from webapp.crawls.catalog import typical_calls
from webapp.crawls.models import CrawlSchedule
from webapp.crawls.models.schedule import MAX_OUTAGE
from webapp.crawls.queue import JobError
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


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

    tick(NOON + SECOND)

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

    tick(NOON, NOON + HOUR)

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

    tick(NOON)

    assert next_of(bad) is None
    assert seen(good) == [(NOON, Verdict.PENDING)]


def test_a_disabled_schedule_does_not_run_its_slots_not_even_later() -> None:
    one = schedule(enabled=False)

    tick(NOON, NOON + 5 * MINUTE)
    schedules.update(enabled=True)
    tick(NOON + 12 * MINUTE, NOON + 15 * MINUTE)

    assert seen(one) == [(NOON + 15 * MINUTE, Verdict.PENDING)]


def test_an_admin_who_saves_what_he_saw_before_the_tick_gives_no_slot_a_second_run() -> None:
    one = schedule()
    as_seen = schedules.get()
    tick(NOON)
    end()

    as_seen.name = "another name"
    as_seen.save()
    tick(NOON + SECOND)

    assert seen(one) == [(NOON, Verdict.COMPLETE)]
    assert next_of(one) == NOON + 5 * MINUTE


@pytest.mark.parametrize(("url", "jobs"), [("https://coins.example/api/coins/", 1), ("", 0)])
def test_the_mirror_may_be_scheduled_without_an_address_where_the_settings_have_one(
    url: str, jobs: int, settings: Any
) -> None:
    settings.MIRROR_URL = url
    one = schedule(spider="mirror")

    tick(NOON)

    assert runs.filter(arguments={}).count() == jobs
    assert one.fault() == ("" if url else "mirror needs -a url=..., or MIRROR_URL in the environment.")


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

    at_once(*[partial(run, one) for one in each], partial(tick, NOON))

    assert runs.count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_tick_waits_for_one_who_is_just_running_a_schedule_of_the_spider() -> None:
    one, _ = schedule("0 0 1 1 *", "by hand", enabled=False, next_run_at=None), schedule()

    with ExitStack() as stack, transaction.atomic():
        ticker.run_now(one)
        stack.enter_context(meanwhile(partial(tick, NOON)))
        wait_until_somebody_waits_for_a_lock()

    assert seen() == [(None, Verdict.PENDING)]


@pytest.mark.parametrize(("plan", "calls"), [("keyless", 14_400 + 120 * 77), ("demo", 8_940)])
def test_the_first_schedules_fit_the_plan_and_are_made_once(plan: str, calls: int, settings: Any) -> None:
    settings.COINGECKO_PLAN, settings.MIRROR_URL = plan, ""
    make_run()  # of this source
    make_run(spider="history")
    made = [schedules.make_defaults(), schedules.make_defaults()]

    assert made == [True, False]
    assert not any(one.fault() for one in schedules.all())
    assert calls == sum(
        typical_calls(one.spider, one.arguments) * one.timetable().a_month(NOON) for one in schedules.all()
    )


@pytest.mark.parametrize("source", ["a mirror's", "another spider's"])
def test_a_database_of_another_source_gets_no_first_schedules(source: str, settings: Any) -> None:
    settings.MIRROR_URL = "https://coins.example/api/coins/" if source == "a mirror's" else ""
    if source == "another spider's":
        make_run(spider="listings")

    assert schedules.make_defaults() is False
    assert not schedules.exists()
