"""Stores past prices from an API's history, where nothing was observed."""

from collections import Counter
from datetime import datetime

from django.db.models import QuerySet

from webapp.coins.models import FullCoin, PriceBar, PriceDay, PriceSeries
from webapp.coins.prices import rollup
from webapp.coins.prices.imported import AT_ONCE, Stored, count_rounded_in, write_bars
from webapp.coins.prices.missing import cover
from webapp.coins.prices.points import Chart
from webapp.coins.prices.tiers import Step


def store(chart: Chart) -> Stored:
    """Store the bars of a chart. Bars that it lacks are no gap any more, unless points were rejected.

    A bar with observations is left alone, and a fetched one if the chart has only one point for it. So are the hours of
    a final day, and a day that has hours: it is made from them. Call it in a transaction.
    """
    step, bars = chart.step, chart.bars
    FullCoin.objects.lock_changes()  # first: a flush that holds it may be making the same series
    series, _ = PriceSeries.objects.get_or_create(coin_id=chart.coin_id)
    if not chart.rejected:
        for covered in (Step.HOUR, Step.DAY) if step == Step.HOUR else (Step.DAY,):
            since, until = covered.first(chart.since), covered.start(chart.until)
            if since < until:
                cover(series, covered, since, until)
    if not bars:
        return Stored()
    own = PriceBar.objects.filter(series=series)
    first, last = bars[0].time, bars[-1].time
    known = set(own.filter(step=step, time__range=(first, last)).values_list("time", flat=True))
    settled = _settled_days(own, step, first, last) | _first_day(own, chart)
    # A single point does not replace what may have been made from many.
    free = [
        bar for bar in bars if Step.DAY.start(bar.time) not in settled and (bar.points > 1 or bar.time not in known)
    ]
    written: set[datetime] = set()
    rounded: Counter[str] = Counter()
    for start in range(0, len(free), AT_ONCE):
        some = free[start : start + AT_ONCE]
        rows = [(series.pk, bar) for bar in some]
        written |= {time for _, time in write_bars(step, rows, "bar.observations = 0 AND NOT bar.is_final")}
        rounded += count_rounded_in([bar for bar in some if bar.time in written])
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


def _first_day(own: QuerySet[PriceBar], chart: Chart) -> set[datetime]:
    """The day that the chart begins in, if it has a bar without hours: a part of its hours would make a worse one."""
    day = Step.DAY.start(chart.since)
    if chart.step == Step.DAY or day == chart.since:
        return set()
    hours = own.filter(step=Step.HOUR, time__gte=day, time__lt=day + Step.DAY.length)
    return {day} if own.filter(step=Step.DAY, time=day).exists() and not hours.exists() else set()
