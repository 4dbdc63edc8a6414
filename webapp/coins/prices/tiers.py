"""How long prices are kept, and how exactly: observations, then bars of an hour, then bars of a day."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.conf import settings
from django.db import models

from webapp.coins.fields import EPOCH


class Step(models.IntegerChoices):
    """The length of a bar, in seconds. Hours and days are UTC."""

    HOUR = 3_600, "hour"
    DAY = 86_400, "day"

    @property
    def length(self) -> timedelta:
        return timedelta(seconds=self)

    def start(self, moment: datetime) -> datetime:
        """The beginning of the hour or day that a moment is in."""
        return moment - (moment - EPOCH) % self.length

    def first(self, moment: datetime) -> datetime:
        """The beginning of the first hour or day that begins at a moment, or after it."""
        return moment + (EPOCH - moment) % self.length


STEPS = {"day": Step.DAY, "hour": Step.HOUR, "raw": None}  # by the names that people choose; raw: observations


def start_of(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def limits_of(day: date) -> tuple[datetime, datetime]:
    """Its first and its last microsecond."""
    return start_of(day), datetime.combine(day, time.max, UTC)


@dataclass(frozen=True)
class Tiers:
    """From when on observations, and bars of an hour, are kept. Bars of a day are kept for ever."""

    raw_since: datetime  # the beginning of an hour
    hours_since: datetime  # the beginning of a day

    @classmethod
    def at(cls, now: datetime) -> "Tiers":
        """By PRICE_RAW_DAYS and PRICE_HOURLY_DAYS. 0 keeps all."""
        raw = Step.HOUR.start(days_before(now, settings.PRICE_RAW_DAYS))
        return cls(EPOCH, Step.DAY.start(days_before(now, settings.PRICE_HOURLY_DAYS))).with_raw_since(raw)

    def with_raw_since(self, moment: datetime) -> "Tiers":
        """These tiers if observations are kept since this moment. Their hours are kept too."""
        return Tiers(moment, min(self.hours_since, Step.DAY.start(moment)))


def days_before(now: datetime, days: int) -> datetime:
    """So many days before. With 0, and with more than there are, it is the beginning of 1970."""
    return max(EPOCH, now - timedelta(days=days)) if 0 < days < (now - EPOCH).days else EPOCH
