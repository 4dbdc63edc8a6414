"""Reads prices: of a coin, of all coins on a day, and which days there are. Days are UTC.

What is stored depends on what has been rolled up and deleted so far. The settings alone do not tell, so they are not
asked.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection, models
from django.db.models import Count, Max, Min, OuterRef, QuerySet, Subquery, Sum, Value

from webapp.coins.models import Price, PriceBar, PriceDay, PriceSeries
from webapp.coins.prices.series import key_of
from webapp.coins.prices.tiers import Step, limits_of

# The table of series comes first, so that the prices of a coin are found by their key: no index begins with the time.
# PostgreSQL keeps that order because of the OFFSET, SQLite because of the CROSS JOIN.
PAGE = """
    SELECT series.coin_id, {columns}
    FROM coins_priceseries AS series CROSS JOIN {part}
        AND series.coin_id >= %(coin_id)s AND (series.coin_id > %(coin_id)s OR part.time > %(after)s)
    ORDER BY series.coin_id, part.time LIMIT %(limit)s
"""
SQLITE = "{table} AS part WHERE part.series_id = series.id AND {condition}"
POSTGRESQL = """LATERAL (
        SELECT * FROM {table} AS part WHERE part.series_id = series.id AND {condition} OFFSET 0
    ) AS part
    WHERE true"""
CONDITION = {step: f"part.step = {step.value} AND part.time BETWEEN %(start)s AND %(end)s" for step in Step} | {
    None: "part.time BETWEEN %(start)s AND %(end)s"
}
BY_SECONDS: Mapping[int, Step | None] = {0: None, **{step.value: step for step in Step}}  # 0: an observation


class PricePoint(NamedTuple):
    """A coin's prices at a time, in UTC."""

    time: datetime
    price: Decimal
    market_cap: Decimal | None
    volume: Decimal | None
    rank: int | None


def chart(coin_id: str, since: datetime | None = None, until: datetime | None = None) -> list[PricePoint]:
    """The prices of a coin in the order of time, from `since` on and before `until`. Empty if there are none.

    Each stored observation is a point. Where observations are deleted, the last one of each hour is a point, and where
    bars of hours are deleted, too, the last one of each day. So a line through the points has no jump and no hole
    between two tiers, and no two points are of one time, however far roll-ups have come. It takes two queries.
    """
    return [point for _, point in _points(coin_id, since, until)]


def even_chart(coin_id: str, since: datetime | None = None, until: datetime | None = None) -> list[PricePoint]:
    """The same, as close as the first point: if that is the last one of its day, no day has more than its last one."""
    points = _points(coin_id, since, until)
    step = points[0][0] if points else None
    if step is None:
        return [point for _, point in points]
    return list({step.start(point.time): point for _, point in points}.values())


def _points(coin_id: str, since: datetime | None, until: datetime | None) -> list[tuple[Step | None, PricePoint]]:
    """The points with the step of the bar that each is from. None if it is an observation."""
    key = key_of(coin_id)
    if key is None:
        return []
    bars = (_closes(key, step, since, until) for step in Step)
    own = prices_of(key, None, since, until).annotate(step=Value(0))
    observations = own.values_list("time", "step", *PricePoint._fields[1:])
    # One statement sees one state of the database: no roll-up comes between its parts.
    rows = observations.union(*bars, all=True).order_by("time", "-step")
    # As long as a bar's parts are stored, the last of them has the same time. The finest row comes last, and stays.
    found = {time: (BY_SECONDS[step], PricePoint(time, *values)) for time, step, *values in rows}
    return list(found.values())


def prices_of(key: int, step: Step | None, since: datetime | None, until: datetime | None) -> QuerySet[Any]:
    """A series' bars that begin from `since` on and before `until`, or its observations if `step` is None."""
    rows = PriceBar.objects.filter(series=key, step=step) if step else Price.objects.filter(series=key)
    return _between(rows, "time", since, until)


def span_of(key: int, step: Step | None) -> tuple[datetime, datetime] | None:
    """The times of the first and the last of a series' bars, or of its observations; None if there are none."""
    first, last = prices_of(key, step, None, None).aggregate(first=Min("time"), last=Max("time")).values()
    return (first, last) if first else None


def _closes(key: int, step: Step, since: datetime | None, until: datetime | None) -> QuerySet[Any]:
    """The last observations of bars."""
    bars = prices_of(key, step, since and step.start(since), until)  # these limits are those of its key
    return _between(bars, "last_at", since, until).values_list("last_at", "step", "close", *PricePoint._fields[2:])


def _between(rows: QuerySet[Any], column: str, since: datetime | None, until: datetime | None) -> QuerySet[Any]:
    limits = {f"{column}__gte": since, f"{column}__lt": until}
    return rows.filter(**{lookup: moment for lookup, moment in limits.items() if moment})


def prices_on(
    day: date,
    step: Step | None,
    fields: Sequence[models.Field],
    *,
    limit: int,
    coin_id: str = "",
    after: datetime | None = None,
) -> list[tuple[Any, ...]]:
    """At most `limit` bars that begin on this day, or observations if `step` is None, by coin and time.

    A row has the coin's id and the values of these fields. The rows begin with the next coin after `coin_id`, or if
    `after` is a time, with the next row of `coin_id` after that.
    """
    part = (SQLITE if connection.vendor == "sqlite" else POSTGRESQL).format(
        table=(PriceBar if step else Price)._meta.db_table, condition=CONDITION[step]
    )
    statement = PAGE.format(columns=", ".join(f"part.{field.column}" for field in fields), part=part)
    start, end = limits_of(day)
    time = PriceBar._meta.get_field("time")
    moments = {"start": start, "end": end, "after": after or end}
    prepared = {name: time.get_db_prep_value(moment, connection) for name, moment in moments.items()}
    with connection.cursor() as cursor:
        cursor.execute(statement, prepared | {"coin_id": coin_id, "limit": limit})
        rows = cursor.fetchall()
    columns = [[coin for coin, *_ in rows]]
    for field, values in zip(fields, list(zip(*rows, strict=True))[1:], strict=bool(rows)):
        column = list(values)
        for convert in field.get_db_converters(connection):
            column = [convert(value, None, connection) for value in column]
        columns.append(column)
    return list(zip(*columns, strict=True))


def count_on(day: date, step: Step | None) -> int:
    """The number of all bars that begin on this day, or of observations if `step` is None."""
    rows = PriceBar.objects.filter(step=step) if step else Price.objects.all()
    of_series = rows.filter(series=OuterRef("pk"), time__range=limits_of(day)).values("series")
    counts = Subquery(of_series.annotate(number=Count("*")).values("number"))  # each uses the key, which a join may not
    return PriceSeries.objects.aggregate(number=Sum(counts))["number"] or 0


def days_with_bars(limit: int, after: date | None = None, changed_since: datetime | None = None) -> list[PriceDay]:
    """At most `limit` days that have bars of a day, in their order, after a day or with changes since then."""
    limits = {"day__gt": after, "changed_at__gte": changed_since}
    days = PriceDay.objects.filter(**{lookup: value for lookup, value in limits.items() if value})
    return list(days.order_by("day")[:limit])
