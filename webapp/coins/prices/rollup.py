"""Rolls observations up into bars of an hour, and those into bars of a day, and deletes what is old enough.

As long as the parts of a bar are stored, the bar is rebuilt from them. When they are deleted, it becomes final, and
later parts are added to it. Parts that a final bar already has are not counted again: observations can be put back from
the archive. So the bars are the same however often, and however late, this runs. Months of observations that are
partitions are dropped as a whole.
"""

from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.db.models import Max, Min, OuterRef, QuerySet, Subquery

from webapp.coins import clock
from webapp.coins.models import FullCoin, Price, PriceBar, PriceDay, PriceHour, PriceSeries
from webapp.coins.prices import partitions
from webapp.coins.prices.bars import DAYS, DAYS_OF_OBSERVATIONS, HOURS, Level, delete_parts, make
from webapp.coins.prices.partitions import Partition
from webapp.coins.prices.retention import Deletable
from webapp.coins.prices.tiers import Step, Tiers

SERIES_AT_ONCE = 200  # in a transaction, so that it is short


def roll_up(now: datetime | None = None) -> None:
    """Do all that is due. The default of `now` is the database's clock."""
    for _ in transactions(now):
        pass


def transactions(now: datetime | None = None) -> Iterator[None]:
    """The same, with a pause after each transaction, in which other work can be done."""
    now = now or clock.database_clock()
    tiers, months = Tiers.at(now), partitions.existing()
    deletable = Deletable.at(tiers.raw_since)
    deletable = replace(deletable, before=partitions.first_kept(deletable.before, months))
    if months:
        with _transaction():
            partitions.make_next(now, months)
    elif partitions.are_unfinished():
        with _transaction():
            partitions.undo_unfinished()
    yield from _update(deletable.not_among(PriceHour.objects.new()))
    for month in months:
        if month.until <= deletable.before and not (yield from _drop(month, deletable)):
            deletable = replace(deletable, before=month.since)  # this month is tried again in the next roll-up
    hours_since = tiers.with_raw_since(deletable.before).hours_since
    late = list(deletable.among(PriceHour.objects.new()).values_list("time", "changed_at"))
    for series in _all_series():
        yield from _delete_observations(series, deletable)
        yield from _delete_hours(series, hours_since)
    for hour, changed_at in late:
        _mark(hour, changed_at)


def make_day(day: datetime, series: Collection[int]) -> list[int]:
    """Make the bars of a day of these series from their hours, unless they are final. Call it in a transaction.

    Returns the series whose bar has changed.
    """
    return _noted(day, make(DAYS, day, series))


def _all_series() -> Iterator[range]:
    """The keys of all series, in parts."""
    last = PriceSeries.objects.aggregate(last=Max("pk"))["last"] or 0
    return (range(first, min(first + SERIES_AT_ONCE, last + 1)) for first in range(1, last + 1, SERIES_AT_ONCE))


def _update(hours: QuerySet[PriceHour]) -> Iterator[None]:
    """Make the bars of these hours, which have new observations, and of their days."""
    for hour, changed_at in hours.order_by("time").values_list("time", "changed_at"):
        for series in _all_series():
            with _transaction():
                _complete_hour(hour, series)
            yield
        _mark(hour, changed_at)


def _mark(hour: datetime, changed_at: datetime) -> None:
    """Note that the bars have this hour's observations up to that change. If others have come since, it stays new."""
    PriceHour.objects.filter(time=hour).update(rolled_up=changed_at)


def _drop(month: Partition, deletable: Deletable) -> Generator[None, None, bool]:
    """Make the bars of all hours of a month final, and drop its observations, unless new ones have come meanwhile.

    Returns whether they are dropped.
    """
    hours = PriceHour.objects.filter(time__gte=month.since, time__lt=month.until).order_by("time")
    known = dict(hours.values_list("time", "changed_at"))
    for hour in known:
        for series in _all_series():
            with _transaction():
                _complete_hour(hour, series)
                _make_hours_final(series, hour, hour + Step.HOUR.length)
            yield
    with _transaction():
        are_all = dict(hours.values_list("time", "changed_at")) == known
        if are_all and deletable.may_delete(month.since, month.until):
            partitions.drop(month)
            return True
    return False


def _delete_observations(series: range, deletable: Deletable) -> Iterator[None]:
    """Make the bars of these series final whose observations may be deleted, and delete these."""
    while oldest := _oldest(deletable.among(Price.objects.all()), series):
        hour, day = Step.HOUR.start(oldest), Step.DAY.start(oldest)
        with _transaction():
            if not deletable.may_delete(day, day + Step.DAY.length):
                return
            _complete_hour(hour, series)
            _delete_parts(HOURS, hour, series)
        yield


def _complete_hour(hour: datetime, series: Collection[int]) -> None:
    """Make the bars of an hour with all their observations, and of its day, also those that are final."""
    day, changed = Step.DAY.start(hour), _make_hour(hour, series)
    others = set(changed) - set(make_day(day, changed))
    if others:
        _add_to_final_day(day, sorted(others))


def _make_hour(hour: datetime, series: Collection[int]) -> list[int]:
    return make(HOURS, hour, series) + make(HOURS, hour, series, is_final=True)


def _add_to_final_day(day: datetime, series: Collection[int]) -> None:
    """Add late observations to the bars of a day of these series that are final, and to those of its hours.

    The hours become final, too: what has been added to the day is not added again.
    """
    for number in range(Step.DAY // Step.HOUR):
        _make_hour(day + number * Step.HOUR.length, series)
    added = _noted(day, make(DAYS_OF_OBSERVATIONS, day, series, is_final=True))
    _make_hours_final(added, day, day + Step.DAY.length)


def _make_hours_final(series: Collection[int], since: datetime, until: datetime) -> None:
    hours = PriceBar.objects.filter(series__in=series, step=Step.HOUR, time__gte=since, time__lt=until)
    hours.filter(is_final=False, observations__gt=0).update(is_final=True)


def _delete_hours(series: range, before: datetime) -> Iterator[None]:
    """Make the bars of a day final whose hours are older than `before`, and delete these."""
    while oldest := _oldest(PriceBar.objects.filter(step=Step.HOUR, time__lt=before), series):
        day = Step.DAY.start(oldest)
        with _transaction():
            if Price.objects.filter(series__in=series, time__gte=day, time__lt=day + Step.DAY.length).exists():
                return  # the hours lack some: a flush has just added them, or they are kept because they were put back
            make_day(day, series)
            _noted(day, make(DAYS, day, series, is_final=True))
            _delete_parts(DAYS, day, series)
        yield


def _noted(day: datetime, series: list[int]) -> list[int]:
    """Note that the bars of these series have changed on this day."""
    if series:
        PriceDay.objects.note([day.date()])
    return series


def _delete_parts(level: Level, start: datetime, series: range) -> None:
    final = set(delete_parts(level, start, series))
    PriceBar.objects.filter(series__in=final, step=level.step, time=start).update(is_final=True)


@contextmanager
def _transaction() -> Iterator[None]:
    with transaction.atomic():
        FullCoin.objects.lock_changes()  # no flush adds parts meanwhile
        yield


def _oldest(parts: QuerySet[Price] | QuerySet[PriceBar], series: range) -> datetime | None:
    """The time of the oldest of the parts that these series have."""
    first = Subquery(parts.filter(series=OuterRef("pk")).order_by("time").values("time")[:1])
    found: datetime | None = PriceSeries.objects.filter(pk__in=series).aggregate(oldest=Min(first))["oldest"]
    return found
