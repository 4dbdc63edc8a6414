"""Observations: what a flush stores of prices."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.factories import DAY, HOUR, MINUTE, NOON, SECOND, make_coin, row
from tests.support.prices import flush
from webapp.coins.models import FullCoin, Price, PriceBar, PriceHour, PriceSeries
from webapp.coins.prices import rollup

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]
MICROSECOND = timedelta(microseconds=1)
FIRST_BLOCK = datetime(2009, 1, 3, tzinfo=UTC)  # Bitcoin's


def observed() -> list[tuple[Any, ...]]:
    return list(Price.objects.order_by("series__coin_id", "time").values_list("series__coin_id", "time", "price"))


def test_an_observation_has_the_prices_of_a_coin() -> None:
    price, cap, volume = Decimal("0.00000000123456789012345"), Decimal(12345678901), Decimal("0.5")

    flush(row(current_price=price, market_cap=cap, total_volume=volume, market_cap_rank=3), at=NOON + HOUR)

    found = Price.objects.get(series__coin_id="bitcoin")
    assert (found.time, found.price, found.market_cap, found.volume, found.rank) == (NOON, price, cap, volume, 3)


def test_only_created_and_changed_coins_are_observed() -> None:
    flush(row("a"), row("b"), row("c"), at=NOON)

    flush(row("a"), row("b", minutes=5), row("d", minutes=5), at=NOON + 5 * MINUTE)

    later = NOON + 5 * MINUTE
    assert observed() == [("a", NOON, 1), ("b", NOON, 1), ("b", later, 1), ("c", NOON, 1), ("d", later, 1)]


def test_a_coin_without_a_price_has_no_observation() -> None:
    flush(row("a"), row("b", current_price=None), at=NOON)

    assert observed() == [("a", NOON, 1)]


@pytest.mark.parametrize(
    ("last_updated", "time"),
    [
        (NOON - MICROSECOND, NOON - MICROSECOND),
        (NOON.replace(microsecond=500_000), NOON.replace(microsecond=500_000)),
        (None, NOON),
        (NOON + 10 * MINUTE, NOON + 10 * MINUTE),
        (NOON + 10 * MINUTE + SECOND, NOON),
        (FIRST_BLOCK, FIRST_BLOCK),
        (FIRST_BLOCK - SECOND, NOON),
    ],
    ids=["to the microsecond", "half a second", "none", "ahead", "far ahead", "Bitcoin's beginning", "before it"],
)
def test_its_time_is_that_of_the_coin_if_it_is_possible(last_updated: datetime | None, time: datetime) -> None:
    flush(row(last_updated=last_updated), at=NOON)

    assert observed() == [("bitcoin", time, 1)]


def test_the_same_time_is_one_observation_with_the_later_price() -> None:
    flush(row(market_cap_rank=1), at=NOON)

    flush(row(market_cap_rank=2), at=NOON + MINUTE)
    assert [*Price.objects.values_list("price", "rank")] == [(1, 1)]

    flush(row(current_price=Decimal(7), market_cap_rank=3), at=NOON + 2 * MINUTE)
    assert [*Price.objects.values_list("price", "rank")] == [(7, 3)]


def test_what_is_older_than_a_final_bar_is_not_stored() -> None:
    series = PriceSeries.objects.create(coin_id="bitcoin")
    prices: Any = dict.fromkeys(("open", "high", "low", "close"), 1)
    for step, start in ((3_600, NOON), (86_400, NOON - 2 * DAY - 12 * HOUR)):
        last_at = start + timedelta(seconds=step) / 2
        PriceBar.objects.create(
            series=series, step=step, time=start, last_at=last_at, observations=2, is_final=True, **prices
        )

    for minutes in (-2 * 1440, -2 * 1440 + 1, 30, 31):
        flush(row(minutes=minutes, current_price=Decimal(minutes + 9_000)), at=NOON + DAY)

    assert [time for _, time, _ in observed()] == [NOON - 2 * DAY + MINUTE, NOON + 31 * MINUTE]


def test_what_is_older_than_a_bar_that_is_not_final_is_stored() -> None:
    flush(row(minutes=30), at=NOON + 30 * MINUTE)
    rollup.roll_up(NOON + 30 * MINUTE)

    flush(row(minutes=10), at=NOON + HOUR)

    assert [time for _, time, _ in observed()] == [NOON + 10 * MINUTE, NOON + 30 * MINUTE]


def test_each_hour_with_new_observations_is_noted() -> None:
    flush(row("a"), row("b", minutes=59), row("c", minutes=60), at=NOON + HOUR)
    before = dict(PriceHour.objects.values_list("time", "changed_at"))

    flush(row("a", market_cap_rank=7), row("b", minutes=61), at=NOON + 2 * HOUR)
    after = dict(PriceHour.objects.values_list("time", "changed_at"))

    assert before.keys() == after.keys() == {NOON, NOON + HOUR}
    assert before[NOON] == after[NOON]  # nothing new in it
    assert after[NOON + HOUR] == FullCoin.objects.get(pk="b").changed_at


def test_a_coin_that_was_stored_without_history_gets_its_series_when_it_changes() -> None:
    make_coin("a")
    make_coin("b")

    flush(row("b", minutes=5), at=NOON + HOUR)

    # The others are not looked at: in a first crawl of many coins, each batch would take longer than the one before.
    assert {*PriceSeries.objects.values_list("coin_id", flat=True)} == {"b"}
    assert observed() == [("b", NOON + 5 * MINUTE, 1)]
