"""Finds the stretches of time in which series have no bars."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from webapp.coins.fields import instant, microseconds
from webapp.coins.prices.tiers import Step

# The first and the last bar of each series, and those that the next one follows only after a while
STRETCHES = """
    SELECT series_id, time, last_at, is_first, following FROM (
        SELECT
            series_id, time, last_at,
            LAG(time) OVER (PARTITION BY series_id ORDER BY time) IS NULL AS is_first,
            LEAD(time) OVER (PARTITION BY series_id ORDER BY time) AS following
        FROM coins_pricebar
        WHERE step = %(step)s AND series_id IN ({series}) AND time >= %(since)s
    ) AS bars
    WHERE is_first OR following IS NULL OR following - time >= %(distance)s
    ORDER BY series_id, time
"""


class Stretch(NamedTuple):
    last_at: datetime | None  # of the bar before it; None if there is none
    since: datetime | None  # the end of that bar
    until: datetime | None  # the beginning of the next bar; None if there is none


def stretches(step: Step, series: Collection[int], since: datetime, least: timedelta) -> dict[int, list[Stretch]]:
    """By series, the stretches without bars of this step, among the bars that begin at `since` or later.

    A stretch between two bars is at least as long as `least`. Those before the first bar and after the last are of any
    length.
    """
    found: dict[int, list[Stretch]] = {}
    if not series:
        return found
    with connection.cursor() as cursor:
        distance = max(step.length + least, 2 * step.length)  # from one bar to the next
        cursor.execute(STRETCHES.format(series=", ".join(map(str, series))), _parameters(step, since, distance))
        for key, *values in cursor.fetchall():
            time, last_at, following = (instant(value) for value in (values[0], values[1], values[3]))
            own = found.setdefault(key, [])
            if values[2]:
                own.append(Stretch(None, None, time))
            if following is None or following - time >= distance:
                own.append(Stretch(last_at, time + step.length, following))
    return found


def _parameters(step: Step, since: datetime, distance: timedelta) -> dict[str, Any]:
    is_number = connection.vendor == "sqlite"
    return {
        "step": step.value,
        "since": microseconds(since) if is_number else since,
        "distance": distance // timedelta(microseconds=1) if is_number else distance,
    }
