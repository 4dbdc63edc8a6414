"""Which coins a run of `history` asks for, and how it counts what it stores."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.support.factories import DAY, HOUR, NOON, make_coin, make_run, make_schedule
from tests.support.runs import counts
from webapp.coins import clock
from webapp.coins.cleaning import Rejection
from webapp.coins.models import CoveredSpan, FullCoin, PriceBar, PriceSeries
from webapp.coins.prices.points import Chart, PastBar
from webapp.coins.prices.tiers import Step
from webapp.crawls import recording
from webapp.crawls.batch import Memory
from webapp.crawls.models import CrawlRun, RejectedRecord
from webapp.crawls.past import ChartBatch, Plan

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]
NOW = NOON + 10 * HOUR


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "database_clock", lambda using="": NOW)


@pytest.fixture(autouse=True)
def _coins() -> None:
    """On the market since noon: two with a rank, one without, and one that is missing."""
    for coin_id, rank in (("second", 2), ("first", 1), ("unranked", None)):
        make_coin(coin_id, current_price=Decimal(1), market_cap_rank=rank)
    make_coin("gone", current_price=Decimal(1), market_cap_rank=3, missing_since=NOON)


def wanted(**arguments: Any) -> list[tuple[str, int]]:
    """What a run asks for: coins with days."""
    plan = Plan("history", arguments)
    for step in plan.steps():
        step()
    return [(one.coin_id, one.days) for one in plan.wanted]


def make_bars(coin_id: str, *times: datetime, step: Step = Step.HOUR) -> PriceSeries:
    series, _ = PriceSeries.objects.get_or_create(coin_id=coin_id)
    prices: dict[str, Any] = dict.fromkeys(("open", "high", "low", "close"), Decimal(1))
    for time in times:
        PriceBar.objects.create(series=series, step=step, time=time, last_at=time, observations=1, **prices)
    return series


# The coins -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "coins"),
    [
        ({"ids": ["unranked", "unknown"]}, [("unranked", 90), ("unknown", 90)]),
        ({"top": 2}, [("first", 90), ("second", 90)]),
        ({"top": 9, "days": 7}, [("first", 7), ("second", 7), ("unranked", 7)]),
    ],
    ids=["named", "the biggest", "all, the biggest first"],
)
def test_the_coins_that_are_named_or_the_biggest(arguments: dict[str, Any], coins: list[tuple[str, int]]) -> None:
    assert wanted(**arguments) == coins


def test_only_the_coins_with_gaps_that_a_schedule_crawls() -> None:
    make_schedule(arguments={"order": "market_cap_desc", "pages": 1, "per_page": 2}, crontab="* * * * *")
    make_bars("first", *(NOON + hour * HOUR for hour in range(10)))

    assert wanted(only="gaps") == [("second", 1)]
    assert wanted(only="gaps", ids=["first", "unranked"]) == []


def test_without_a_schedule_all_coins_on_the_market_may_have_gaps() -> None:
    assert wanted(only="gaps") == [("first", 1), ("second", 1), ("unranked", 1)]


@pytest.mark.parametrize(
    ("since", "hours_since", "days_since", "days"),
    [
        (NOON, NOON + 4 * HOUR, NOON, 1),
        (NOON - 50 * HOUR, NOON - 18 * HOUR, NOON - 50 * HOUR, 2),
        (NOON - 100 * DAY, None, NOON - 80 * DAY, 100),
        (NOON - 100 * DAY, NOON - 20 * DAY, NOON - 80 * DAY, 21),
        (NOON - 800 * DAY, None, NOON - 80 * DAY, 365),
    ],
    ids=["six hours", "28 hours", "days", "hours and days", "longer than the API has prices"],
)
def test_a_coin_with_gaps_is_asked_for_as_long_as_they_go_back_hours_first(
    since: datetime, hours_since: datetime | None, days_since: datetime, days: int
) -> None:
    """It has all hours before `hours_since`, or all, and all days after `days_since`."""
    make_schedule(arguments={"ids": ["first"]}, crontab="* * * * *")
    FullCoin.objects.filter(pk="first").update(first_seen_at=since)
    series = PriceSeries.objects.create(coin_id="first")
    spans = {Step.HOUR: (since, hours_since or NOW), Step.DAY: (days_since, NOW)}
    for step, (begin, end) in spans.items():
        CoveredSpan.objects.create(series=series, step=step, since=begin, until=end)

    assert wanted(only="gaps") == [("first", days)]
    assert wanted(only="gaps", days=1) == ([("first", 1)] if hours_since else [])


# A run that goes on where another ended --------------------------------------------------------------


def asked_for(coin_id: str, until: datetime, step: Step = Step.HOUR, days: int = 90) -> None:
    series, _ = PriceSeries.objects.get_or_create(coin_id=coin_id)
    CoveredSpan.objects.create(series=series, step=step, since=until - days * DAY, until=step.start(until))


def unfinished(began: datetime, ended: datetime, verdict: str = "lost", **values: Any) -> CrawlRun:
    facts = {"spider": "history", "arguments": {"top": 2}, "started_at": began, "finished_at": ended}
    return make_run(verdict=verdict, **facts | values)


@pytest.mark.parametrize("verdict", ["lost", "interrupted", "failed", "running"])
def test_a_run_goes_on_where_an_unfinished_one_ended(verdict: str) -> None:
    unfinished(NOW - 3 * HOUR, NOW - 2 * HOUR, verdict)
    asked_for("first", NOW - 2.5 * HOUR)

    assert wanted(top=2) == [("second", 90)]


def test_several_unfinished_runs_are_one() -> None:
    unfinished(NOW - 20 * HOUR, NOW - 15 * HOUR)
    unfinished(NOW - 9 * HOUR, NOW - 9 * HOUR, "skipped")
    unfinished(NOW - 8 * HOUR, NOW - 7 * HOUR)
    asked_for("first", NOW - 19 * HOUR)

    assert wanted(top=2) == [("second", 90)]


@pytest.mark.parametrize(
    ("unfinished_run", "span"),
    [
        ({"arguments": {"top": 3}}, {}),
        ({"spider": "markets"}, {}),
        ({"verdict": "complete"}, {}),
        ({"verdict": "partial"}, {}),
        ({"ended": NOW - 13 * HOUR}, {}),
        ({}, {"until": NOW - 15 * HOUR}),
        ({}, {"days": 89}),
    ],
    ids=[
        "other arguments",
        "another spider",
        "a complete run",
        "a partial run",
        "long ago",
        "asked for before",
        "for fewer days",
    ],
)
def test_nothing_else_is_left_out(unfinished_run: dict[str, Any], span: dict[str, Any]) -> None:
    unfinished(**{"began": NOW - 14 * HOUR, "ended": NOW - 2 * HOUR} | unfinished_run)
    asked_for("first", **{"until": NOW - 13.5 * HOUR} | span)

    assert wanted(top=2) == [("first", 90), ("second", 90)]


def test_days_count_as_hours_do() -> None:
    unfinished(NOW - 3 * HOUR, NOW - 2 * HOUR, arguments={"top": 2, "days": 365})
    asked_for("second", NOW - 2 * HOUR, Step.DAY, days=365)

    assert wanted(top=2, days=365) == [("first", 365)]


# How a chart is stored -------------------------------------------------------------------------------


def chart(*prices: int, rejected: bool = False) -> Chart:
    """Bars of an hour with these prices, from noon on."""
    bars = [
        PastBar(time=time, open=price, high=price, low=price, close=price, last_at=time, points=2)
        for time, price in ((NOON + hour * HOUR, Decimal(price)) for hour, price in enumerate(prices))
    ]
    rejection = Rejection("first", "first", ("price: a text, not a number",)) if rejected else None
    return Chart("first", Step.HOUR, bars, NOON, NOW, 9, [["x", "y"]] if rejected else [], rejection)


def begin() -> CrawlRun:
    return recording.begin("history", {"top": 2})


def test_a_run_counts_bars() -> None:
    run, memory = begin(), Memory()

    recording.store(run, ChartBatch(chart(1, 2, 3), memory), {})
    recording.store(run, ChartBatch(chart(1, 7, 3, 4), memory), {})

    assert counts(run) == {"seen": 7, "created": 4, "updated": 1, "unchanged": 2}


def test_the_points_of_a_coin_that_cannot_be_stored_are_one_rejected_record() -> None:
    run, memory = begin(), Memory()

    recording.store(run, ChartBatch(chart(1, 2, rejected=True), memory), {})

    record = RejectedRecord.objects.get()
    assert counts(run) == {"seen": 3, "created": 2, "rejected": 1}
    assert (record.coin_id, record.page, record.raw) == ("first", "the chart of first", '[["x", "y"]]')
    assert (record.reasons, record.status) == ("price: a text, not a number", "open")


def test_the_rejected_points_of_a_coin_are_resolved_by_its_next_chart_and_by_no_price() -> None:
    run, memory = begin(), Memory()
    recording.store(run, ChartBatch(chart(rejected=True), memory), {})

    RejectedRecord.objects.resolve(["first"], "markets")
    after_a_price = RejectedRecord.objects.get().status
    recording.store(run, ChartBatch(chart(1), memory), {})

    assert (after_a_price, RejectedRecord.objects.get().status) == ("open", "resolved")


def test_rejected_points_that_a_run_does_not_keep_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.crawls.batch.MAX_KEPT", 0)
    run, memory = begin(), Memory()

    recording.store(run, ChartBatch(chart(1, rejected=True), memory), {})

    assert (memory.not_kept, RejectedRecord.objects.count()) == (1, 0)
    assert counts(run) == {"seen": 2, "created": 1, "rejected": 1}


def test_a_chart_whose_answer_was_lost_is_stored_and_counted_once() -> None:
    run = begin()
    recording.store(run, ChartBatch(chart(1, 2), Memory()), {})
    run.flushes -= 1  # as if the answer to its COMMIT had not come

    recording.store(run, ChartBatch(chart(1, 2), Memory()), {})

    assert counts(run) == {"seen": 2, "created": 2}
