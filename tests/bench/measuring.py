"""What `tests.bench.prices` measures."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import islice
from statistics import median
from time import perf_counter
from typing import Any

from django.db import connection, transaction
from django.test import override_settings

from tests.bench.filling import BIGGEST, COINS, ROWS_A_DAY, Filled, fill, filled
from tests.bench.plans import full_scans, without_statistics
from webapp.coins.clock import database_clock
from webapp.coins.models import Price, PriceBar, PriceHour
from webapp.coins.prices import rollup
from webapp.coins.prices.reading import chart, prices_of
from webapp.coins.prices.series import key_of
from webapp.coins.prices.tiers import Step
from webapp.crawls import recording
from webapp.crawls.batch import Batch
from webapp.crawls.models import CrawlRun
from webapp.crawls.verdict import Verdict

Read = Callable[[int], Collection[Any]]  # by coin

FLUSHES = 60
DAY = timedelta(days=1)
TABLES = ("coins_price", "coins_pricebar")
SIZES = """
    SELECT sum(pg_relation_size(part)), sum(pg_indexes_size(part))
    FROM (SELECT %s::regclass UNION SELECT relid FROM pg_partition_tree(%s)) AS parts (part)
"""


def measure(rows: int) -> Iterator[str]:
    if not Price.objects.exists():
        yield from fill(rows, database_clock())
        execute("VACUUM ANALYZE coins_price, coins_pricebar, coins_priceseries, coins_fullcoin, coins_pricehour")
    there = filled()
    yield from reads(there)  # first, while nothing is in memory
    yield from sizes(there)
    yield from flushes()
    yield from rolling_up(there)
    yield from deleting(there)
    yield from plans(there)


def sizes(there: Filled) -> Iterator[str]:
    yield f"{there.days} days, {there.days * ROWS_A_DAY:,} observations"
    for table, rows in zip(TABLES, (there.days * ROWS_A_DAY, PriceBar.objects.count()), strict=True):
        [(heap, index)] = execute(SIZES, table, table)
        total = f"{rows:,} rows, table {int(heap) / 1e9:.2f} GB, index {int(index) / 1e9:.2f} GB"
        yield f"{table}: {total}, {(heap + index) / rows:.0f} bytes a row"


def reads(there: Filled) -> Iterator[str]:
    """Of coins that nobody has asked for since the server began, and then again."""
    for name, read in queries(there).items():
        for kind, coins in (("biggest", range(7, BIGGEST, 25)), ("other", range(BIGGEST + 7, COINS, COINS // 10))):
            first, again = ([timed(partial(fetch, read, coin)) for coin in coins] for _ in range(2))
            rows = median(len(read(coin)) for coin in coins)
            yield f"{name}, {kind} coins, {rows:.0f} rows: cold {spread(first)}, warm {spread(again)}"


def fetch(read: Read, coin: int) -> None:
    list(read(coin))


def queries(there: Filled) -> dict[str, Read]:
    def of(step: Step | None, days: int) -> Read:
        return lambda coin: prices_of(key(coin), step, there.end - days * DAY, there.end).order_by("time")

    return {
        "a day, raw": of(None, 1),
        "a month, hours": of(Step.HOUR, 30),
        "a year, days": of(Step.DAY, 365),
        "a chart of a day": lambda coin: chart(f"coin-{coin:05}", there.end - DAY, there.end),
    }


def key(coin: int) -> int:
    found = key_of(f"coin-{coin:05}")
    assert found
    return found


def flushes() -> Iterator[str]:
    """Flushes of the biggest coins, in turn into full tables and into empty ones."""
    run = recording.begin("markets", {})
    taken: dict[str, list[float]] = {}
    for _ in range(FLUSHES // 3):
        for name, tables in (("full", nullcontext), ("empty", empty_tables)):
            with tables():
                flush(run)  # so that none is the first after a change of tables
                taken.setdefault(name, []).extend(timed(lambda: flush(run)) for _ in range(3))
    recording.finish(run, Verdict.COMPLETE)
    full, empty = taken["full"], taken["empty"]
    ratio = median(full) / median(empty)
    yield f"a flush of {BIGGEST} coins: {spread(full)}; into empty tables {spread(empty)}; ratio {ratio:.2f}"


def flush(run: CrawlRun) -> None:
    """Every coin has another price."""
    now, batch = database_clock(), Batch()
    for coin in range(1, BIGGEST + 1):
        coin_id = f"coin-{coin:05}"
        price = Decimal(coin) + Decimal(now.microsecond) / 10**9
        values = {"current_price": price, "market_cap": price * 10**6, "total_volume": price * 10**4}
        batch.add({"coin_id": coin_id, "last_updated": now, "market_cap_rank": coin, **values}, {"id": coin_id}, "1")
    recording.store(run, batch, {})


@contextmanager
def empty_tables() -> Iterator[None]:
    for table in TABLES:
        execute(f"ALTER TABLE {table} RENAME TO full_{table}")
        execute(f"CREATE TABLE {table} (LIKE full_{table} INCLUDING ALL)")
    try:
        yield
    finally:
        for table in TABLES:
            execute(f"DROP TABLE {table}")
            execute(f"ALTER TABLE full_{table} RENAME TO {table}")


def rolling_up(there: Filled) -> Iterator[str]:
    """The last whole day, whose hours have no bars yet."""
    day = there.end - DAY
    forget_bars(day)
    with override_settings(PRICE_RAW_DAYS=0, PRICE_HOURLY_DAYS=0):
        each = [*each_transaction(rollup.transactions(there.end))]
    yield f"rolling up a day: {sum(each):.1f} s, transactions: {spread(each)}"


def forget_bars(day: datetime) -> None:
    """Let a day be new."""
    hours = [day + timedelta(hours=number) for number in range(24)]
    PriceBar.objects.filter(step=Step.HOUR, time__in=hours).delete()
    PriceBar.objects.filter(step=Step.DAY, time=day).delete()
    PriceHour.objects.filter(time__in=hours).update(rolled_up=None)


def deleting(there: Filled) -> Iterator[str]:
    """The first day, whose bars are final; then hours of which bars of days are made."""
    now = database_clock()
    with override_settings(PRICE_RAW_DAYS=(now - there.first).days - 1, PRICE_HOURLY_DAYS=0):
        each = [*each_transaction(rollup.transactions(now))]
    yield f"deleting a day of observations: {sum(each):.1f} s, transactions: {spread(each)}"
    with override_settings(PRICE_RAW_DAYS=(now - there.first).days - 1, PRICE_HOURLY_DAYS=89):
        each = [*each_transaction(rollup.transactions(now))]
    yield f"deleting a day of hour bars: {sum(each):.1f} s, transactions: {spread(each)}"


def plans(there: Filled) -> Iterator[str]:
    """Whether the planner reads whole tables, also if it knows little or thinks that seeks are dear."""
    for costs in (1.1, 4, 40):
        for name, condition in (("with", transaction.atomic), ("without", without_statistics)):
            with condition():
                execute(f"SET LOCAL random_page_cost = {costs}")
                with full_scans() as found:
                    everything(there)
                transaction.set_rollback(True)
            seen = "; ".join(f"{scan} ({found.count(scan)} times)" for scan in sorted(set(found))) or "none"
            yield f"whole tables read {name} statistics, random_page_cost {costs}: {seen}"


def everything(there: Filled) -> None:
    """A few of all statements."""
    for read in queries(there).values():
        list(read(BIGGEST))
    flush(recording.begin("markets", {}))
    hour = there.end - timedelta(hours=1)
    for moment in (hour, there.end - timedelta(hours=6)):  # with few observations, and with one of each coin
        PriceHour.objects.filter(time=moment).update(rolled_up=None)
    settings = {"PRICE_RAW_DAYS": there.days - 1, "PRICE_HOURLY_DAYS": 80}
    with override_settings(**settings):
        list(islice(rollup.transactions(there.end + DAY), 2 * COINS // rollup.SERIES_AT_ONCE + 60))


# Taking time -------------------------------------------------------------------------------------


def execute(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def timed(call: Callable[[], object]) -> float:
    """In seconds."""
    began = perf_counter()
    call()
    return perf_counter() - began


def each_transaction(transactions: Iterator[None]) -> Iterator[float]:
    began = perf_counter()
    for _ in transactions:
        yield perf_counter() - began
        began = perf_counter()


def spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    return f"{median(seconds) * 1000:.1f} ms (at most {max(seconds) * 1000:.1f})"
