"""How long runs are kept: a year, and longer what is asked for later."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now, TruncMonth
from django.test.utils import CaptureQueriesContext

from webapp.crawls import past_runs, recording
from webapp.crawls.models import CrawlRun, CrawlSchedule, RejectedRecord
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

runs = CrawlRun.objects
A = "https://a.example/"


@pytest.fixture(autouse=True)
def _a_year(settings: Any) -> None:
    settings.RUN_HISTORY_DAYS = 365


def run(key: str, days: float = 400, verdict: str = Verdict.PARTIAL, **values: Any) -> CrawlRun:
    """One that began and ended so many days ago."""
    when = Now() - timedelta(days=days)
    return runs.create(
        **{"pk": key, "spider": "markets", "verdict": verdict, "started_at": when, "finished_at": when} | values
    )


def kept() -> set[str]:
    return set(runs.values_list("pk", flat=True))


def test_runs_are_kept_a_year() -> None:
    run("older", 366)
    run("younger", 364)

    assert past_runs.forget_old() == 1

    assert kept() == {"younger"}


@pytest.mark.parametrize(
    ("days", "left"),
    [(0, {"old", "older"}), (500, {"old"}), (100_000, {"old", "older"}), (10**12, {"old", "older"})],
)
def test_or_as_long_as_the_setting_says(days: int, left: set[str], settings: Any) -> None:
    settings.RUN_HISTORY_DAYS = days
    run("old", 400)
    run("older", 600)

    past_runs.forget_old()

    assert kept() == left


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict not in ("pending", "running")])
def test_whatever_they_have_proved(verdict: Verdict) -> None:
    run("old", verdict=verdict)
    run("new", 0, verdict)

    assert past_runs.forget_old() == 1

    assert kept() == {"new"}


def test_what_was_stopped_while_it_waited_is_forgotten_too() -> None:
    run("old", verdict=Verdict.SKIPPED, started_at=None)
    run("new", 1, verdict=Verdict.SKIPPED, started_at=None)

    past_runs.forget_old()

    assert kept() == {"new"}


@pytest.mark.parametrize("verdict", [Verdict.PENDING, Verdict.RUNNING])
@pytest.mark.parametrize("ended", [None, datetime(2020, 1, 1, tzinfo=UTC)])
def test_what_waits_or_runs_is_not(verdict: str, ended: datetime | None) -> None:
    run("old", verdict=verdict, finished_at=ended)

    assert past_runs.forget_old() == 0


def test_the_months_runs_stay_because_its_credits_are_counted_from_them(settings: Any) -> None:
    settings.RUN_HISTORY_DAYS = 1
    run("this month", started_at=TruncMonth(Now()), credits=7)
    run("last month", started_at=TruncMonth(Now()) - timedelta(days=2), credits=7)

    past_runs.forget_old()

    assert kept() == {"this month"}
    assert recording.begin("markets", {}, monthly_credits=7).verdict == Verdict.SKIPPED


def test_the_last_complete_run_of_each_scope_stays() -> None:
    for key, days, spider, arguments in [
        ("whole, older", 500, "markets", {}),
        ("whole", 400, "markets", {}),
        ("narrow", 600, "markets", {"pages": 1}),
        ("narrow, older", 700, "markets", {"pages": 1}),
        ("seen since, old", 400, "markets", {"ids": ["a", "b"]}),
        ("seen since", 1, "markets", {"ids": ["a", "b"]}),
        ("mirror", 400, "mirror", {}),
    ]:
        run(key, days, Verdict.COMPLETE, spider=spider, arguments=arguments)
    run("whole, not complete", 390, Verdict.PARTIAL)

    assert past_runs.forget_old() == 4

    assert kept() == {"whole", "narrow", "seen since", "mirror"}


def test_the_last_complete_run_with_news_of_a_source_stays() -> None:
    """Its scope has been complete since, without news."""
    changed = {"spider": "mirror", "arguments": {"url": A, "only": "changed"}}
    run("older news", 500, Verdict.COMPLETE, **changed, newest_change=Now())
    run("news", 400, Verdict.COMPLETE, **changed, newest_change=Now() - timedelta(days=400))
    run("no news", 390, Verdict.COMPLETE, **changed)
    known = past_runs.newest_change("mirror", A)

    past_runs.forget_old()

    assert kept() == {"news", "no news"}
    assert past_runs.newest_change("mirror", A) == known


def test_a_schedules_last_run_stays() -> None:
    last = run("last")
    CrawlSchedule.objects.create(name="rare", spider="markets", crontab="0 0 29 2 *", last_run=last)
    CrawlSchedule.objects.create(name="new", spider="markets", crontab="0 0 29 2 *")

    assert past_runs.forget_old() == 0


@pytest.mark.parametrize("status", RejectedRecord.Status)
def test_a_rejected_record_goes_with_the_last_run_that_saw_it(status: str) -> None:
    for last_run in (run("old"), run("new", 1)):
        RejectedRecord.objects.create(
            run=last_run, page="1", raw="{}", reasons="x", fingerprint=last_run.pk, status=status
        )

    assert past_runs.forget_old() == 1

    assert RejectedRecord.objects.get().run_id == "new"


def test_many_go_in_batches_also_past_one_of_which_all_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past_runs, "BATCH", 2)
    for number, pages in enumerate([0, 0, 1, 1, 4, 5, 1, 0, 0]):
        run(str(number), 400 + number, Verdict.COMPLETE, arguments={"pages": pages})

    with CaptureQueriesContext(connection) as queries:
        assert past_runs.forget_old() == 5

    assert kept() == {"0", "2", "4", "5"}
    assert sum(query["sql"].startswith('DELETE FROM "crawls_crawlrun"') for query in queries) == 4


@pytest.mark.parametrize(
    ("spider", "arguments", "whole"),
    [
        pytest.param("mirror", {"url": A}, True, id="an address"),
        pytest.param("mirror", {"url": f"{A}?vs=usd"}, True, id="the source's own query"),
        pytest.param("mirror", {"url": f"{A}?category=x"}, False, id="another query"),
        pytest.param("mirror", {"url": A, "only": "changed"}, False, id="changes"),
        pytest.param("mirror", {"url": A, "prices": "day"}, True, id="prices besides"),
        pytest.param("mirror", {}, True, id="without an address"),
        pytest.param("markets", {"order": "id_asc"}, True, id="an order"),
        pytest.param("markets", {"pages": 1}, False, id="pages"),
        pytest.param("unknown", {}, False, id="a spider that is not in the catalog"),
    ],
)
def test_a_run_is_whole_that_neither_an_argument_nor_a_query_has_narrowed(
    settings: Any, spider: str, arguments: dict[str, Any], whole: bool
) -> None:
    settings.MIRROR_URL = f"{A}?vs=usd"

    begun = recording.begin(spider, arguments)

    assert begun.is_whole is whole
    assert (begun in past_runs.whole_runs(spider)) is whole


# What complete runs had ------------------------------------------------------------------------------


def test_of_each_field_the_greatest_share_that_two_runs_in_a_row_had_is_usual() -> None:
    run("first", 8, Verdict.COMPLETE, filled={"coin_id": 100, "ath": 100, "roi": 1, "old": 7})
    run("second", 7, Verdict.COMPLETE, filled={"coin_id": 100, "ath": 90, "roi": 2, "old": 7})
    run("odd", 6, Verdict.COMPLETE, filled={"coin_id": 100, "ath": 95, "roi": 100, "old": 7})
    run("partial", 5, Verdict.PARTIAL, filled={"coin_id": 100, "roi": 100})
    run("narrow", 5, Verdict.COMPLETE, filled={"coin_id": 100, "roi": 100}, arguments={"pages": 1})
    run("other", 5, Verdict.COMPLETE, filled={"coin_id": 100, "roi": 100}, spider="mirror")
    run("by degrees", 4, Verdict.COMPLETE, filled={"coin_id": 200, "ath": 40, "roi": 6})
    run("none", 3, Verdict.COMPLETE)

    usual = past_runs.usual_shares("markets", {})

    assert usual == {"coin_id": 1.0, "ath": 0.9, "roi": 0.03, "old": 0.07}


def test_a_single_run_is_usual_by_itself() -> None:
    run("first", 1, Verdict.COMPLETE, filled={"coin_id": 100, "ath": 50})

    assert past_runs.usual_shares("markets", {}) == {"coin_id": 1.0, "ath": 0.5}


def test_a_share_of_long_ago_is_no_longer_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past_runs, "RUNS_COMPARED", 2)
    for days, count in ((3, 100), (2, 50), (1, 20)):
        run(str(days), days, Verdict.COMPLETE, filled={"coin_id": 100, "ath": count})

    assert past_runs.usual_shares("markets", {})["ath"] == 0.2


def test_where_no_run_was_complete_nothing_is_usual() -> None:
    assert past_runs.usual_shares("markets", {}) == {}
