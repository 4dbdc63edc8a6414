"""Bars: made from observations, and again as often as one likes."""

import random
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest
from pytest_django import Settings

from tests.support.factories import DAY, HOUR, MINUTE, NOON, row
from tests.support.prices import Key, expected_bars, flush, stored_bars
from webapp.coins.models import Price
from webapp.coins.prices import rollup
from webapp.coins.prices.tiers import Step, Tiers

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


class Simulation:
    """Coins whose prices are random, and all that was observed of them."""

    def __init__(self, coins: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.coins = [f"coin-{number}" for number in range(coins)]
        self.observed: dict[Key, tuple[Any, ...]] = {}

    def crawl(self, now: datetime) -> None:
        """Some coins have changed since; some have not been traded for long."""
        rows = []
        for coin_id in self.random.sample(self.coins, self.random.randint(1, len(self.coins))):
            age = self.random.choice((MINUTE, 10 * MINUTE, 3 * HOUR, 3 * DAY, 20 * DAY))
            time = now - age * self.random.random()
            if all(time > known for other, known in self.observed if other == coin_id):
                values = tuple(self.random.choice((Decimal(1), Decimal("1e-17"), Decimal("7.25"))) for _ in range(3))
                self.observed[coin_id, time] = (*values, self.random.randint(1, 9))
                price, cap, volume, rank = self.observed[coin_id, time]
                rows.append(
                    row(
                        coin_id,
                        last_updated=time,
                        current_price=price,
                        market_cap=cap,
                        total_volume=volume,
                        market_cap_rank=rank,
                    )
                )
        flush(*rows, at=now)


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
