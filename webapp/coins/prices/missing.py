"""Finds the times in which series have no bars, and notes those in which missing bars are no gap."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from webapp.coins.fields import instant, microseconds
from webapp.coins.models import CoveredSpan, PriceSeries
from webapp.coins.prices.tiers import Step

# The first and the last bar of each series, and those that the next one follows only after a while
WITHOUT_BARS = """
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


class Missing(NamedTuple):
    """A time without bars."""

    last_at: datetime | None  # of the bar before it; None if there is none
    since: datetime | None  # the end of that bar
    until: datetime | None  # the beginning of the next bar; None if there is none


def without_bars(step: Step, series: Collection[int], since: datetime, least: timedelta) -> dict[int, list[Missing]]:
    """By series, the times without bars of this step, among the bars that begin at `since` or later.

    A time between two bars is at least as long as `least`. Those before the first bar and after the last are of any
    length.
    """
    found: dict[int, list[Missing]] = {}
    if not series:
        return found
    with connection.cursor() as cursor:
        distance = max(step.length + least, 2 * step.length)  # from one bar to the next
        cursor.execute(WITHOUT_BARS.format(series=", ".join(map(str, series))), _parameters(step, since, distance))
        for key, *values in cursor.fetchall():
            time, last_at, following = (instant(value) for value in (values[0], values[1], values[3]))
            own = found.setdefault(key, [])
            if values[2]:
                own.append(Missing(None, None, time))
            if following is None or following - time >= distance:
                own.append(Missing(last_at, time + step.length, following))
    return found


def _parameters(step: Step, since: datetime, distance: timedelta) -> dict[str, Any]:
    is_number = connection.vendor == "sqlite"
    return {
        "step": step.value,
        "since": microseconds(since) if is_number else since,
        "distance": distance // timedelta(microseconds=1) if is_number else distance,
    }


def cover(series: PriceSeries, step: Step, since: datetime, until: datetime) -> None:
    """Bars that are missing from `since` to `until` are no gap: the API does not have them, or there are none."""
    spans = CoveredSpan.objects.filter(series=series, step=step, since__lte=until, until__gte=since)
    known = list(spans.values_list("since", "until"))
    spans.delete()
    CoveredSpan.objects.create(
        series=series,
        step=step,
        since=min([since, *(begin for begin, _ in known)]),
        until=max([until, *(end for _, end in known)]),
    )


def cover_absences(missing_since: Mapping[str, datetime], until: datetime) -> None:
    """Coins were not on the market from these moments, by id, to `until`. Those without prices are left out."""
    for series in PriceSeries.objects.filter(coin_id__in=missing_since):
        for step in Step:
            # The hour or day in which it came back, or left, may lack its bar as well.
            since = step.start(missing_since[series.coin_id])
            cover(series, step, since, step.start(until) + step.length)
