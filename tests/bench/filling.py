"""Fills a PostgreSQL database with made prices, as the default schedules would leave them after months."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Max, Min

from webapp.coins.models import FullCoin, Price
from webapp.coins.prices.series import keys_of
from webapp.coins.prices.tiers import Step

COINS = 18_000
BIGGEST = 250  # coins that are observed every three minutes; all are, every six hours
ROWS_A_DAY = 480 * BIGGEST + 4 * (COINS - BIGGEST)
HOUR_DAYS, DAY_DAYS = 90, 3 * 365  # for which there are bars

# In the order in which crawls store them. A coin's time is up to 170 s after the beginning of its crawl.
OBSERVATIONS = f"""
    INSERT INTO coins_price (series_id, time, price, market_cap, volume, rank)
    SELECT coin,
        %(day)s + round * interval '3 minutes' + abs(hashint4(coin * 480 + round)::bigint) %% 170 * interval '1 s',
        (power(10, coin %% 13 - 8) * (1 + random()))::numeric, round((random() * 1e10)::numeric),
        round((random() * 1e8)::numeric), CASE WHEN coin < {COINS} * 0.45 THEN coin END
    FROM generate_series(0, 479) AS round,
        generate_series(1, CASE WHEN round %% 120 = 0 THEN {COINS} ELSE {BIGGEST} END) AS coin
"""
BARS = f"""
    INSERT INTO coins_pricebar (
        series_id, step, time, open, high, low, close, market_cap, volume, rank, observations, last_at, is_final
    )
    SELECT coin, %(step)s, start, price, price * 1.01, price * 0.99, price * 1.005, round((random() * 1e10)::numeric),
        round((random() * 1e8)::numeric), CASE WHEN coin < {COINS} * 0.45 THEN coin END, 4,
        start + %(step)s * interval '0.9 s', true
    FROM generate_series(0, 86399, %(step)s) AS second,
        generate_series(1, CASE WHEN second %% 21600 = 0 THEN {COINS} ELSE {BIGGEST} END) AS coin,
        LATERAL (
            SELECT %(day)s + second * interval '1 s' AS start,
                (power(10, coin %% 13 - 8) * (1 + random()))::numeric AS price
        ) AS made
"""
HOURS = """
    INSERT INTO coins_pricehour (time, changed_at, rolled_up)
    SELECT hour, hour, hour FROM generate_series(%(first)s, %(end)s - interval '1 hour', interval '1 hour') AS hour
"""


@dataclass(frozen=True)
class Filled:
    """Observations of so many days before `end`, the beginning of a day."""

    end: datetime
    days: int

    @property
    def first(self) -> datetime:
        return self.end - timedelta(days=self.days)


def fill(rows: int, now: datetime) -> Iterator[str]:
    """Make at least so many observations, and bars of hours and days. Yields what is done."""
    end = Step.DAY.start(now)
    filled = Filled(end, -(-rows // ROWS_A_DAY))
    coins = [{"coin_id": f"coin-{number:05}", "current_price": Decimal(number)} for number in range(1, COINS + 1)]
    FullCoin.objects.upsert(coins, now)
    keys_of([*FullCoin.objects.order_by("pk").values_list("pk", flat=True)])
    _execute("SET synchronous_commit = off")
    _execute(HOURS, first=filled.first, end=end)
    for days, step in ((DAY_DAYS, Step.DAY), (HOUR_DAYS, Step.HOUR)):
        for day in _days(end, days):
            _execute(BARS, day=day, step=step.value)
        yield f"bars of {days} {step.label}s" if step is Step.DAY else f"bars of the hours of {days} days"
    for number, day in enumerate(_days(end, filled.days), 1):
        _execute(OBSERVATIONS, day=day)
        if number % 30 == 0 or number == filled.days:
            yield f"observations of {number} of {filled.days} days"
    _execute("RESET synchronous_commit")


def filled() -> Filled:
    """What the database was filled with. Flushes since have stored observations of the biggest coins only."""
    times = Price.objects.filter(series__coin_id=f"coin-{COINS:05}").aggregate(first=Min("time"), last=Max("time"))
    first, end = (Step.DAY.start(times[name]) for name in ("first", "last"))
    return Filled(end + Step.DAY.length, (end - first).days + 1)


def _days(end: datetime, days: int) -> Iterator[datetime]:
    return (end - timedelta(days=days - number) for number in range(days))


def _execute(statement: str, **parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
