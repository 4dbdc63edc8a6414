"""Stores past prices from an API's history, where nothing was observed."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Q, QuerySet

from webapp.coins.fields import ExactDecimalField, count_rounded
from webapp.coins.models import CoveredSpan, FullCoin, PriceBar, PriceSeries
from webapp.coins.prices import rollup
from webapp.coins.prices.points import Chart, PastBar
from webapp.coins.prices.tiers import Step

NAMES = [field.name for field in fields(PastBar)]
OWN = Q(observations__gt=0) | Q(is_final=True)  # bars that are left alone


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
    first, last = min(bar.time for bar in bars), max(bar.time for bar in bars)
    own = PriceBar.objects.filter(series=series)
    stored = own.filter(step=step, time__range=(first, last))
    known = {row[0]: PastBar(*row) for row in stored.exclude(OWN).values_list(*NAMES)}
    taken = set(stored.filter(OWN).values_list("time", flat=True))
    settled = _settled_days(own, step, first, last)
    free = [bar for bar in bars if bar.time not in taken and Step.DAY.start(bar.time) not in settled]
    new = [bar for bar in free if bar.time not in known]
    changed = [bar for bar in free if known.get(bar.time, bar) != bar]
    own.filter(step=step, time__in=[bar.time for bar in changed]).delete()
    PriceBar.objects.bulk_create(
        PriceBar(series=series, step=step, observations=0, **vars(bar)) for bar in (*new, *changed)
    )
    if step == Step.HOUR:
        for day in sorted({Step.DAY.start(bar.time) for bar in (*new, *changed)}):
            rollup.make_day(day, [series.pk])
    return Stored(len(new), len(changed), len(bars) - len(new) - len(changed), _rounded([*new, *changed]))


def _settled_days(own: QuerySet[PriceBar], step: Step, first: datetime, last: datetime) -> set[datetime]:
    """The days whose bars of this step are left alone: final ones, or for bars of a day, those that have hours."""
    if step == Step.HOUR:
        days = own.filter(step=Step.DAY, is_final=True, time__range=(Step.DAY.start(first), last))
        return set(days.values_list("time", flat=True))
    hours = own.filter(step=Step.HOUR, time__gte=first, time__lt=last + Step.DAY.length)
    return {Step.DAY.start(time) for time in hours.values_list("time", flat=True)}


def _rounded(bars: Collection[PastBar]) -> Counter[str]:
    if connection.vendor != "sqlite":
        return Counter()
    columns = [column for column in PriceBar._meta.concrete_fields if isinstance(column, ExactDecimalField)]
    return Counter(
        {column.name: _rounded_in(column, [getattr(bar, column.name) for bar in bars]) for column in columns}
    )


def _rounded_in(column: ExactDecimalField, values: Sequence[Decimal | None]) -> int:
    return count_rounded(values, [None if value is None else column.for_sqlite(value) for value in values])


def cover(series: PriceSeries, step: Step, since: datetime, until: datetime) -> None:
    """Note that bars that are missing from `since` to `until` are no gap."""
    spans = CoveredSpan.objects.filter(series=series, step=step, since__lte=until, until__gte=since)
    known = list(spans.values_list("since", "until"))
    spans.delete()
    CoveredSpan.objects.create(
        series=series,
        step=step,
        since=min([since, *(begin for begin, _ in known)]),
        until=max([until, *(end for _, end in known)]),
    )
