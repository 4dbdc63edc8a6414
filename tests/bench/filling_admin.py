"""Fills a database as it is after years of crawls every three minutes, for `tests.bench.admin`.

On SQLite and on PostgreSQL, by statements that make many rows at once.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db import connection

from webapp.coins.clock import database_clock
from webapp.coins.models import CoinReview, FullCoin
from webapp.coins.models.coin import in_statements
from webapp.coins.prices.series import keys_of
from webapp.coins.prices.tiers import Step
from webapp.crawls.models import CrawlRun, CrawlSchedule, Node, RejectedRecord
from webapp.crawls.verdict import Verdict

BIGGEST = 250
HOUR_DAYS, RAW_DAYS = 90, 2
WHOLE_EVERY = 120  # runs: one of them is of the whole market
REJECTED = 20_000

SERIES_OF_NUMBERS = {
    "sqlite": "WITH RECURSIVE {name}(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM {name} WHERE i < {last})",
    "postgresql": "WITH {name}(i) AS (SELECT generate_series({first}, {last}))",
}
BARS = """
    INSERT INTO coins_pricebar (series_id, step, time, open, high, low, close, market_cap, volume, rank, observations,
        last_at, is_final)
    {numbers}
    SELECT series.id, {step}, {time}, {price}, {price} * 1.01, {price} * 0.99, {price}, 1000000 * {price},
        1000 * {price}, series.id, 3, {last}, {true}
    FROM numbers CROSS JOIN coins_priceseries AS series WHERE series.id BETWEEN {low} AND {high}
"""
PRICES = """
    INSERT INTO coins_price (series_id, time, price, market_cap, volume, rank)
    {numbers}
    SELECT series.id, {time}, {price}, 1000000 * {price}, 1000 * {price}, series.id
    FROM numbers CROSS JOIN coins_priceseries AS series WHERE series.id <= {high}
"""
RUNS = """
    INSERT INTO crawls_crawlrun ({names})
    {numbers}
    SELECT {values} FROM numbers
"""


def fill(coins: int, days: int, runs: int) -> Iterator[str]:
    """Yields what it has filled. `days` are those with bars of a day; bars of an hour have their usual days at most."""
    now = database_clock()
    _coins(coins, now)
    yield f"{coins:,} coins"
    _prices(days, now)
    yield f"prices of {days} days"
    _runs(runs, now)
    yield f"{runs:,} runs, {REJECTED:,} rejected records"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def _coins(number: int, now: datetime) -> None:
    rows = [
        {
            "coin_id": f"coin-{place:05}",
            "name": f"Coin number {place}",
            "symbol": f"sym{place}",
            "image": f"https://pictures.example/{place}.png",
            "market_cap_rank": place if place < number / 2 else None,
            "current_price": None if place % 97 == 0 else Decimal(1) / place,
            "price_change_percentage_24h": Decimal(place % 41 - 20),
            "market_cap": Decimal(10**12) / place,
            "total_volume": Decimal(10**9) / place,
            "last_updated": now - timedelta(hours=place % 30),
        }
        for place in range(1, number + 1)
    ]
    year, hour = now - timedelta(days=365), timedelta(hours=1)
    for part in in_statements(rows[: number - 100]):
        FullCoin.objects.upsert(part, year, year)
    FullCoin.objects.upsert(rows[number - 100 :], now - 5 * hour, now - 5 * hour)
    FullCoin.objects.filter(pk__lt="coin-00500").update(changed_at=now)
    FullCoin.objects.filter(pk__startswith="coin-123").update(missing_since=now - 3 * hour)
    keys_of([*FullCoin.objects.order_by("pk").values_list("pk", flat=True)])
    ada = User.objects.create_user("reviewer")
    reviewed = FullCoin.objects.filter(pk__startswith="coin-01")[:500]
    CoinReview.objects.bulk_create(
        CoinReview(coin=coin, note="seen", hidden=place % 50 == 0, reviewed_by=ada, reviewed_at=now)
        for place, coin in enumerate(reviewed)
    )


def _prices(days: int, now: datetime) -> None:
    """Bars of days of all coins; of hours and observations as the default schedules leave them."""
    hours = 24 * min(days, HOUR_DAYS)
    for step, number, every in (
        (Step.DAY, days, 1),
        (Step.HOUR, hours, 1),
        (Step.HOUR, hours, 6),  # of the others, four times a day
    ):
        end = step.start(now)
        for first in range(0, number, 240):
            is_all, is_big = step is Step.DAY, step is Step.HOUR and every == 1
            limits = {"low": 1 if is_all or is_big else BIGGEST + 1, "high": BIGGEST if is_big else 2**31 - 1}
            last = min(first + 240, number) - 1
            _execute(
                BARS,
                first=first // every,
                last=last // every,
                step=step.value,
                time=_moment(end, f"-(i + 1) * {every * step.value}"),
                last_at=_moment(end, f"-(i + 1) * {every * step.value} + 1800"),
                **limits,
            )
    _execute(PRICES, first=1, last=RAW_DAYS * 480, time=_moment(now, "-i * 180"), high=BIGGEST)


def _moment(start: datetime, seconds: str) -> str:
    if connection.vendor == "sqlite":
        return f"{int(start.timestamp())} * 1000000 + ({seconds}) * 1000000"
    return f"timestamptz '{start.isoformat()}' + ({seconds}) * interval '1 second'"


def _execute(statement: str, *, first: int, last: int, **parts: Any) -> None:
    numbers = SERIES_OF_NUMBERS[connection.vendor].format(name="numbers", first=first, last=last)
    parts = {"price": "(1.0 + (series.id * 31 + i * 7) % 100) / 50", "true": "true"} | parts
    parts["last"] = parts.pop("last_at", last)
    with connection.cursor() as cursor:
        cursor.execute(statement.format(numbers=numbers, **parts))


def _runs(number: int, now: datetime) -> None:
    """One each three minutes, up to now. One of WHOLE_EVERY is of the whole market."""
    biggest = CrawlSchedule.objects.create(
        name="The biggest 250 coins",
        spider="markets",
        arguments={"order": "market_cap_desc", "pages": 1},
        crontab="*/3 * * * *",
        next_run_at=now + timedelta(minutes=2),
    )
    whole = CrawlSchedule.objects.create(
        name="The whole market", spider="markets", crontab="0 */6 * * *", next_run_at=now + timedelta(hours=2)
    )
    CrawlSchedule.objects.update(changed_at=now - timedelta(days=100))
    Node.objects.heartbeat("bench", capacity=2)
    key = "'run-' || substr(CAST(10000000 + %d - i AS text), 2)"
    is_whole = f"i % {WHOLE_EVERY} = 0"
    begin, end = _text_moment(now, "-(i + 1) * 180"), _text_moment(now, "-(i + 1) * 180 + 60")
    seen = f"CASE WHEN {is_whole} THEN 18000 ELSE 250 END"
    values = {
        "id": key % (number - 1),
        "spider": "'markets'",
        "arguments": f'CASE WHEN {is_whole} THEN \'{{}}\' ELSE \'{{"order": "market_cap_desc", "pages": 1}}\' END',
        "schedule_id": f"CASE WHEN {is_whole} THEN {whole.pk} ELSE {biggest.pk} END",
        "verdict": "CASE WHEN i % 50 = 7 THEN 'failed' WHEN i % 50 = 9 THEN 'partial' ELSE 'complete' END",
        "queued_at": begin,
        "started_at": begin,
        "heartbeat_at": end,
        "finished_at": end,
        "seen": seen,
        "updated": seen,
        "newest_update": end,
        "stores_prices": "true",
        "is_whole": is_whole,
    }
    if connection.vendor == "postgresql":
        values["arguments"] = f"({values['arguments']})::jsonb"
    for field in CrawlRun._meta.concrete_fields:
        if field.column not in values and not field.null and not field.generated:
            values[str(field.column)] = _default(field)
    names = ", ".join(values)
    for first in range(0, number, 50_000):
        numbers = SERIES_OF_NUMBERS[connection.vendor].format(
            name="numbers", first=first, last=min(first + 50_000, number) - 1
        )
        with connection.cursor() as cursor:
            cursor.execute(RUNS.format(names=names, numbers=numbers, values=", ".join(values.values())))
    last = CrawlRun.objects.get(pk=f"run-{number - 1:07}")
    CrawlRun.objects.filter(pk=last.pk).update(verdict=Verdict.PARTIAL, log_tail="a line\n" * 500)
    RejectedRecord.objects.bulk_create(
        (
            RejectedRecord(
                run=last,
                coin_id=f"coin-{place:05}",
                page="7",
                raw='{"id": "x", "name": 1}',
                reasons=f"name: reason {place % 20}",
                fingerprint=str(place),
                status="open" if place % 10 == 0 else "resolved",
                last_seen_at=now - timedelta(minutes=place),
            )
            for place in range(REJECTED)
        ),
        batch_size=500,
    )


def _default(field: Any) -> str:
    value = field.get_default()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "'{}'" if connection.vendor == "sqlite" else "'{}'::jsonb"
    return str(value) if isinstance(value, int | float) else f"'{value}'"


def _text_moment(start: datetime, seconds: str) -> str:
    """As a DateTimeField is stored."""
    if connection.vendor == "sqlite":
        return f"strftime('%Y-%m-%d %H:%M:%S.000000', {int(start.timestamp())} + ({seconds}), 'unixepoch')"
    return _moment(start, seconds)
