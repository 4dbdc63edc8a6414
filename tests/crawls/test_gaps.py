"""Gaps in the prices of a coin, and what explains that it has no bars."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from tests.support.factories import DAY, HOUR, MINUTE, NOON, make_coin, make_run, make_schedule
from webapp.coins.models import CoveredSpan, FullCoin, PriceAbsence, PriceBar, PriceHour, PriceSeries
from webapp.coins.prices.tiers import Step
from webapp.crawls.gaps import Gap, Gaps

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]
MIDNIGHT = NOON - 12 * HOUR
NOW = NOON + 10 * HOUR + MINUTE


def make_bars(*hours: int, coin: FullCoin, step: Step = Step.HOUR) -> PriceSeries:
    """Bars that begin so many hours after noon, or days after midnight, with a last observation in their middle."""
    series, _ = PriceSeries.objects.get_or_create(coin_id=coin.pk)
    prices: dict[str, Any] = dict.fromkeys(("open", "high", "low", "close"), Decimal(1))
    for hour in hours:
        time = (NOON if step == Step.HOUR else MIDNIGHT) + hour * step.length
        PriceBar.objects.create(
            series=series, step=step, time=time, last_at=time + step.length / 2, observations=1, **prices
        )
    return series


@pytest.fixture
def coin() -> FullCoin:
    """On the market since noon."""
    return make_coin(current_price=Decimal(1), market_cap_rank=100)


def hours(coin: FullCoin, now: datetime = NOW) -> list[tuple[float, float]]:
    """The gaps of hours, each from and until so many hours after noon."""
    return [((gap.since - NOON) / HOUR, (gap.until - NOON) / HOUR) for gap in Gaps(now).of(coin, Step.HOUR)]


def test_hours_without_a_bar_are_gaps(coin: FullCoin) -> None:
    make_bars(0, 1, 4, 5, 7, coin=coin)

    assert hours(coin) == [(2, 4), (6, 7), (8, 10)]


def test_a_coin_without_bars_is_one_gap_since_it_came(coin: FullCoin) -> None:
    assert hours(coin) == [(1, 10)]
    assert Gaps(NOW + 2 * DAY).of(coin, Step.DAY) == [Gap(Step.DAY, MIDNIGHT + DAY, MIDNIGHT + 2 * DAY)]


def test_a_coin_that_has_never_had_a_price_has_no_gap() -> None:
    assert hours(make_coin("unpriced")) == []


def test_after_the_coin_has_left_the_market_nothing_is_missing(coin: FullCoin) -> None:
    make_bars(0, 1, 2, coin=coin)
    coin.missing_since = NOON + 5 * HOUR + MINUTE

    assert hours(coin) == [(3, 5)]


def test_what_has_not_been_rolled_up_yet_is_not_missing(coin: FullCoin) -> None:
    make_bars(0, 1, coin=coin)
    PriceHour.objects.create(time=NOON + 4 * HOUR, changed_at=NOW)

    assert hours(coin) == [(2, 4)]


def test_hours_are_missing_only_as_long_as_hours_are_kept(coin: FullCoin) -> None:
    make_bars(0, 1, coin=coin)

    now = NOW + 91 * DAY
    assert Gaps(now).of(coin, Step.HOUR) == [Gap(Step.HOUR, NOON + DAY + 11 * HOUR, Step.HOUR.start(now))]


def test_days_are_missing_only_as_long_as_runs_are_kept(coin: FullCoin, settings: Settings) -> None:
    settings.RUN_HISTORY_DAYS = 30
    make_bars(0, coin=coin, step=Step.DAY)

    assert Gaps(NOW + 40 * DAY).of(coin, Step.DAY) == [Gap(Step.DAY, MIDNIGHT + 10 * DAY, MIDNIGHT + 40 * DAY)]


def test_what_was_asked_for_is_no_gap(coin: FullCoin) -> None:
    series = make_bars(0, 9, coin=coin)
    for since, until in ((2, 3), (5, 6.5)):
        CoveredSpan.objects.create(series=series, step=Step.HOUR, since=NOON + since * HOUR, until=NOON + until * HOUR)
    CoveredSpan.objects.create(series=series, step=Step.DAY, since=NOON, until=NOW)

    assert hours(coin) == [(1, 2), (3, 5), (6.5, 9)]


def test_what_explains_that_bars_are_missing_may_overlap(coin: FullCoin) -> None:
    series = make_bars(0, 9, coin=coin)
    CoveredSpan.objects.create(series=series, step=Step.HOUR, since=NOON + 4 * HOUR, until=NOON + 8 * HOUR)
    for since, until in ((2.2, 2.8), (5.1, 5.2)):
        PriceAbsence.objects.create(series=series, since=NOON + since * HOUR, until=NOON + until * HOUR)

    assert hours(coin) == [(1, 2), (3, 4), (8, 9)]


def test_a_coin_that_a_complete_run_found_unchanged_is_not_missing_until_then(coin: FullCoin) -> None:
    make_bars(0, 8, coin=coin)
    for start, end in ((0.2, 0.4), (3, 3.1), (5, 5.1), (7.9, 8.4)):
        make_run(started_at=NOON + start * HOUR, finished_at=NOON + end * HOUR)
    make_run(started_at=NOON + 6 * HOUR, finished_at=NOON + 6.1 * HOUR, arguments={"pages": 1})
    make_run(started_at=NOON + 7 * HOUR, finished_at=NOON + 7.1 * HOUR, verdict="partial")
    make_run(started_at=NOON + 7.2 * HOUR, finished_at=NOON + 7.3 * HOUR, stores_prices=False)

    # The run that began at 7.9 may have asked for the coin after its new price had come.
    assert hours(coin) == [(6, 8), (9, 10)]


def test_the_run_that_found_the_coin_missing_does_not_prove_that_it_was_unchanged(coin: FullCoin) -> None:
    make_bars(0, coin=coin)
    coin.missing_since = NOON + 6.1 * HOUR
    make_run(started_at=NOON + 6 * HOUR, finished_at=NOON + 6.1 * HOUR)

    assert hours(coin) == [(1, 6)]


def test_a_run_while_the_coin_was_missing_proves_nothing(coin: FullCoin) -> None:
    series = make_bars(0, 8, coin=coin)
    PriceAbsence.objects.create(series=series, since=NOON + 5.2 * HOUR, until=NOON + 6.8 * HOUR)
    make_run(started_at=NOON + 6 * HOUR, finished_at=NOON + 6.1 * HOUR)

    assert hours(coin) == [(1, 5), (7, 8), (9, 10)]


def test_the_run_that_has_noticed_an_absence_proves_nothing_after_it(coin: FullCoin) -> None:
    series = make_bars(0, 9, coin=coin)
    # It ended when the absence began. SQLite notes the end of a run in milliseconds.
    make_run(started_at=NOON + 5 * HOUR, finished_at=NOON + 5.1 * HOUR - timedelta(milliseconds=1))
    PriceAbsence.objects.create(series=series, since=NOON + 5.1 * HOUR, until=NOON + 7.1 * HOUR)

    assert hours(coin) == [(1, 5), (8, 9)]


def test_a_run_in_the_hour_of_the_next_price_counts_if_it_was_before_that(coin: FullCoin) -> None:
    make_bars(0, 8, coin=coin)
    PriceBar.objects.filter(time=NOON + 8 * HOUR).update(last_at=NOON + 8.5 * HOUR)
    make_run(started_at=NOON + 8.2 * HOUR, finished_at=NOON + 8.3 * HOUR)

    assert hours(coin) == [(9, 10)]


def test_a_bar_of_several_prices_may_begin_with_one(coin: FullCoin) -> None:
    make_bars(0, 8, coin=coin)
    PriceBar.objects.filter(time=NOON + 8 * HOUR).update(last_at=NOON + 8.5 * HOUR, observations=2)
    make_run(started_at=NOON + 8.2 * HOUR, finished_at=NOON + 8.3 * HOUR)

    assert hours(coin) == [(1, 8), (9, 10)]


def test_what_a_run_explains_stays_explained_when_the_history_is_fetched(coin: FullCoin) -> None:
    series = make_bars(0, coin=coin)
    make_run(started_at=NOON + 7.8 * HOUR, finished_at=NOON + 7.9 * HOUR)
    before = hours(coin)
    make_bars(4, 5, 6, 7, 8, 9, coin=coin)
    PriceBar.objects.filter(time__gt=NOON).update(observations=0)
    CoveredSpan.objects.create(series=series, step=Step.HOUR, since=NOON + 4 * HOUR, until=NOON + 10 * HOUR)

    assert (before, hours(coin)) == ([(8, 10)], [])


def test_bars_that_were_fetched_do_not_hide_that_the_coin_has_changed_since(coin: FullCoin) -> None:
    make_bars(0, 4, 6, coin=coin)
    PriceBar.objects.filter(time=NOON + 4 * HOUR).update(observations=0)
    make_run(started_at=NOON + 6.8 * HOUR, finished_at=NOON + 6.9 * HOUR)

    assert hours(coin) == [(1, 4), (5, 6), (7, 10)]


def test_the_first_bar_may_be_one_that_was_fetched(coin: FullCoin) -> None:
    make_bars(4, 6, coin=coin)
    PriceBar.objects.filter(time=NOON + 4 * HOUR).update(observations=0)
    make_run(started_at=NOON + 5 * HOUR, finished_at=NOON + 5.1 * HOUR)

    assert hours(coin) == [(7, 10)]


def test_a_price_may_be_dated_ahead_of_the_run_that_has_brought_it(coin: FullCoin) -> None:
    make_bars(0, 8, coin=coin)
    PriceBar.objects.filter(time=NOON + 8 * HOUR).update(last_at=NOON + 8 * HOUR + 3 * MINUTE)
    make_run(started_at=NOON + 7.8 * HOUR, finished_at=NOON + 7.9 * HOUR)

    assert hours(coin) == [(1, 8), (9, 10)]


def test_a_run_before_the_last_observation_proves_nothing(coin: FullCoin) -> None:
    make_bars(0, 4, coin=coin)
    make_run(started_at=NOON + 0.4 * HOUR, finished_at=NOON + 0.45 * HOUR)

    assert hours(coin, NOON + 5 * HOUR) == [(1, 4)]


@pytest.mark.parametrize(
    ("crontab", "arguments", "found"),
    [
        ("0 * * * *", {}, [(1, 4), (5, 10)]),
        ("0 */6 * * *", {}, []),
        ("0 */5 * * *", {}, [(5, 10)]),
        ("0 */6 * * *", {"order": "market_cap_desc", "pages": 1}, []),
        ("0 */6 * * *", {"order": "market_cap_desc", "pages": 1, "per_page": 99}, [(1, 4), (5, 10)]),
        ("0 */6 * * *", {"order": "volume_desc", "pages": 1}, [(1, 4), (5, 10)]),
        ("0 */6 * * *", {"category": "layer-1"}, [(1, 4), (5, 10)]),
        ("0 */6 * * *", {"ids": ["bitcoin"]}, []),
        ("0 */6 * * *", {"ids": ["ethereum"]}, [(1, 4), (5, 10)]),
        ("0 5,6,7 * * *", {}, []),
    ],
)
def test_a_pause_between_two_slots_is_no_gap(
    crontab: str, arguments: dict[str, Any], found: list[tuple[float, float]], coin: FullCoin
) -> None:
    make_bars(0, 4, coin=coin)
    make_schedule(crontab=crontab, arguments=arguments)

    assert hours(coin) == found


def test_the_schedule_that_crawls_a_coin_most_often_counts(coin: FullCoin) -> None:
    make_bars(0, 4, coin=coin)
    make_schedule("whole", crontab="0 */6 * * *", arguments={})
    make_schedule("biggest", crontab="*/3 * * * *", arguments={"order": "market_cap_desc", "pages": 1})
    make_schedule("off", crontab="* * * * *", arguments={}, enabled=False)
    make_schedule("past", crontab="* * * * *", spider="history", arguments={"top": 250})

    assert hours(coin) == [(1, 4), (5, 10)]
    assert hours(make_coin("small", current_price=Decimal(1))) == [(1, 10)]


def test_each_of_many_coins_has_a_pause_of_its_own(coin: FullCoin) -> None:
    seldom = make_coin("small", current_price=Decimal(1))
    make_schedule("whole", crontab="0 */6 * * *", arguments={})
    make_schedule("biggest", crontab="*/3 * * * *", arguments={"order": "market_cap_desc", "pages": 1})
    for one in (coin, seldom):
        make_bars(0, 4, 9, coin=one)

    found = Gaps(NOW).of_each([coin, seldom], Step.HOUR)

    assert [[(gap.since - NOON) / HOUR for gap in found[one.pk]] for one in (coin, seldom)] == [[1, 5], []]


def test_the_gaps_of_many_coins_take_as_many_queries_as_those_of_one() -> None:
    coins = [make_coin(f"coin-{number}", current_price=Decimal(1)) for number in range(20)]
    for one in coins:
        make_bars(0, 4, coin=one)
    gaps = Gaps(NOW)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = gaps.of_each(coins, Step.HOUR)

    assert {tuple(each) for each in found.values()} == {tuple(gaps.of(coins[0], Step.HOUR))}
    assert len(queries) <= 6
