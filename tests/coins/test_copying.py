"""The bars of a day are copied from another installation, where nothing was observed here."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from tests.support.factories import DAY, HOUR, MINUTE, NOON, row
from tests.support.prices import flush, make_bar, stored_bars
from webapp.coins.models import PriceBar, PriceDay, PriceSeries
from webapp.coins.prices import copying, imported, past, rollup
from webapp.coins.prices.copying import DayBar
from webapp.coins.prices.imported import Stored
from webapp.coins.prices.points import Chart, PastBar
from webapp.coins.prices.tiers import Step

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]
MIDNIGHT = NOON - 12 * HOUR
TODAY = MIDNIGHT.date()


def bar(coin_id: str = "bitcoin", close: Any = 1, **values: Any) -> DayBar:
    prices = {name: Decimal(7) for name in ("open", "high", "low")}
    facts: dict[str, Any] = {"time": MIDNIGHT, "observations": 3, "last_at": NOON, "rank": 2} | prices
    return DayBar(coin_id=coin_id, **facts | {"close": Decimal(close)} | values)


def closes() -> dict[str, tuple[Any, int]]:
    """By coin, the last price of the day and the number of observations."""
    return {coin_id: (bar.close, bar.observations) for (coin_id, _), bar in stored_bars(Step.DAY).items()}


def changed_at() -> datetime | None:
    return PriceDay.objects.filter(day=TODAY).values_list("changed_at", flat=True).first()


def test_a_copy_has_all_values_of_the_bar() -> None:
    sent = bar(market_cap=Decimal("12345678901"), volume=None, close="0.00000000123", observations=0)

    stored = copying.store(TODAY, [sent])

    values = PriceBar.objects.values(*imported.VALUES).get()
    assert stored == Stored(created=1)
    assert DayBar(coin_id="bitcoin", **values) == sent
    assert not PriceBar.objects.get().is_final


def test_bars_are_created_changed_or_left_alone() -> None:
    copying.store(TODAY, [bar("a"), bar("b"), bar("c", rank=None)])
    before = changed_at()

    again = copying.store(TODAY, [bar("d"), bar("c", rank=1), bar("b"), bar("a", 9)])

    assert again == Stored(created=1, updated=2, unchanged=1)
    assert closes() == {"a": (9, 3), "b": (1, 3), "c": (1, 3), "d": (1, 3)}
    assert before is not None
    assert before < (changed_at() or before)


def test_a_day_whose_bars_are_the_same_has_not_changed() -> None:
    copying.store(TODAY, [bar("a"), bar("b")])
    before = changed_at()

    assert copying.store(TODAY, [bar("b"), bar("a")]) == Stored(unchanged=2)
    assert changed_at() == before


def test_a_bar_that_was_fetched_from_an_api_is_replaced() -> None:
    price = Decimal(5)
    fetched = PastBar(time=MIDNIGHT, open=price, high=price, low=price, close=price, last_at=NOON)
    past.store(Chart("bitcoin", Step.DAY, [fetched], MIDNIGHT, NOON + DAY, 1, [], None))

    assert copying.store(TODAY, [bar()]) == Stored(updated=1)
    assert closes() == {"bitcoin": (1, 3)}


def test_a_day_that_was_observed_here_is_left_alone() -> None:
    flush(row(current_price=Decimal(5)), at=NOON)
    rollup.roll_up(NOON + HOUR)

    stored = copying.store(TODAY, [bar("bitcoin"), bar("ethereum")])

    assert stored == Stored(created=1, unchanged=1)
    assert closes() == {"bitcoin": (5, 1), "ethereum": (1, 3)}


def test_a_day_whose_observations_were_deleted_here_is_left_alone() -> None:
    make_bar("bitcoin", time=MIDNIGHT, close=5, observations=8)

    assert copying.store(TODAY, [bar()]) == Stored(unchanged=1)
    assert closes() == {"bitcoin": (5, 8)}


def test_a_day_that_is_observed_after_it_was_copied_is_made_from_what_was_observed() -> None:
    copying.store(TODAY, [bar()])

    flush(row(current_price=Decimal(5)), at=NOON)
    rollup.roll_up(NOON + HOUR)

    assert closes() == {"bitcoin": (5, 1)}


def test_the_bars_before_and_after_the_day_say_nothing_about_it() -> None:
    for time in (MIDNIGHT - HOUR, MIDNIGHT + DAY):
        make_bar(step=Step.HOUR, time=time)

    assert copying.store(TODAY, [bar()]) == Stored(created=1)


def test_a_coin_that_is_not_stored_gets_a_series_all_the_same() -> None:
    copying.store(TODAY, [bar("b"), bar("a"), bar("x" * 255)])

    assert {*PriceSeries.objects.values_list("coin_id", flat=True)} == {"a", "b", "x" * 255}


def test_more_bars_than_fit_into_a_query() -> None:
    bars = [bar(f"coin-{number:04}") for number in range(1_000)]
    copying.store(TODAY, bars[:600])

    assert copying.store(TODAY, bars) == Stored(created=400, unchanged=600)


def test_a_day_is_copied_as_of_a_change_and_stays_noted_when_its_bars_change_here() -> None:
    copying.store(TODAY, [bar()])
    noted = copying.copied_days()

    copying.note_copied(TODAY, NOON + MINUTE)
    copying.store(TODAY, [replace(bar(), close=Decimal(2))])

    assert (noted, copying.copied_days()) == ({}, {TODAY: NOON + MINUTE})


def test_a_day_without_a_bar_is_not_noted() -> None:
    copying.note_copied(TODAY, NOON)

    assert not PriceDay.objects.exists()


def test_numbers_that_sqlite_rounds_are_counted() -> None:
    stored = copying.store(TODAY, [bar(close="0.12345678901234567890"), bar("b")])

    assert dict(stored.rounded) == ({"close": 1} if connection.vendor == "sqlite" else {})
