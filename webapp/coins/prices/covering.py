"""Notes the times in which missing bars are no gap."""

from collections.abc import Mapping
from datetime import datetime

from webapp.coins.models import CoveredSpan, PriceSeries
from webapp.coins.prices.tiers import Step


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
