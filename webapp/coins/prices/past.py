"""Stores past prices from an API's history, where nothing was observed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from django.db import connection, models
from django.db.models import QuerySet

from webapp.coins.fields import ExactDecimalField, count_rounded, instant
from webapp.coins.models import FullCoin, PriceBar, PriceDay, PriceSeries
from webapp.coins.prices import rollup
from webapp.coins.prices.covering import cover
from webapp.coins.prices.points import Chart, PastBar
from webapp.coins.prices.tiers import Step
from webapp.coins.upsert import prepared, rows_of

AT_ONCE = 1_000  # bars in a statement
VALUES = ("open", "high", "low", "close", "market_cap", "volume", "last_at")
WRITE = """
    INSERT INTO coins_pricebar AS bar ({columns}) {rows}
    ON CONFLICT (series_id, step, time) DO UPDATE SET {assignments}
    WHERE bar.observations = 0 AND NOT bar.is_final AND ({old}) {differs} ({new})
    RETURNING time
"""


@dataclass(frozen=True)
class Stored:
    """How many bars became what. Bars that are left alone count as unchanged."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rounded: Counter[str] = field(default_factory=Counter)  # by column: values with more digits than SQLite keeps


def store(chart: Chart) -> Stored:
    """Store the bars of a chart. Bars that it lacks are no gap any more: the API does not have them.

    A bar with observations is left alone. So are the hours of a final day, and a day that has hours: it is made from
    them. Call it in a transaction.
    """
    step, bars = chart.step, chart.bars
    series, _ = PriceSeries.objects.get_or_create(coin_id=chart.coin_id)
    FullCoin.objects.lock_changes()
    for covered in (Step.HOUR, Step.DAY) if step == Step.HOUR else (Step.DAY,):
        cover(series, covered, chart.since, chart.until)
    if not bars:
        return Stored()
    own = PriceBar.objects.filter(series=series)
    first, last = bars[0].time, bars[-1].time
    known = set(own.filter(step=step, time__range=(first, last)).values_list("time", flat=True))
    settled = _settled_days(own, step, first, last)
    free = [bar for bar in bars if Step.DAY.start(bar.time) not in settled]
    written: set[datetime] = set()
    rounded: Counter[str] = Counter()
    for start in range(0, len(free), AT_ONCE):
        some = free[start : start + AT_ONCE]
        written |= _write(series, step, some)
        rounded += _rounded([bar for bar in some if bar.time in written])
    if step == Step.HOUR:
        for day in sorted({Step.DAY.start(time) for time in written}):
            rollup.make_day(day, [series.pk])
    else:
        PriceDay.objects.note({time.date() for time in written})
    created = len(written - known)
    return Stored(created, len(written) - created, len(bars) - len(written), rounded)


def _settled_days(own: QuerySet[PriceBar], step: Step, first: datetime, last: datetime) -> set[datetime]:
    """The days whose bars of this step are left alone: final ones, or for bars of a day, those that have hours."""
    if step == Step.HOUR:
        days = own.filter(step=Step.DAY, is_final=True, time__range=(Step.DAY.start(first), last))
        return set(days.values_list("time", flat=True))
    hours = own.filter(step=Step.HOUR, time__gte=first, time__lt=last + Step.DAY.length)
    return {Step.DAY.start(time) for time in hours.values_list("time", flat=True)}


def _write(series: PriceSeries, step: Step, bars: Sequence[PastBar]) -> set[datetime]:
    """Write bars that are new, or differ from those that were fetched before. Returns their times."""
    same: Mapping[str, Any] = {"series": series.pk, "step": step.value, "observations": 0, "is_final": False}
    values = {name: [value] * len(bars) for name, value in same.items()}
    values |= {name: [getattr(bar, name) for bar in bars] for name in ("time", *VALUES)}
    columns = {name: cast(models.Field, PriceBar._meta.get_field(name)) for name in values}
    rows, parameters = rows_of(
        {columns[name]: prepared(columns[name], values[name], connection) for name in values}, connection
    )
    statement = WRITE.format(
        columns=", ".join(str(column.column) for column in columns.values()),
        rows=rows,
        assignments=", ".join(f"{name} = excluded.{name}" for name in VALUES),
        old=", ".join(f"bar.{name}" for name in VALUES),
        new=", ".join(f"excluded.{name}" for name in VALUES),
        differs="IS NOT" if connection.vendor == "sqlite" else "IS DISTINCT FROM",
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return {instant(found) for (found,) in cursor.fetchall()}


def _rounded(bars: Sequence[PastBar]) -> Counter[str]:
    """By column, how many values SQLite has rounded."""
    counts: Counter[str] = Counter()
    if connection.vendor == "sqlite":
        for column in PriceBar._meta.concrete_fields:
            if isinstance(column, ExactDecimalField):
                values = [getattr(bar, column.name) for bar in bars]
                counts[column.name] = count_rounded(values, column.all_for_sqlite(values))
    return +counts
