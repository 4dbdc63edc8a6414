"""Finds the times in which series have no bars, and notes those in which missing bars are no gap."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from webapp.coins.fields import instant, microseconds
from webapp.coins.models import CoveredSpan, PriceAbsence, PriceSeries
from webapp.coins.prices.tiers import Step

# The first and the last bar of each series, and those that the next one follows only after a while
WITHOUT_BARS = """
    SELECT series_id, is_first, time, following, observed_last, observed_first, observed_next FROM (
        SELECT
            series_id, time,
            LAG(time) OVER bars IS NULL AS is_first,
            LEAD(time) OVER bars AS following,
            MAX(observed_last) OVER (bars ROWS UNBOUNDED PRECEDING) AS observed_last,
            MIN(observed) OVER (bars ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS observed_first,
            MIN(observed) OVER (bars ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS observed_next
        FROM (
            SELECT  -- with CASE: in a window, SQLite 3.40 takes no notice of MIN's FILTER
                series_id, time,
                CASE WHEN observations = 1 THEN last_at WHEN observations > 1 THEN time END AS observed,
                CASE WHEN observations > 0 THEN last_at END AS observed_last
            FROM coins_pricebar
            WHERE step = %(step)s AND series_id IN ({series}) AND time >= %(since)s
        ) AS own
        WINDOW bars AS (PARTITION BY series_id ORDER BY time)
    ) AS found
    WHERE is_first OR following IS NULL OR following - time >= %(distance)s
    ORDER BY series_id, time
"""


class Missing(NamedTuple):
    """A time without bars."""

    since: datetime | None  # the end of the bar before it; None if there is none
    until: datetime | None  # the beginning of the next bar; None if there is none
    observed_at: datetime | None = None  # the last observation before it
    observed_again: datetime | None = None  # the next one, or the beginning of its bar if that has several


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
        for key, is_first, *moments in cursor.fetchall():
            time, following, observed_last, observed_first, observed_next = map(instant, moments)
            own = found.setdefault(key, [])
            if is_first:
                own.append(Missing(None, time, None, observed_first))
            if following is None or following - time >= distance:
                own.append(Missing(time + step.length, following, observed_last, observed_next))
    return found


def _parameters(step: Step, since: datetime, distance: timedelta) -> dict[str, Any]:
    is_number = connection.vendor == "sqlite"
    return {
        "step": step.value,
        "since": microseconds(since) if is_number else since,
        "distance": distance // timedelta(microseconds=1) if is_number else distance,
    }


def cover(series: PriceSeries, step: Step, since: datetime, until: datetime) -> None:
    """The API's history from `since` to `until` was fetched: bars that are still missing are no gap."""
    spans = CoveredSpan.objects.filter(series=series, step=step, since__lte=until, until__gte=since)
    known = list(spans.values_list("since", "until"))
    spans.delete()
    CoveredSpan.objects.create(
        series=series,
        step=step,
        since=min([since, *(begin for begin, _ in known)]),
        until=max([until, *(end for _, end in known)]),
    )


def note_absences(missing_since: Mapping[str, datetime], until: datetime) -> None:
    """Coins were not on the market from these moments, by id, to `until`. Those without prices are left out."""
    all_series = PriceSeries.objects.filter(coin_id__in=missing_since)
    absences = [PriceAbsence(series=one, since=missing_since[one.coin_id], until=until) for one in all_series]
    PriceAbsence.objects.bulk_create(
        absences, update_conflicts=True, unique_fields=["series", "since"], update_fields=["until"]
    )
