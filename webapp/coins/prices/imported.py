"""Writes bars that came from elsewhere: from an API's history, or from another installation."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from django.db import connection, models

from webapp.coins.fields import ExactDecimalField, count_rounded, instant
from webapp.coins.models import PriceBar
from webapp.coins.prices.tiers import Step
from webapp.coins.rows import prepared, rows_of

AT_ONCE = 1_000  # bars in a statement
KEY = ("series", "step", "time")
WRITE = """
    INSERT INTO coins_pricebar AS bar ({columns}) {rows}
    ON CONFLICT (series_id, step, time) DO UPDATE SET {assignments}
    WHERE {condition} AND ({old}) {differs} ({new})
    RETURNING series_id, time
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedBar:
    """A bar from elsewhere."""

    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    last_at: datetime
    observations: int = 0
    market_cap: Decimal | None = None
    volume: Decimal | None = None
    rank: int | None = None


VALUES = tuple(ImportedBar.__annotations__)


@dataclass(frozen=True)
class Stored:
    """How many bars became what. Bars that are left alone count as unchanged."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rounded: Counter[str] = field(default_factory=Counter)  # by column: values with more digits than SQLite keeps

    def __add__(self, other: "Stored") -> "Stored":
        return Stored(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


def write_bars(step: Step, bars: Sequence[tuple[int, ImportedBar]], condition: str) -> set[tuple[int, datetime]]:
    """Write at most AT_ONCE bars, each with its series: those that are new, or differ from a stored one.

    `condition` is SQL: which stored bars, called `bar`, may be replaced. Returns the series and the time of each bar
    that was written.
    """
    if not bars:
        return set()
    values: dict[str, list[Any]] = {"series": [series for series, _ in bars]}
    values |= {name: [value] * len(bars) for name, value in (("step", step.value), ("is_final", False))}
    values |= {name: [getattr(bar, name) for _, bar in bars] for name in VALUES}
    columns = {name: cast(models.Field, PriceBar._meta.get_field(name)) for name in values}
    lists = {columns[name]: prepared(columns[name], values[name], connection) for name in values}
    rows, parameters = rows_of(lists, connection)
    others = [name for name in values if name not in KEY]
    statement = WRITE.format(
        columns=", ".join(str(column.column) for column in columns.values()),
        rows=rows,
        assignments=", ".join(f"{name} = excluded.{name}" for name in others),
        condition=condition,
        old=", ".join(f"bar.{name}" for name in others),
        new=", ".join(f"excluded.{name}" for name in others),
        differs="IS NOT" if connection.vendor == "sqlite" else "IS DISTINCT FROM",
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return {(series, instant(time)) for series, time in cursor.fetchall()}


def count_rounded_in(bars: Sequence[Any]) -> Counter[str]:
    """By column, how many values of these bars SQLite has rounded."""
    counts: Counter[str] = Counter()
    if connection.vendor == "sqlite":
        for column in PriceBar._meta.concrete_fields:
            if isinstance(column, ExactDecimalField):
                values = [getattr(bar, column.name) for bar in bars]
                counts[column.name] = count_rounded(values, column.all_for_sqlite(values))
    return +counts
