"""Bars: made from observations, and again as often as one likes."""

from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest
from pytest_django import Settings

from tests.support.factories import DAY, HOUR, MINUTE, NOON, row
from tests.support.prices import Simulation, expected_bars, flush, stored_bars
from webapp.coins.models import Price, PriceDay, PriceHour
from webapp.coins.prices import rollup
from webapp.coins.prices.tiers import Step, Tiers

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


@pytest.mark.parametrize("seed", range(3))
def test_bars_have_all_observations_whatever_was_kept_and_deleted(seed: int, settings: Settings) -> None:
    settings.PRICE_RAW_DAYS, settings.PRICE_HOURLY_DAYS = 1, 3
    simulation = Simulation(coins=5, seed=seed)
    now = NOON
    for _ in range(120):
        now += simulation.random.choice((7 * MINUTE, HOUR, 5 * HOUR))
        simulation.crawl(now)
        if simulation.random.random() < 0.3:  # sometimes it does not run for days, or is killed
            killed_after = simulation.random.choice((1, 2, 3, 5, None))
            for _ in islice(rollup.transactions(now), killed_after):
                pass
    rollup.roll_up(now)

    hours, days = expected_bars(simulation.observed, Step.HOUR), expected_bars(simulation.observed, Step.DAY)
    tiers = Tiers.at(now)
    assert stored_bars(Step.DAY) == days
    assert stored_bars(Step.HOUR) == {key: bar for key, bar in hours.items() if key[1] >= tiers.hours_since}
    raw = {key: values for key, values in simulation.observed.items() if key[1] >= tiers.raw_since}
    names = ("series__coin_id", "time", "price", "market_cap", "volume", "rank")
    assert {(coin, time): tuple(rest) for coin, time, *rest in Price.objects.values_list(*names)} == raw
    assert len(raw) < len(simulation.observed) / 2


@pytest.mark.parametrize("seed", [3, 22])  # in which prices come late for a final day
def test_days_have_all_observations_also_if_tiers_are_kept_for_more_or_less_time(seed: int, settings: Settings) -> None:
    simulation = Simulation(coins=5, seed=seed)
    now = NOON
    for _ in range(60):
        now += simulation.random.choice((HOUR, 5 * HOUR, DAY))
        simulation.crawl(now)
        settings.PRICE_RAW_DAYS, settings.PRICE_HOURLY_DAYS = (simulation.random.choice((0, 1)) for _ in range(2))
        for _ in islice(rollup.transactions(now), simulation.random.choice((2, 9))):
            pass
        if simulation.random.random() < 0.3:
            rollup.roll_up(now)
            assert stored_bars(Step.DAY) == expected_bars(simulation.observed, Step.DAY)


def test_an_hour_is_rolled_up_also_if_its_observations_came_too_late_to_be_kept() -> None:
    flush(row(minutes=0), at=NOON + 9 * DAY)

    rollup.roll_up(NOON + 9 * DAY)

    hour = PriceHour.objects.get()
    assert (hour.time, hour.rolled_up) == (NOON, hour.changed_at)
    assert stored_bars(Step.DAY).keys() == {("bitcoin", NOON - 12 * HOUR)}
    assert not Price.objects.exists()


def changed() -> dict[date, datetime]:
    return dict(PriceDay.objects.values_list("day", "changed_at"))


def test_each_change_of_the_bars_of_a_day_is_noted_later_than_all_before() -> None:
    flush(row("a"), row("b", minutes=-24 * 60), at=NOON + MINUTE)
    rollup.roll_up(NOON + HOUR)
    first = changed()

    rollup.roll_up(NOON + HOUR)
    again = changed()
    flush(row("a", minutes=5), at=NOON + HOUR)
    rollup.roll_up(NOON + 2 * HOUR)
    after_a_price = changed()
    flush(row("c", minutes=-24 * 60), at=NOON + 100 * DAY)
    rollup.roll_up(NOON + 100 * DAY)
    after_a_late_price = changed()

    today, yesterday = NOON.date(), (NOON - DAY).date()
    assert first == again
    assert first.keys() == {today, yesterday}
    assert after_a_price[yesterday] == first[yesterday]
    assert after_a_price[today] > max(first.values())
    assert after_a_late_price[today] == after_a_price[today]
    assert after_a_late_price[yesterday] > after_a_price[today]


@pytest.mark.parametrize("kept", ["PRICE_RAW_DAYS", "PRICE_HOURLY_DAYS"])
def test_late_prices_reach_a_final_day_also_if_its_hours_are_kept_longer_now(kept: str, settings: Settings) -> None:
    settings.PRICE_RAW_DAYS, settings.PRICE_HOURLY_DAYS = 1, 2
    flush(row(), at=NOON)
    rollup.roll_up(NOON + 9 * DAY)
    setattr(settings, kept, 0)

    for minutes in (5, 200, 210, 130, 300):
        flush(row(minutes=minutes, current_price=Decimal(minutes)), at=NOON + 9 * DAY)
        if minutes > 200:
            rollup.roll_up(NOON + 9 * DAY)
            rollup.roll_up(NOON + 9 * DAY)

    (day,) = stored_bars(Step.DAY).values()
    hours = {time: (bar.observations, int(bar.close)) for (_, time), bar in stored_bars(Step.HOUR).items()}
    assert [day.observations, *map(int, (day.open, day.high, day.close))] == [5, 1, 300, 300]
    assert hours == {NOON: (1, 5), NOON + 3 * HOUR: (2, 210), NOON + 5 * HOUR: (1, 300)}


@pytest.mark.parametrize(("price", "high", "low"), [(7, 7, 1), (Decimal("0.5"), 1, Decimal("0.5")), (1, 1, 1)])
def test_a_late_price_reaches_a_final_bar_also_if_observations_are_kept_longer_now(
    price: Any, high: Any, low: Any, settings: Settings
) -> None:
    flush(row(), at=NOON)
    rollup.roll_up(NOON + 3 * DAY)
    settings.PRICE_RAW_DAYS = 0

    flush(row(minutes=5, current_price=Decimal(price)), at=NOON + 3 * DAY)
    rollup.roll_up(NOON + 3 * DAY)

    bars = [bar for step in Step for bar in stored_bars(step).values()]
    assert [(bar.observations, bar.high, bar.low, bar.close) for bar in bars] == [(2, high, low, price)] * 2
