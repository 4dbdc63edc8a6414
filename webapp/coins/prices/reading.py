"""Reads the prices of a coin: for a chart the finest that is stored of each period, and each tier by itself.

What is stored depends on what has been rolled up and deleted so far. The settings alone do not tell, so they are not
asked.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import QuerySet, Value

from webapp.coins.models import Price, PriceBar, PriceSeries
from webapp.coins.prices.tiers import Step


class Point(NamedTuple):
    """A coin's prices at a time, in UTC."""

    time: datetime
    price: Decimal
    market_cap: Decimal | None
    volume: Decimal | None
    rank: int | None


def chart(coin_id: str, since: datetime | None = None, until: datetime | None = None) -> list[Point]:
    """The prices of a coin in the order of time, from `since` on and before `until`. Empty if there are none.

    Each stored observation is a point. Where observations are deleted, the last one of each hour is a point, and where
    bars of hours are deleted, too, the last one of each day. So a line through the points has no jump and no hole
    between two tiers, and no two points are of one time, however far roll-ups have come. It takes two queries.
    """
    key = series_of(coin_id)
    if key is None:
        return []
    bars = (_closes(key, step, since, until) for step in Step)
    observations = prices_of(key, None, since, until).annotate(step=Value(0))
    # One statement sees one state of the database: no roll-up comes between its parts.
    rows = observations.values_list("time", "step", *Point._fields[1:]).union(*bars, all=True).order_by("time", "-step")
    # As long as a bar's parts are stored, the last of them has the same time. The finest row comes last, and stays.
    return list({time: Point(time, *values) for time, _, *values in rows}.values())


def series_of(coin_id: str) -> int | None:
    """The key of a coin's series; None if it has never had a price."""
    return PriceSeries.objects.filter(coin_id=coin_id).values_list("pk", flat=True).first()


def prices_of(key: int, step: Step | None, since: datetime | None, until: datetime | None) -> QuerySet[Any]:
    """A series' bars that begin from `since` on and before `until`, or its observations if `step` is None."""
    rows = PriceBar.objects.filter(series=key, step=step) if step else Price.objects.filter(series=key)
    return _between(rows, "time", since, until)


def _closes(key: int, step: Step, since: datetime | None, until: datetime | None) -> QuerySet[Any]:
    """The last observations of bars."""
    bars = prices_of(key, step, since and step.start(since), until)  # these limits are those of its key
    return _between(bars, "last_at", since, until).values_list("last_at", "step", "close", *Point._fields[2:])


def _between(rows: QuerySet[Any], column: str, since: datetime | None, until: datetime | None) -> QuerySet[Any]:
    limits = {f"{column}__gte": since, f"{column}__lt": until}
    return rows.filter(**{lookup: moment for lookup, moment in limits.items() if moment})
