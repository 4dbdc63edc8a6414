"""Charts: a coin's prices, each period in the finest tier that is stored."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest
from pytest_django import Settings

from tests.support.factories import DAY, HOUR, MINUTE, NOON, make_coin, row
from tests.support.prices import Key, Simulation, flush, make_bar, make_price
from webapp.coins.models import Price, PriceBar
from webapp.coins.prices import rollup
from webapp.coins.prices.reading import PricePoint, chart, even_chart
from webapp.coins.prices.tiers import Step

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

MIDNIGHT = NOON - 12 * HOUR
MICROSECOND = timedelta(microseconds=1)


def coarsened(observed: Mapping[Key, tuple[Any, ...]], coin_id: str) -> list[PricePoint]:
    """A coin's observations: all that are stored, and of the others the last one of each hour or day that has them."""
    mine = {time: values for (coin, time), values in observed.items() if coin == coin_id}
    stored = set(Price.objects.filter(series__coin_id=coin_id).values_list("time", flat=True))
    final_days = PriceBar.objects.filter(series__coin_id=coin_id, step=Step.DAY, is_final=True)
    in_day = dict(final_days.values_list("time", "last_at"))
    last: dict[tuple[Step, datetime], datetime] = {}
    for time in sorted(mine.keys() - stored):
        day = Step.DAY.start(time)
        bar = (Step.DAY, day) if day in in_day and time <= in_day[day] else (Step.HOUR, Step.HOUR.start(time))
        last[bar] = time
    return [PricePoint(time, *mine[time]) for time in sorted({*stored, *last.values()})]


@pytest.mark.parametrize("seed", range(2))
def test_a_chart_is_the_true_series_and_only_coarser_where_rows_were_deleted(seed: int, settings: Settings) -> None:
    simulation = Simulation(coins=4, seed=seed)
    choose = simulation.random.choice
    now, tiers = NOON, set()
    for _ in range(80):
        now += choose((7 * MINUTE, HOUR, 5 * HOUR))
        simulation.crawl(now)
        if simulation.random.random() < 0.4:
            settings.PRICE_RAW_DAYS, settings.PRICE_HOURLY_DAYS = choose((0, 1, 2)), choose((2, 3, 4))
            for _ in islice(rollup.transactions(now), choose((1, 2, 3, 5, None))):  # some are killed
                pass
        coin_id = choose(simulation.coins)
        since = now - choose((HOUR, DAY, 3 * DAY, 9 * DAY))

        whole, part = chart(coin_id), chart(coin_id, since, now - HOUR)

        assert whole == coarsened(simulation.observed, coin_id)
        assert part == [point for point in whole if since <= point.time < now - HOUR]
        if whole:
            assert whole[-1].time == max(time for coin, time in simulation.observed if coin == coin_id)
        tiers |= {*PriceBar.objects.filter(is_final=True).values_list("step", flat=True)}
    assert tiers == {*Step}


def test_what_bars_do_not_have_yet_is_in_the_chart() -> None:
    flush(row(minutes=0), at=NOON)
    rollup.roll_up(NOON)

    flush(row(minutes=20), at=NOON + 20 * MINUTE)
    flush(row(minutes=10), at=NOON + 40 * MINUTE)  # an older one that came later

    assert [point.time for point in chart("bitcoin")] == [NOON, NOON + 10 * MINUTE, NOON + 20 * MINUTE]


def test_an_observation_that_was_replaced_is_its_own_point_before_the_bars_have_it() -> None:
    flush(row(current_price=Decimal(1)), at=NOON)
    rollup.roll_up(NOON)

    flush(row(current_price=Decimal(7)), at=NOON + MINUTE)

    assert [(point.time, point.price) for point in chart("bitcoin")] == [(NOON, Decimal(7))]


def test_observations_beside_the_final_bars_that_have_them_are_no_doubles() -> None:
    make_bar(time=MIDNIGHT, last_at=NOON + 30 * MINUTE, close=3)
    make_bar(step=Step.HOUR, time=NOON, last_at=NOON + 30 * MINUTE, close=3)

    for minutes, price in ((0, 1), (10, 2), (30, 3)):
        make_price(time=NOON + minutes * MINUTE, price=price)

    assert [point.price for point in chart("bitcoin")] == [1, 2, 3]


def test_bars_from_the_history_of_the_api_are_points() -> None:
    make_bar(time=MIDNIGHT - DAY, last_at=MIDNIGHT - DAY, observations=0, is_final=False, close=1)
    make_bar(step=Step.HOUR, time=NOON - HOUR, observations=0, is_final=False, close=2, market_cap=8)

    flush(row(), at=NOON)

    assert chart("bitcoin") == [
        PricePoint(MIDNIGHT - DAY, 1, None, None, None),  # type: ignore[arg-type]
        PricePoint(NOON - HOUR / 2, 2, 8, None, None),  # type: ignore[arg-type]
        PricePoint(NOON, 1, None, None, None),  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize(
    ("since", "prices"),
    [
        pytest.param(None, [1, 3, 7], id="days, if the first point is the last one of a day"),
        pytest.param(NOON - 6 * HOUR, [2, 6, 7], id="hours, if it is the last one of an hour"),
        pytest.param(NOON, [4, 5, 6, 7], id="all, if it is an observation"),
        pytest.param(NOON + DAY, [], id="none, if there are none"),
    ],
)
def test_an_even_chart_is_as_close_as_its_first_point(since: datetime | None, prices: list[int]) -> None:
    make_bar(time=MIDNIGHT - 9 * DAY, close=1)
    for hours, price in ((13, 3), (4, 2)):
        make_bar(step=Step.HOUR, time=NOON - hours * HOUR, close=price)
    for minutes, price in ((1, 4), (2, 5), (59, 6), (60, 7)):
        make_price(time=NOON + minutes * MINUTE, price=price)

    assert [point.price for point in even_chart("bitcoin", since)] == prices


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (None, None, [1, 2, 3]),
        (NOON - DAY, NOON + MICROSECOND, [1, 2, 3]),
        (NOON - DAY + MICROSECOND, NOON, [2]),
        (NOON, NOON, []),
        (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), [1, 2, 3]),
    ],
    ids=["all", "both ends", "neither end", "nothing", "all of time"],
)
def test_limits_are_those_of_the_points(since: datetime | None, until: datetime | None, found: list[int]) -> None:
    make_bar(time=MIDNIGHT - DAY, last_at=NOON - DAY, close=1)
    make_bar(step=Step.HOUR, time=NOON - HOUR, last_at=NOON - MICROSECOND, close=2)
    make_price(time=NOON, price=3)
    make_price("another", time=NOON)

    assert [point.price for point in chart("bitcoin", since, until)] == found


def test_a_coin_without_prices_has_an_empty_chart() -> None:
    make_coin("bitcoin")

    assert chart("bitcoin") == []


@pytest.mark.parametrize("number", [1, 30])
def test_the_number_of_queries_does_not_grow_with_the_chart(number: int, django_assert_num_queries: Any) -> None:
    for index in range(number):
        make_price(time=NOON + index * MINUTE)
        make_bar(step=Step.HOUR, time=NOON - index * HOUR)

    with django_assert_num_queries(2):
        assert len(chart("bitcoin")) == 2 * number
