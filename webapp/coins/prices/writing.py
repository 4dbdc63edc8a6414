"""Writes bars that came from elsewhere: from an API's history, or from another installation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from django.db import connection, models

from webapp.coins.fields import ExactDecimalField, count_rounded, instant
from webapp.coins.models import PriceBar
from webapp.coins.upsert import prepared, rows_of

AT_ONCE = 1_000  # bars in a statement
KEY = ("series", "step", "time")
WRITE = """
    INSERT INTO coins_pricebar AS bar ({columns}) {rows}
    ON CONFLICT (series_id, step, time) DO UPDATE SET {assignments}
    WHERE {condition} AND ({old}) {differs} ({new})
    RETURNING series_id, time
"""


@dataclass(frozen=True)
class Stored:
    """How many bars became what. Bars that are left alone count as unchanged."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rounded: Counter[str] = field(default_factory=Counter)  # by column: values with more digits than SQLite keeps


def write_bars(values: Mapping[str, Sequence[Any]], condition: str) -> set[tuple[int, datetime]]:
    """Write at most AT_ONCE bars with different keys: those that are new, or differ from a stored one.

    `values` has the values of each field by its name. `condition` is SQL: which stored bars, called `bar`, may be
    replaced. Returns the series and the time of each bar that was written.
    """
    columns = {name: cast(models.Field, PriceBar._meta.get_field(name)) for name in values}
    lists = {columns[name]: prepared(columns[name], [*values[name]], connection) for name in values}
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
