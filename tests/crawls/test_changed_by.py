"""Which runs stored coins at a moment."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.factories import DAY, HOUR, MINUTE, NOON, SECOND, YEAR, make_run
from tests.support.runs import batch, begin
from webapp.coins.changes import changes_of
from webapp.coins.models import FullCoin
from webapp.crawls import recording
from webapp.crawls.changed_by import runs_storing_at
from webapp.crawls.models import CrawlRun
from webapp.crawls.models.run import LOST_AFTER
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

MILLISECOND, MICROSECOND = timedelta(milliseconds=1), timedelta(microseconds=1)


def make(key: str, start: datetime = NOON, minutes: float = 10, **values: Any) -> None:
    make_run(id=key, started_at=start, finished_at=start + minutes * MINUTE, **values)


def keys_at(moment: datetime) -> list[str]:
    return [run.pk for run in runs_storing_at([moment])[moment]]


def test_the_run_that_stored_a_coin_is_found_by_the_dates_of_its_fields() -> None:
    other = begin()
    recording.store(other, batch("other"), {})
    recording.finish(other, Verdict.COMPLETE)
    run = begin()
    recording.store(run, batch("bitcoin", symbol="btc"), {})
    coin = FullCoin.objects.get(pk="bitcoin")
    moment = changes_of(coin)["symbol"]
    assert moment

    while_it_runs = keys_at(moment)
    recording.finish(run, Verdict.COMPLETE)

    assert while_it_runs[0] == run.pk
    assert keys_at(moment)[0] == keys_at(coin.changed_at)[0] == run.pk


@pytest.mark.parametrize(
    ("after", "is_found"),
    [
        (-MILLISECOND, False),
        (timedelta(), True),  # the change may be up to a millisecond later
        (MINUTE, True),
        (10 * MINUTE, True),
        (10 * MINUTE + MILLISECOND, False),
        (YEAR, False),
    ],
    ids=str,
)
def test_a_run_stored_what_was_changed_from_its_beginning_to_its_end(after: timedelta, is_found: bool) -> None:
    make("run", NOON + 500 * MICROSECOND)

    assert keys_at(NOON + after) == ["run"] * is_found


def test_the_millisecond_in_which_a_run_ends_is_its_own() -> None:
    make("run", minutes=0)

    assert keys_at(NOON + 999 * MICROSECOND) == ["run"]


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_first_and_the_last_of_all_dates_have_no_run(moment: datetime) -> None:
    make("run")

    assert keys_at(moment) == []


@pytest.mark.parametrize("verdict", Verdict)
def test_every_run_that_has_begun_may_have_stored_coins(verdict: Verdict) -> None:
    make("run", verdict=verdict, heartbeat_at=NOON)

    assert keys_at(NOON) == ["run"] * (verdict not in (Verdict.PENDING, Verdict.SKIPPED))


@pytest.mark.parametrize(("after", "is_found"), [(MINUTE, True), (LOST_AFTER, True), (LOST_AFTER + SECOND, False)])
def test_a_run_that_is_running_stores_coins_as_long_as_it_is_alive(after: timedelta, is_found: bool) -> None:
    make_run(id="run", verdict=Verdict.RUNNING, started_at=NOON - HOUR, heartbeat_at=NOON)

    assert keys_at(NOON + after) == ["run"] * is_found


def test_runs_that_store_no_coins_are_left_out() -> None:
    make("markets")
    make("history", NOON + MINUTE, spider="history")
    make("skipped", NOON + 2 * MINUTE, 0, verdict=Verdict.SKIPPED)

    assert keys_at(NOON + 3 * MINUTE) == ["markets"]


def test_runs_of_two_spiders_at_once_are_both_found_the_newest_first() -> None:
    make("long", spider="mirror", minutes=60)
    for number in range(6):
        make(f"short {number}", NOON + number * 10 * MINUTE, 5)

    assert keys_at(NOON + 33 * MINUTE) == ["short 3", "long"]
    assert keys_at(NOON + 38 * MINUTE) == ["long"]


def test_a_run_that_was_deleted_leaves_nobody() -> None:
    make("before", NOON - HOUR)
    make("after", NOON + HOUR)

    assert keys_at(NOON) == []


def test_all_moments_are_one_query() -> None:
    for number in range(40):
        make(str(number), NOON + number * HOUR, verdict=Verdict.FAILED if number % 3 else Verdict.COMPLETE)
    moments = [NOON + number * HOUR + MINUTE for number in range(40)]

    with CaptureQueriesContext(connection) as queries:
        found = runs_storing_at([*moments, *moments])
    with CaptureQueriesContext(connection) as none:
        nothing = runs_storing_at([])

    assert {moment: [run.pk for run in runs] for moment, runs in found.items()} == {
        moment: [str(number)] for number, moment in enumerate(moments)
    }
    assert (len(queries), nothing, len(none)) == (1, {}, 0)


def test_no_other_runs_are_read_however_many_there_are() -> None:
    """Those of another spider, say, which began later: PostgreSQL would like to read them one after the other."""
    times = [NOON - number * MINUTE for number in range(2_000)]
    facts: dict[str, Any] = {"spider": "markets", "verdict": Verdict.COMPLETE}
    CrawlRun.objects.bulk_create(CrawlRun(**facts, queued_at=time, started_at=time) for time in times)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE crawls_crawlrun")
        with CaptureQueriesContext(connection) as queries:
            runs_storing_at([NOON, NOON - DAY])
        explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {queries[0]['sql']}")
        plan = "\n".join(str(line[-1]) for line in cursor.fetchall())

    assert "runs_by_verdict" in plan
    assert "runs_newest_first" not in plan
