"""Prices over time for tests: flushes and rows of them, and the bars that observations must become."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from tests.support.factories import DAY, HOUR, MINUTE, row
from webapp.coins.models import FullCoin, Price, PriceBar, PriceSeries
from webapp.coins.prices.observing import observe
from webapp.coins.prices.tiers import Step

Key = tuple[str, datetime]  # a coin, and a time


def flush(*rows: Mapping[str, Any], at: datetime) -> None:
    """Store these records at this time, as a crawl does."""
    with transaction.atomic():
        changed_at = FullCoin.objects.next_change(at)
        FullCoin.objects.upsert(rows, at, changed_at)
        observe(at, changed_at)


def make_price(coin_id: str = "bitcoin", *, time: datetime, price: Any = 1, **values: Any) -> Price:
    series, _ = PriceSeries.objects.get_or_create(coin_id=coin_id)
    return Price.objects.create(series=series, time=time, price=price, **values)


def make_bar(
    coin_id: str = "bitcoin", step: Step = Step.DAY, *, time: datetime, close: Any = 1, **values: Any
) -> PriceBar:
    """A bar that is final. Its last observation is in the middle of it."""
    series, _ = PriceSeries.objects.get_or_create(coin_id=coin_id)
    prices = {"open": 1, "high": 9, "low": Decimal("0.5"), "close": close}
    facts = {"observations": 3, "last_at": time + step.length / 2, "is_final": True}
    return PriceBar.objects.create(series=series, step=step, time=time, **prices | facts | values)


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


@dataclass(frozen=True)
class Bar:
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    market_cap: Decimal | None
    volume: Decimal | None
    rank: int | None
    observations: int
    last_at: datetime


def expected_bars(observations: Mapping[Key, tuple[Any, ...]], step: Step) -> dict[Key, Bar]:
    """By coin and beginning: the bars of these observations, each a price, a market cap, a volume and a rank."""
    found: dict[Key, list[tuple[datetime, tuple[Any, ...]]]] = {}
    for (coin_id, time), values in sorted(observations.items()):
        found.setdefault((coin_id, step.start(time)), []).append((time, values))
    return {key: _bar(parts) for key, parts in found.items()}


def _bar(parts: list[tuple[datetime, tuple[Any, ...]]]) -> Bar:
    prices = [values[0] for _, values in parts]
    last_at, (close, market_cap, volume, rank) = parts[-1]
    return Bar(prices[0], max(prices), min(prices), close, market_cap, volume, rank, len(parts), last_at)


def stored_bars(step: Step) -> dict[Key, Bar]:
    names = list(Bar.__annotations__)
    bars: Iterable[tuple[Any, ...]] = PriceBar.objects.filter(step=step).values_list("series__coin_id", "time", *names)
    return {(coin_id, time): Bar(*values) for coin_id, time, *values in bars}
