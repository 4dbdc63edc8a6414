"""Rolls observations up into bars of an hour, and those into bars of a day, and deletes what is old enough.

A bar is made anew from its parts as long as these are kept. When they are deleted, it becomes final, and later parts
are added to it. So bars get the same values whenever, and however often, this is done. Parts that a final bar has are
not counted again: observations can be put back from the archive.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import F, Max, Min, OuterRef, Q, QuerySet, Subquery

from webapp.coins import clock
from webapp.coins.models import FullCoin, Price, PriceBar, PriceDay, PriceHour, PriceSeries
from webapp.coins.prices.archived import Deletable
from webapp.coins.prices.tiers import Step, Tiers

SERIES_AT_ONCE = 200  # in a transaction, so that it is short
IS_NEW = Q(rolled_up=None) | Q(rolled_up__lt=F("changed_at"))  # hours with observations that the bars lack


@dataclass(frozen=True)
class Level:
    """How bars of this step are made: the model of their parts, and by column of a bar the expression of a part."""

    step: Step
    parts: type[Price | PriceBar]
    condition: str  # of a part
    columns: Mapping[str, str]


PRICES = dict.fromkeys(("open", "high", "low", "close"), "price")
HOURS = Level(Step.HOUR, Price, "", PRICES | {"last_at": "time", "observations": "COUNT(*)"})
DAYS = Level(
    Step.DAY,
    PriceBar,
    f"AND {{alias}}.step = {Step.HOUR.value}",
    {name: name for name in (*PRICES, "last_at")} | {"observations": "CAST({sum}(part.observations) AS integer)"},
)

# The table of series comes first, so that the few parts of each are found by their key. A final bar, this one or the
# day's, has all parts up to its `last_at`.
MAKE = """
    INSERT INTO coins_pricebar AS bar (
        series_id, step, time, open, high, low, close, market_cap, volume, rank, observations, last_at, is_final
    )
    SELECT
        span.series_id, %(step)s, %(start)s, opening.{open}, span.high, span.low, closing.{close},
        closing.market_cap, closing.volume, closing.rank, span.observations, closing.{last_at}, false
    FROM (
        SELECT
            part.series_id, MIN(part.time) AS first, MAX(part.time) AS last,
            MAX(part.{high}) AS high, MIN(part.{low}) AS low, {observations} AS observations
        FROM coins_priceseries AS series
        LEFT JOIN coins_pricebar AS made ON made.series_id = series.id AND made.is_final
            AND made.step = %(step)s AND made.time = %(start)s
        LEFT JOIN coins_pricebar AS day ON day.series_id = series.id AND day.is_final
            AND day.step = {day_step} AND day.time = %(day)s
        CROSS JOIN {table} AS part
        WHERE series.id IN {series} AND part.series_id = series.id
            AND part.time >= %(start)s AND part.time < %(end)s {of_part}
            AND (made.last_at IS NULL OR made.last_at < part.{last_at})
            AND (day.last_at IS NULL OR day.last_at < part.{last_at})
        GROUP BY part.series_id
    ) AS span
    JOIN {table} AS opening ON opening.series_id = span.series_id AND opening.time = span.first {of_opening}
    JOIN {table} AS closing ON closing.series_id = span.series_id AND closing.time = span.last {of_closing}
    WHERE true
    ON CONFLICT (series_id, step, time) DO UPDATE SET {assignments}
    WHERE {where}
    RETURNING series_id
"""
LAST = ("close", "market_cap", "volume", "rank", "last_at")  # of a bar: what its last part has
ANEW = {name: f"excluded.{name}" for name in ("open", "high", "low", "observations", *LAST)}
WITH_LATER_PARTS = {name: f"excluded.{name}" for name in LAST} | {
    "high": "{greatest}(bar.high, excluded.high)",
    "low": "{least}(bar.low, excluded.low)",
    "observations": "bar.observations + excluded.observations",
}
DELETE = """
    DELETE FROM {table} AS part
    WHERE part.series_id IN {series} AND part.time >= %(start)s AND part.time < %(end)s {of_part}
    RETURNING series_id
"""
SQLITE = {"sum": "total", "greatest": "MAX", "least": "MIN", "differs": "IS NOT"}
POSTGRESQL = {"sum": "sum", "greatest": "GREATEST", "least": "LEAST", "differs": "IS DISTINCT FROM"}


def roll_up(now: datetime | None = None) -> None:
    """Do all that is due. The default of `now` is the database's clock."""
    for _ in transactions(now):
        pass


def transactions(now: datetime | None = None) -> Iterator[None]:
    """The same, with a pause after each transaction, in which other work can be done."""
    tiers = Tiers.at(now or clock.database_clock())
    deletable = Deletable.at(tiers.raw_since)
    tiers = tiers.with_raw_since(deletable.before)
    yield from _update(tiers.raw_since)
    late = list(PriceHour.objects.filter(IS_NEW, time__lt=tiers.raw_since).values_list("time", "changed_at"))
    for series in _all_series():
        yield from _delete_observations(series, deletable)
        yield from _delete_hours(series, tiers.hours_since)
    for hour, changed_at in late:
        _mark(hour, changed_at)


def make_day(day: datetime, series: Collection[int]) -> None:
    """Make the bars of a day of these series from their hours, unless they are final. Call it in a transaction."""
    if _make(DAYS, day, series):
        PriceDay.objects.note([day.date()])


def _all_series() -> Iterator[range]:
    """The keys of all series, in parts."""
    last = PriceSeries.objects.aggregate(last=Max("pk"))["last"] or 0
    return (range(first, min(first + SERIES_AT_ONCE, last + 1)) for first in range(1, last + 1, SERIES_AT_ONCE))


def _update(since: datetime) -> Iterator[None]:
    """Make the bars of the hours that have new observations, and of their days."""
    hours = PriceHour.objects.filter(IS_NEW, time__gte=since).order_by("time")
    for hour, changed_at in hours.values_list("time", "changed_at"):
        for series in _all_series():
            with _transaction():
                make_day(Step.DAY.start(hour), _make(HOURS, hour, series))
            yield
        _mark(hour, changed_at)


def _mark(hour: datetime, changed_at: datetime) -> None:
    """Note that the bars have this hour's observations up to that change. If others have come since, it stays new."""
    PriceHour.objects.filter(time=hour).update(rolled_up=changed_at)


def _delete_observations(series: range, deletable: Deletable) -> Iterator[None]:
    """Make the bars of these series final whose observations may be deleted, and delete these."""
    while oldest := _oldest(deletable.among(Price.objects.all()), series):
        hour = Step.HOUR.start(oldest)
        with _transaction():
            if not deletable.still_has(hour):
                return
            changed = _make(HOURS, hour, series) + _make(HOURS, hour, series, is_final=True)
            make_day(Step.DAY.start(hour), changed)
            _delete_parts(HOURS, hour, series)
        yield


def _delete_hours(series: range, before: datetime) -> Iterator[None]:
    """Make the bars of a day final whose hours are older than `before`, and delete these."""
    while oldest := _oldest(PriceBar.objects.filter(step=Step.HOUR, time__lt=before), series):
        day = Step.DAY.start(oldest)
        with _transaction():
            if Price.objects.filter(series__in=series, time__gte=day, time__lt=day + Step.DAY.length).exists():
                return  # the hours lack some: a flush has just added them, or they are kept because they were put back
            make_day(day, series)
            if _make(DAYS, day, series, is_final=True):
                PriceDay.objects.note([day.date()])
            _delete_parts(DAYS, day, series)
        yield


def _delete_parts(level: Level, start: datetime, series: range) -> None:
    final = set(_execute(DELETE, level, start, series))
    PriceBar.objects.filter(series__in=final, step=level.step, time=start).update(is_final=True)


@contextmanager
def _transaction() -> Iterator[None]:
    with transaction.atomic():
        FullCoin.objects.lock_changes()  # no flush adds parts meanwhile
        yield


def _oldest(parts: QuerySet[Price] | QuerySet[PriceBar], series: range) -> datetime | None:
    """The time of the oldest of the parts that these series have."""
    first = Subquery(parts.filter(series=OuterRef("pk")).order_by("time").values("time")[:1])
    found: datetime | None = PriceSeries.objects.filter(pk__in=series).aggregate(oldest=Min(first))["oldest"]
    return found


def _make(level: Level, start: datetime, series: Collection[int], *, is_final: bool = False) -> list[int]:
    """Make the bars of these series that are not final, or add later parts to those that are.

    Returns the series whose bar has changed.
    """
    words = SQLITE if connection.vendor == "sqlite" else POSTGRESQL
    changes = {
        name: expression.format(**words) for name, expression in (WITH_LATER_PARTS if is_final else ANEW).items()
    }
    differs = f"({', '.join(f'bar.{name}' for name in changes)}) {words['differs']} ({', '.join(changes.values())})"
    return _execute(
        MAKE,
        level,
        start,
        series,
        assignments=", ".join(f"{name} = {expression}" for name, expression in changes.items()),
        where="bar.is_final" if is_final else f"NOT bar.is_final AND {differs}",
        **{name: expression.format(**words) for name, expression in level.columns.items()},
    )


def _execute(statement: str, level: Level, start: datetime, series: Collection[int], **words: str) -> list[int]:
    """Execute a statement about parts of one bar of these series. Returns the keys of series that it returns."""
    if not series:
        return []
    words |= {f"of_{alias}": level.condition.format(alias=alias) for alias in ("part", "opening", "closing")}
    keys = f"({', '.join(map(str, series))})"
    sql = statement.format(table=level.parts._meta.db_table, series=keys, day_step=Step.DAY.value, **words)
    time = PriceBar._meta.get_field("time")
    moments = {"start": start, "end": start + level.step.length, "day": Step.DAY.start(start)}
    prepared = {name: time.get_db_prep_value(moment, connection) for name, moment in moments.items()}
    with connection.cursor() as cursor:
        cursor.execute(sql, prepared | {"step": level.step.value})
        return [key for (key,) in cursor.fetchall()]
