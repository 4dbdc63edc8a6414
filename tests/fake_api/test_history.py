"""The fake market's past prices are functions of coin and time."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from fake_api import Market, Number
from fake_api.coins import START, in_july
from fake_api.history import EPOCH, FIRST, factor
from fake_api.records import from_json

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Points = list[list[Any]]


def points(market: Market, coin_id: str = "bitcoin", days: float = 1, interval: str = "5m") -> Points:
    """The prices of a chart, each number as a Number."""
    prices: Points = from_json(market.market_chart(coin_id, days, interval))["prices"]
    return prices


def times(prices: Points) -> list[datetime]:
    return [EPOCH + timedelta(milliseconds=int(ms)) for ms, _ in prices]


def coin_with(market: Market, **fields: str | None) -> str:
    """The first coin whose record has these values."""
    return next(i for i in market.ids if all(market.record(i)[name] == value for name, value in fields.items()))


@pytest.fixture(scope="module")
def odd() -> Market:
    """With every oddity there is. To look at, not to change."""
    return Market(coins=1_200)


# The function.


@pytest.mark.parametrize("minutes", [0, 1, 5, 90 * 24 * 60, -1, -100_000])
@pytest.mark.parametrize(
    "change",
    [pytest.param(lambda record: record, id="before July"), pytest.param(in_july, id="since July")],
)
def test_at_its_last_updated_a_coin_has_the_values_of_its_record(minutes: int, change: Callable[[Any], Any]) -> None:
    market = Market(coins=1_200)  # every oddity is among them: dates of years ago, none at all
    market.reshape(change)
    market.advance(minutes)

    for coin_id in market.ids:
        record = market.record(coin_id)
        at = datetime.fromisoformat(record["last_updated"]) if record["last_updated"] else market.now
        values = [f(coin_id, at) for f in (market.price_at, market.market_cap_at, market.volume_at)]
        expected = [record["current_price"], record["market_cap"], record["total_volume"]]
        listed = at >= market.listed_at(coin_id)
        assert values == (expected if listed else [None] * 3), coin_id


@pytest.mark.parametrize(
    ("elapsed", "millionths"),
    [
        pytest.param(timedelta(0), 1_000_000, id="then"),
        pytest.param(5 * MINUTE, 1_000_500, id="five minutes later"),
        pytest.param(30 * DAY, 5_320_000, id="a month later"),
        pytest.param(-HOUR, 1_000_000 - 28_571 - 531, id="an hour before"),
        pytest.param(-3.5 * HOUR, 900_000 - 1_861, id="half the short swing before"),
        pytest.param(-7 * HOUR, 1_000_000 - 3_723, id="the short swing before"),
        pytest.param(-23.5 * DAY, 700_000 - 85_714, id="half the long swing before"),
        pytest.param(-329 * DAY, 1_000_000, id="both whole swings before"),
    ],
)
def test_a_value_is_multiplied_with_a_factor_of_the_time_since_its_record(elapsed: timedelta, millionths: int) -> None:
    assert factor(elapsed // timedelta(milliseconds=1)) == millionths


def test_a_coin_swings_before_its_record_and_rises_after_it(market: Market) -> None:
    at = datetime.fromisoformat(market.record("bitcoin")["last_updated"])

    prices = [Decimal(market.price_at("bitcoin", at + hours * HOUR) or 0) for hours in range(-24 * 365, 24)]

    now = prices[24 * 365]
    assert now * Decimal("0.6") <= min(prices[: 24 * 365]) < now * Decimal("0.62")
    assert max(prices[: 24 * 365]) <= now
    assert sum(later < earlier for earlier, later in pairwise(prices[: 24 * 365])) > 3_000
    assert prices[24 * 365 :] == sorted(set(prices[24 * 365 :]))


@pytest.mark.parametrize("days", [0.001, 1, 30, 364])
def test_past_values_fit_their_columns_and_are_the_shortest_form_of_a_float(odd: Market, days: float) -> None:
    at = odd.now - days * DAY

    values = [f(i, at) for i in odd.ids for f in (odd.price_at, odd.market_cap_at, odd.volume_at)]

    numbers = [value for value in values if value is not None]
    assert len(numbers) > 3_000
    assert [text for text in numbers if Decimal(repr(float(text))) != Decimal(text)] == []
    assert max(-int(Decimal(text).as_tuple().exponent) for text in numbers) <= 30
    assert max(Decimal(text).adjusted() for text in numbers) < 29


def test_half_of_the_past_is_under_a_cent_and_some_of_it_is_negative_or_tiny(odd: Market) -> None:
    prices = [Decimal(price) for i in odd.ids if (price := odd.price_at(i, odd.now - DAY)) is not None]

    assert sum(0 < price < Decimal("0.01") for price in prices) > 0.45 * len(prices)
    assert min(prices) < 0
    assert min(abs(price) for price in prices) < Decimal("1e-18")


def test_a_market_that_moves_changes_nothing_of_its_past(market: Market) -> None:
    before = market.price_at("bitcoin", START - HOUR)

    market.advance(minutes=60)

    assert market.price_at("bitcoin", START - HOUR) == before
    assert market.now == START + HOUR


def test_an_added_coin_has_always_been_as_it_is(market: Market) -> None:
    market.add({"id": "new", "current_price": Number("1.50")}, listed_at=START - DAY)

    values = [market.price_at("new", START + days * DAY) for days in (-2, -1, 0, 1)]

    assert values == [None, "1.50", "1.50", "1.50"]
    assert market.market_cap_at("new", START) is None


# The points of a chart.


@pytest.mark.parametrize("coin_id", ["bitcoin", "tether"])
@pytest.mark.parametrize(("days", "interval"), [(1, "5m"), (2, "hourly"), (30, "daily")])
def test_every_point_has_the_values_of_its_moment(market: Market, coin_id: str, days: int, interval: str) -> None:
    body = from_json(market.market_chart(coin_id, days, interval))

    series = {"prices": market.price_at, "market_caps": market.market_cap_at, "total_volumes": market.volume_at}
    assert list(body) == list(series)
    for name, value_at in series.items():
        assert [point[1] for point in body[name]] == [value_at(coin_id, at) for at in times(body[name])]
    assert [point[0] for point in body["prices"]] == [point[0] for point in body["market_caps"]]


@pytest.mark.parametrize(("days", "interval", "step"), [(1, "5m", 5 * MINUTE), (90, "hourly", HOUR)])
def test_points_come_a_few_seconds_after_each_step_and_the_last_is_of_now(
    market: Market, days: int, interval: str, step: timedelta
) -> None:
    *grid, last = times(points(market, days=days, interval=interval))

    after = [(at - EPOCH) % step for at in grid]
    assert last == market.now
    assert len(grid) == days * DAY // step
    assert timedelta(seconds=1) <= min(after) < max(after) < timedelta(seconds=10)
    assert len(set(after)) > len(after) / 2
    assert market.now - days * DAY <= grid[0]


def test_days_are_of_midnight_in_utc_and_the_last_is_of_now(market: Market) -> None:
    *grid, last = times(points(market, days=365, interval="daily"))

    midnight = START.replace(hour=0)
    assert last == market.now == START
    assert grid == [midnight - number * DAY for number in reversed(range(365))]


@pytest.mark.parametrize(("minutes", "newest"), [(-1, -1), (0, -1), (10, -1), (11, 0)])
def test_a_day_is_there_ten_minutes_after_its_midnight(minutes: int, newest: int) -> None:
    midnight = START.replace(hour=0)
    market = Market(coins=1, start=midnight + minutes * MINUTE)

    *grid, last = times(points(market, days=3, interval="daily"))

    assert (grid[-1], last) == (midnight + newest * DAY, market.now)


def test_every_tenth_coin_has_no_point_before_it_was_listed_30_days_ago(market: Market) -> None:
    young = [coin_id for coin_id in market.ids if market.listed_at(coin_id) != FIRST]
    coin_id = next(i for i in young if market.price_at(i, market.now) is not None)

    days, hours = (times(points(market, coin_id, 90, interval)) for interval in ("daily", "hourly"))

    beginning = START - 30 * DAY
    assert len(young) == 30
    assert {market.listed_at(i) for i in young} == {beginning}
    assert days[0] == (beginning + DAY).replace(hour=0)
    assert beginning < hours[0] < beginning + MINUTE
    assert market.price_at(coin_id, beginning - MINUTE) is None
    market.advance(-31 * 24 * 60)
    assert points(market, coin_id) == []


def test_a_coin_without_a_market_cap_has_nulls_for_it(odd: Market) -> None:
    body = json.loads(odd.market_chart(coin_with(odd, market_cap=None), 7, "daily"))

    assert [cap for _, cap in body["market_caps"]] == [None] * 8
    assert None not in [price for _, price in body["prices"]]


def test_a_coin_without_a_price_has_three_empty_lists(odd: Market) -> None:
    body = odd.market_chart(coin_with(odd, current_price=None), 7, "daily")

    assert body == '{"prices":[],"market_caps":[],"total_volumes":[]}'


@pytest.mark.parametrize(("precision", "decimals"), [(0, 1), (2, 2), (None, 10)])
def test_precision_rounds_prices_alone(market: Market, precision: int | None, decimals: int) -> None:
    body = from_json(market.market_chart("ethereum", 30, "daily", precision))

    assert max(len(price.partition(".")[2]) for _, price in body["prices"]) <= decimals
    full = from_json(market.market_chart("ethereum", 30, "daily"))
    assert (body["prices"] == full["prices"]) is (precision is None)
    assert body["total_volumes"] == full["total_volumes"]
