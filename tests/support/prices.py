"""Prices over time for tests: flushes of observations, and the bars that they must become."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from webapp.coins.models import FullCoin, PriceBar
from webapp.coins.prices.observing import observe
from webapp.coins.prices.tiers import Step

Key = tuple[str, datetime]  # a coin, and a time


def flush(*rows: Mapping[str, Any], at: datetime) -> None:
    """Store these records at this time, as a crawl does."""
    changed_at = FullCoin.objects.next_change(at)
    FullCoin.objects.upsert(rows, at, changed_at)
    observe(at, changed_at)


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
