"""Which observations may be deleted. With ARCHIVE_URL set, only those whose day is in the archive."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_
from typing import TypeVar

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet

from webapp.coins.fields import EPOCH
from webapp.coins.models import ArchivedDay, Price, PriceHour
from webapp.coins.prices.tiers import Step, limits_of, start_of

# A day's `changed_at` is that of its newest observations, as the archive has it.
WAITING = """
    SELECT observed.day
    FROM (
        SELECT {day} AS day, MAX(changed_at) AS changed_at
        FROM coins_pricehour WHERE time >= %s AND time < %s
        GROUP BY 1
    ) AS observed
    LEFT JOIN coins_archivedday AS archived ON archived.day = observed.day
    WHERE archived.day IS NULL OR archived.changed_at <> observed.changed_at
    ORDER BY observed.day
"""
SQLITE = "date(time / 1000000, 'unixepoch')"
POSTGRESQL = "CAST(time AT TIME ZONE 'UTC' AS date)"
T = TypeVar("T", Price, PriceHour)
LATE_AFTER = timedelta(days=2)  # the archive is written every day


def waiting_days(before: datetime, since: datetime = EPOCH) -> list[date]:
    """The days with observations that are not in the archive, or not all of them, in order.

    Both moments must be midnights in UTC.
    """
    field = PriceHour._meta.get_field("time")
    bounds = [field.get_db_prep_value(moment, connection) for moment in (since, before)]
    with connection.cursor() as cursor:
        cursor.execute(WAITING.format(day=SQLITE if connection.vendor == "sqlite" else POSTGRESQL), bounds)
        return [date.fromisoformat(str(day)) for (day,) in cursor.fetchall()]


def late_days(now: datetime) -> list[date]:
    """The days with observations that have been waiting for the archive for more than LATE_AFTER, in order."""
    since = now - LATE_AFTER
    days = waiting_days(before=Step.DAY.start(since))
    archived = dict(ArchivedDay.objects.filter(day__in=days).values_list("day", "changed_at"))
    hours = PriceHour.objects.filter(time__gte=start_of(days[0]), changed_at__lt=since) if days else ()
    late = {hour.time.date() for hour in hours if hour.changed_at > archived.get(hour.time.date(), EPOCH)}
    return [day for day in days if day in late]


@dataclass(frozen=True)
class Deletable:
    """The observations that may be deleted: those before a border, except of days that were put back."""

    raw_since: datetime  # by PRICE_RAW_DAYS
    before: datetime  # `raw_since`, or the first day before it that waits for the archive
    restored: tuple[date, ...] = ()  # put back at `raw_since` or later

    @classmethod
    def at(cls, raw_since: datetime) -> "Deletable":
        before = raw_since
        if settings.ARCHIVE_URL:
            waiting = waiting_days(before=Step.DAY.start(raw_since) + Step.DAY.length)
            before = min([raw_since, *map(start_of, waiting[:1])])
        restored = ArchivedDay.objects.filter(restored_at__gte=raw_since).values_list("day", flat=True)
        return cls(raw_since, before, tuple(restored))

    def among(self, rows: QuerySet[T]) -> QuerySet[T]:
        """Those of these observations, or hours, that may be deleted."""
        # Not as the opposite of `not_among`: SQLite would read all observations of a coin, because it finds the end of
        # a range by an index only if no NOT is before it.
        return rows.filter(time__lt=self.before).exclude(self._is_restored())

    def not_among(self, rows: QuerySet[T]) -> QuerySet[T]:
        return rows.filter(Q(time__gte=self.before) | self._is_restored())

    def _is_restored(self) -> Q:
        return reduce(or_, (Q(time__range=limits_of(day)) for day in self.restored), Q())

    def may_delete(self, since: datetime, until: datetime) -> bool:
        """Whether observations of these days may be deleted: a flush may have added some, or somebody put them back.

        Ask in the transaction that deletes them, after `lock_changes`.
        """
        if settings.ARCHIVE_URL and waiting_days(since=since, before=until):
            return False
        days = ArchivedDay.objects.filter(day__gte=since.date(), day__lt=until.date())
        return not days.filter(restored_at__gte=self.raw_since).exists()
