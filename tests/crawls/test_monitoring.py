"""What is failing: how old the copy is, what its schedules do, and how their runs end."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from tests.support.factories import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    make_node,
    make_rejected,
    make_run,
    make_runs_of,
    make_schedule,
    row,
)
from tests.support.prices import flush
from webapp.coins.prices import archive, rollup
from webapp.coins.prices.storage import Storage
from webapp.crawls import copy_age, monitoring
from webapp.crawls.catalog import SpiderEntry
from webapp.crawls.copy_age import Copy
from webapp.crawls.models import CrawlRun, Node
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

GONE = timedelta.max


def test_a_copy_that_no_run_has_made_has_no_last_complete_run() -> None:
    assert Copy(NOON).last_complete is None


@pytest.mark.parametrize(
    ("later", "counts"),
    [
        pytest.param({}, True, id="another complete run"),
        pytest.param({"arguments": {"order": "id_desc", "per_page": 100}}, True, id="of the whole market in its way"),
        pytest.param({"arguments": {"pages": 1}}, False, id="of some pages"),
        pytest.param({"arguments": {"order": "id_asc", "ids": ["bitcoin"]}}, False, id="of some coins"),
        pytest.param({"verdict": Verdict.PARTIAL}, False, id="partial"),
        pytest.param({"verdict": Verdict.RUNNING, "finished_at": None}, False, id="still running"),
        pytest.param({"finished_at": None}, False, id="that says no end"),
        pytest.param({"spider": "gone"}, False, id="of a spider that there is no more"),
    ],
)
def test_the_last_complete_run_is_the_last_of_a_whole_source(later: dict[str, Any], counts: bool) -> None:
    make_run(id="first", finished_at=NOON)
    make_run(**{"id": "later", "started_at": NOON + HOUR, "finished_at": NOON + 2 * HOUR} | later)

    last = Copy(NOON).last_complete

    assert last is not None
    assert last.pk == ("later" if counts else "first")


def test_of_two_spiders_runs_the_last_to_end_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_age, "SPIDERS", {name: SpiderEntry("", {}) for name in ("quick", "slow")})
    make_run(id="slow", spider="slow", started_at=NOON, finished_at=NOON + 2 * HOUR, is_whole=True)
    make_run(id="quick", spider="quick", started_at=NOON + HOUR / 2, finished_at=NOON + HOUR, is_whole=True)

    last = Copy(NOON).last_complete

    assert last is not None
    assert last.pk == "slow"


@pytest.mark.parametrize(
    ("hours", "age", "fresh"),
    [
        pytest.param(0, None, None, id="age does not matter"),
        pytest.param(6, None, False, id="never complete"),
        pytest.param(6, 6 * HOUR, True, id="just fresh"),
        pytest.param(6, 6 * HOUR + timedelta(microseconds=1), False, id="just too old"),
        pytest.param(6, -HOUR, True, id="by a clock that is ahead"),
        pytest.param(10**30, 9_000 * HOUR, True, id="more hours than there are"),
    ],
)
def test_a_copy_is_fresh_up_to_an_age(settings: Any, hours: int, age: timedelta | None, fresh: bool | None) -> None:
    settings.DATA_MAX_AGE_HOURS = hours
    if age is not None:
        make_run(finished_at=NOON - age)

    assert Copy(NOON).is_fresh is fresh


# Nothing wrong -----------------------------------------------------------------------------------
def test_where_there_is_nothing_no_check_fails() -> None:
    assert monitoring.problems(NOON) == {}


def test_a_schedule_that_does_as_it_should_is_well() -> None:
    make_node()
    make_runs_of(make_schedule(next_run_at=NOON + HOUR), "complete", "complete", "complete")

    assert monitoring.problems(NOON) == {}


def test_a_schedule_that_is_disabled_is_nobodys_concern() -> None:
    make_runs_of(make_schedule(enabled=False, crontab="never"), "failed", "failed", "failed")

    assert monitoring.problems(NOON) == {}


# Data: by the setting, and by schedule -----------------------------------------------------------
def test_a_copy_older_than_the_setting_fails(settings: Any) -> None:
    settings.DATA_MAX_AGE_HOURS = 6
    make_run(finished_at=NOON - 7 * HOUR)

    assert monitoring.problems(NOON)["data"].startswith("No run of a whole source has been complete for 6 hours")


FRIDAY = datetime(2026, 2, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("crontab", "complete", "now", "is_failing"),
    [
        pytest.param("0 * * * *", NOON, NOON + 2 * HOUR + 59 * MINUTE, False, id="the second slot is not an hour old"),
        pytest.param("0 * * * *", NOON, NOON + 3 * HOUR, True, id="two slots have passed, the later one an hour ago"),
        pytest.param("0 * * * *", NOON + HOUR, NOON + 3 * HOUR, False, id="a run that was slow"),
        pytest.param("*/3 * * * *", NOON, NOON + 65 * MINUTE, False, id="every three minutes"),
        pytest.param("*/3 * * * *", NOON, NOON + 66 * MINUTE, True, id="every three minutes, for too long"),
        pytest.param("0 0 1 * *", FRIDAY - 5 * DAY, FRIDAY + 22 * DAY, False, id="once a month"),
        pytest.param(
            "*/3 9-17 * * mon-fri",
            FRIDAY + timedelta(hours=17, minutes=58),
            FRIDAY + timedelta(days=3, hours=10),
            False,
            id="on Monday, after a weekend off",
        ),
        pytest.param(
            "*/3 9-17 * * mon-fri",
            FRIDAY + timedelta(hours=17, minutes=58),
            FRIDAY + timedelta(days=3, hours=10, minutes=3),
            True,
            id="on Monday, for too long",
        ),
        pytest.param("0 * * * *", None, NOON, True, id="never complete"),
    ],
)
def test_data_fails_once_two_slots_and_an_hour_have_brought_nothing(
    crontab: str, complete: datetime | None, now: datetime, is_failing: bool
) -> None:
    make_node(heartbeat_at=now)
    schedule = make_schedule("the market", crontab=crontab)
    if complete:
        make_runs_of(schedule, "complete", last=complete)

    said = monitoring.problems(now).get("data", "")

    assert said.startswith('The schedule "the market" has had no complete run since ') is is_failing
    assert bool(said) is is_failing


@pytest.mark.parametrize(
    ("values", "is_failing"),
    [
        pytest.param({}, False, id="complete"),
        pytest.param({"verdict": "partial"}, True, id="partial"),
        pytest.param({"verdict": "running", "finished_at": None}, True, id="still running"),
        pytest.param({"schedule": None}, True, id="not the schedule's"),
        pytest.param({"queued_at": NOON - 5 * HOUR}, False, id="that took five hours"),
    ],
)
def test_of_its_own_complete_runs_the_last_counts(values: dict[str, Any], is_failing: bool) -> None:
    make_node()
    times = {"queued_at": NOON - HOUR, "started_at": NOON - HOUR, "finished_at": NOON}
    make_run(**{"schedule": make_schedule()} | times | values)

    assert ("data" in monitoring.problems(NOON)) is is_failing


def test_a_schedule_has_the_time_that_it_needs_from_its_last_change_on() -> None:
    make_node()
    make_schedule(changed_at=NOON - 119 * MINUTE)

    assert monitoring.problems(NOON) == {}


# Schedule ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("heartbeat", "changed", "said"),
    [
        pytest.param(MINUTE, DAY, "", id="a minute ago"),
        pytest.param(3 * MINUTE, DAY, "since 2026-02-05 11:57:00 UTC", id="three minutes ago"),
        pytest.param(GONE, DAY, "so far", id="never"),
        pytest.param(GONE, MINUTE, "", id="never, by a schedule that is new"),
    ],
)
def test_schedule_fails_where_no_scrapyd_is_alive(heartbeat: timedelta, changed: timedelta, said: str) -> None:
    make_schedule(changed_at=NOON - changed, crontab="0 0 1 1 *")
    if heartbeat != GONE:
        make_node(heartbeat_at=NOON - heartbeat)
        Node.objects.create(name="long gone", heartbeat_at=NOON - DAY)

    found = monitoring.problems(NOON).get("schedule", "")

    assert found.startswith(f"No scrapyd has had a heartbeat {said}: ") is bool(said)
    assert bool(found) is bool(said)


def test_one_new_schedule_does_not_hide_that_no_scrapyd_is_alive() -> None:
    make_schedule("new", changed_at=NOON - MINUTE)
    make_schedule("old", crontab="0 0 1 1 *")

    assert "No scrapyd" in monitoring.problems(NOON)["schedule"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"crontab": "61 * * * *"}, "'61 * * * *' is not a crontab. Its minute cannot be '61': "),
        ({"time_zone": "Mars/Olympus"}, "'Mars/Olympus' is not a time zone: "),
        ({"spider": "gone"}, "There is no spider 'gone'."),
        ({"arguments": {"pages": "many"}}, "pages=many is not valid: "),
        ({"arguments": ["pages"]}, "The arguments must be names with their values."),
        ({"arguments": 5}, "The arguments must be names with their values."),
        ({"arguments": {"order": "\n\u202ehidden"}}, "order=  hidden is not valid: "),
    ],
    ids=["crontab", "time zone", "spider", "argument", "arguments", "no arguments", "what cannot be shown"],
)
def test_a_schedule_that_cannot_run_is_named_with_the_reason(values: dict[str, Any], said: str) -> None:
    make_node()
    make_runs_of(make_schedule("other"), "complete")
    make_schedule("wrong", **values)

    found = monitoring.problems(NOON)

    assert list(found) == ["schedule"]
    assert found["schedule"].startswith(f'The schedule "wrong" cannot run: {said}')
    assert found["schedule"].endswith(" Correct or disable it in the admin.")
    assert found["schedule"].isprintable()


@pytest.mark.parametrize(
    ("overdue", "changed", "busy", "is_failing"),
    [
        pytest.param(6 * MINUTE, DAY, None, True, id="for minutes"),
        pytest.param(4 * MINUTE, DAY, None, False, id="for less"),
        pytest.param(6 * MINUTE, DAY, "running", False, id="while its spider runs"),
        pytest.param(6 * MINUTE, DAY, "pending", False, id="while its spider is about to run"),
        pytest.param(6 * MINUTE, MINUTE, None, False, id="of a schedule that was just enabled"),
        pytest.param(-MINUTE, DAY, None, False, id="not yet"),
    ],
)
def test_a_slot_that_is_overdue_while_its_spider_is_free_is_named(
    overdue: timedelta, changed: timedelta, busy: str | None, is_failing: bool
) -> None:
    make_node()
    schedule = make_schedule("late", changed_at=NOON - changed, next_run_at=NOON - overdue)
    make_runs_of(schedule, "complete")
    if busy:
        make_run(verdict=busy, schedule=None)

    assert ("is overdue" in monitoring.problems(NOON).get("schedule", "")) is is_failing


@pytest.mark.parametrize(("until", "is_failing"), [(NOON - 6 * MINUTE, True), (NOON - 4 * MINUTE, False)])
def test_a_slot_that_is_to_be_run_again_is_overdue_once_it_could_have_been(until: datetime, is_failing: bool) -> None:
    make_node()
    schedule = make_schedule("late", changed_at=NOON - DAY, next_run_at=NOON - 10 * MINUTE, not_before=until)
    make_runs_of(schedule, "complete")

    assert ("is overdue" in monitoring.problems(NOON).get("schedule", "")) is is_failing


@pytest.mark.parametrize(
    ("waits", "busy", "is_failing"),
    [
        pytest.param(6 * MINUTE, False, True, id="for minutes"),
        pytest.param(4 * MINUTE, False, False, id="for less"),
        pytest.param(6 * MINUTE, True, False, id="while its spider runs"),
    ],
)
def test_a_job_that_no_scrapyd_takes_up_is_named(waits: timedelta, busy: bool, is_failing: bool) -> None:
    make_node()
    make_run(verdict="pending", queued_at=NOON - waits)
    if busy:
        make_run(verdict="running")

    assert ("has been waiting since" in monitoring.problems(NOON).get("schedule", "")) is is_failing


# Runs --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("verdicts", "is_failing"),
    [
        pytest.param(["failed", "lost", "partial"], True, id="three of any kind"),
        pytest.param(["complete", "failed", "failed"], False, id="two"),
        pytest.param(["failed", "failed"], False, id="two, and no more yet"),
        pytest.param(["failed", "failed", "failed", "complete"], False, id="and then a complete one"),
        pytest.param(
            ["failed", "skipped", "failed", "interrupted", "failed", "skipped", "running"], True, id="others between"
        ),
        pytest.param(["skipped", "interrupted", "skipped", "skipped"], False, id="others alone"),
    ],
)
def test_runs_fails_once_three_in_a_row_were_not_complete(verdicts: list[str], is_failing: bool) -> None:
    make_node()
    make_runs_of(make_schedule(crontab="0 0 1 1 *"), *verdicts, every=10 * MINUTE)

    found = monitoring.problems(NOON)

    assert list(found) == (["runs"] if is_failing else [])


def test_runs_that_fail_are_told_with_verdicts_beginning_and_last_reason() -> None:
    make_node()
    make_runs_of(make_schedule("rare", crontab="0 0 1 1 *"), "failed", "lost", "partial")

    assert monitoring.problems(NOON) == {
        "runs": 'The last 3 runs of the schedule "rare", since 2026-02-05 09:59:00 UTC, were not complete '
        "(failed, lost, partial). The last one: the reason of 12:00."
    }


def test_jobs_that_could_not_even_begin_count() -> None:
    make_node()
    make_runs_of(make_schedule(crontab="0 0 1 1 *"), "failed", "failed", "failed")
    CrawlRun.objects.update(started_at=None)

    assert list(monitoring.problems(NOON)) == ["runs"]


def test_a_schedule_that_was_changed_begins_anew() -> None:
    make_node()
    make_runs_of(make_schedule(crontab="0 0 1 1 *", changed_at=NOON - 90 * MINUTE), "failed", "failed", "failed")

    assert monitoring.problems(NOON) == {}


# Rejected ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("before", "last", "is_failing"),
    [
        pytest.param(0, 9, False, id="a few"),
        pytest.param(0, 10, True, id="ten more than none"),
        pytest.param(5, 14, False, id="nine more"),
        pytest.param(5, 15, True, id="ten more"),
        pytest.param(100, 200, False, id="twice as many"),
        pytest.param(100, 201, True, id="more than twice as many"),
        pytest.param(200, 100, False, id="fewer"),
    ],
)
def test_rejected_fails_where_they_rise_within_a_day(before: int, last: int, is_failing: bool) -> None:
    make_node()
    schedule = make_schedule("much", crontab="0 0 * * *")
    make_runs_of(schedule, *["complete"] * 3, last=NOON - DAY)
    CrawlRun.objects.update(rejected=before)
    make_runs_of(schedule, "complete", "failed", "skipped", every=MINUTE)
    CrawlRun.objects.filter(verdict="complete", finished_at__gt=NOON - HOUR).update(rejected=last)

    found = monitoring.problems(NOON)

    assert list(found) == (["rejected"] if is_failing else [])
    assert not is_failing or f'"much" rejected {last} records, and that of a day before {before}: ' in found["rejected"]


@pytest.mark.parametrize(("statuses", "is_failing"), [(["resolved", "ignored"], False), (["resolved", "open"], True)])
def test_rejected_records_that_are_resolved_are_no_problem(statuses: list[str], is_failing: bool) -> None:
    make_node()
    schedule = make_schedule("much", crontab="0 0 * * *")
    make_runs_of(schedule, *["complete"] * 3, last=NOON - DAY)
    make_runs_of(schedule, "complete")
    last = CrawlRun.objects.get(finished_at=NOON)
    CrawlRun.objects.filter(pk=last.pk).update(rejected=20)
    for status in statuses:
        make_rejected(status, run=last, status=status)

    found = monitoring.problems(NOON)

    assert ("rejected" in found) is is_failing
    assert not is_failing or found["rejected"].endswith("Still open: 1.")


def test_rejected_records_of_a_first_day_are_compared_with_nothing() -> None:
    make_node()
    make_runs_of(make_schedule(crontab="0 0 * * *"), "complete", "complete", "complete")
    CrawlRun.objects.filter(finished_at=NOON).update(rejected=1_000)

    assert monitoring.problems(NOON) == {}


# Prices over time --------------------------------------------------------------------------------
@pytest.mark.parametrize("is_late", [False, True])
def test_observations_that_get_into_no_bar_for_two_days_are_a_problem(is_late: bool) -> None:
    flush(row("a", minutes=-1440 * 2), at=NOON - 2 * DAY - HOUR)
    rollup.roll_up(NOON)
    flush(row("b", minutes=-1440 * 2), at=NOON - 2 * DAY - is_late * MINUTE)

    found = monitoring.problems(NOON)

    assert list(found) == (["prices"] if is_late else [])
    assert not is_late or "stored since 2026-02-03 11:59:00 UTC are not in the bars" in found["prices"]


def test_days_that_wait_for_the_archive_for_two_days_are_a_problem(tmp_path: Path, settings: Settings) -> None:
    settings.ARCHIVE_URL = str(tmp_path)
    for days in reversed(range(6)):
        flush(row("a", minutes=-1440 * days), at=NOON - days * DAY)
    archive.write(Storage(settings.ARCHIVE_URL), (NOON - 4 * DAY).date())
    rollup.roll_up(NOON)

    found = monitoring.problems(NOON)

    assert list(found) == ["prices"]
    assert found["prices"].startswith("2 days of prices since 2026-01-31 are not archived")


@pytest.mark.parametrize("is_late", [False, True])
def test_an_archived_day_waits_again_since_its_newest_observation(
    tmp_path: Path, settings: Settings, is_late: bool
) -> None:
    settings.ARCHIVE_URL = str(tmp_path)
    flush(row("a", minutes=-1440 * 9), at=NOON - 9 * DAY)
    archive.write(Storage(settings.ARCHIVE_URL), (NOON - 9 * DAY).date())
    flush(row("b", minutes=-1440 * 9), at=NOON - 2 * DAY - is_late * MINUTE)
    rollup.roll_up(NOON)

    found = monitoring.problems(NOON)

    assert list(found) == (["prices"] if is_late else [])
    assert not is_late or found["prices"].startswith("1 day of prices since 2026-01-27 is not archived")


def test_without_an_archive_nothing_waits_for_it() -> None:
    flush(row("a", minutes=-1440 * 9), at=NOON - 9 * DAY)
    rollup.roll_up(NOON)

    assert monitoring.problems(NOON) == {}


# What it costs -----------------------------------------------------------------------------------
def make_failing_schedule(name: str) -> None:
    """A schedule with something wrong in every respect."""
    schedule = make_schedule(name, next_run_at=NOON - HOUR)
    make_runs_of(schedule, "partial", "partial", "partial", every=DAY)
    last = CrawlRun.objects.get(schedule=schedule, finished_at=NOON)
    CrawlRun.objects.filter(pk=last.pk).update(rejected=100)
    make_rejected(run=last, fingerprint=name)


def test_the_number_of_queries_does_not_grow_with_the_schedules() -> None:
    names = [f"hourly {20 - rank:02}" for rank in range(20)]
    make_failing_schedule(names[0])
    with CaptureQueriesContext(connection) as of_one:
        monitoring.problems(NOON)
    for name in names[1:]:
        make_failing_schedule(name)

    with CaptureQueriesContext(connection) as of_twenty:
        found = monitoring.problems(NOON)

    assert len(of_twenty) == len(of_one)
    for check in ("data", "schedule", "runs", "rejected"):
        assert re.findall(r"hourly \d\d", found[check]) == names  # in the order in which they were made
