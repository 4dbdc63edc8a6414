"""Prices over time. `webapp.coins.prices` writes and reads these tables."""

from collections.abc import Collection
from datetime import date
from typing import Self

from django.db import models
from django.db.models import F, Q

from webapp.coins.fields import ExactDecimalField, InstantField
from webapp.coins.models.coin import amount, later_than_all, rank
from webapp.coins.prices.tiers import Step


def price() -> ExactDecimalField:
    return ExactDecimalField(max_digits=60, decimal_places=30)


class PriceSeries(models.Model):
    """The prices of a coin. Its small key stands for the coin's id in the other tables, so their rows are short."""

    id = models.AutoField(primary_key=True)
    coin_id = models.CharField(max_length=255, unique=True, help_text="The coin, also if its row was deleted.")

    class Meta:
        verbose_name = "series of prices"
        verbose_name_plural = "series of prices"

    def __str__(self) -> str:
        return self.coin_id


def series() -> models.ForeignKey:
    """Part of a primary key, which is its index. Rows are made from the table of series, so nothing checks it again."""
    return models.ForeignKey(PriceSeries, on_delete=models.CASCADE, db_index=False, db_constraint=False)


class Price(models.Model):
    """An observation: the price, market cap, volume and rank of a coin at one time."""

    pk = models.CompositePrimaryKey("series_id", "time")
    series = series()
    time = InstantField(help_text="The market's `last_updated`, or else when a crawl got the answer.")
    price = price()
    market_cap = amount()
    volume = amount()
    rank = rank()

    class Meta:
        verbose_name = "price"

    def __str__(self) -> str:
        return f"{self.series}, {self.time:%F %T}"


class PriceBar(models.Model):
    """The prices of a coin in an hour or a day: from the observations in it, or from the API's history."""

    pk = models.CompositePrimaryKey("series_id", "step", "time")
    series = series()
    step = models.IntegerField(choices=Step, help_text="Seconds: 3,600 for an hour, 86,400 for a day.")
    time = InstantField(help_text="Its beginning, in UTC.")
    open = price()
    high = price()
    low = price()
    close = price()
    market_cap = amount()  # this one, the volume and the rank are those of the last observation
    volume = amount()
    rank = rank()
    observations = models.PositiveIntegerField(help_text="How many observations it has. 0: from the API's history.")
    last_at = InstantField(help_text="The time of the last observation, which is that of `close`.")
    is_final = models.BooleanField(
        default=False, help_text="Whether what it was made from is deleted. Later observations are only added."
    )

    class Meta:
        verbose_name = "bar of prices"
        verbose_name_plural = "bars of prices"

    def __str__(self) -> str:
        return f"{self.series}, {Step(self.step).label} of {self.time:%F %T}"


class PriceHourQuerySet(models.QuerySet["PriceHour"]):
    def new(self) -> Self:
        """Hours with observations that the bars lack."""
        return self.filter(Q(rolled_up=None) | Q(rolled_up__lt=F("changed_at")))


class PriceHour(models.Model):
    """An hour with observations, and whether the bars have them."""

    time = InstantField(primary_key=True, help_text="Its beginning, in UTC.")
    changed_at = models.DateTimeField(help_text="The `changed_at` of the coins whose observations came last.")
    rolled_up = models.DateTimeField(null=True, help_text="The `changed_at` of the last observations in the bars.")

    objects = PriceHourQuerySet.as_manager()

    class Meta:
        verbose_name = "hour of prices"
        verbose_name_plural = "hours of prices"

    def __str__(self) -> str:
        return f"{self.time:%F %T}"


class PriceDayQuerySet(models.QuerySet["PriceDay"]):
    def note(self, days: Collection[date]) -> None:
        """The bars of these days change in this transaction. It must hold the lock of changes."""
        changed_at = later_than_all(self)
        rows = [self.model(day=day, changed_at=changed_at) for day in sorted(days)]
        self.bulk_create(rows, update_conflicts=True, unique_fields=["day"], update_fields=["changed_at"])


class PriceDay(models.Model):
    """A day that has a bar, and when its bars last changed: what a copy of them has to fetch."""

    day = models.DateField(primary_key=True, help_text="UTC.")
    changed_at = models.DateTimeField(db_index=True, help_text="By the database's clock; later than all before it.")
    copied = models.DateTimeField(null=True, help_text="The `changed_at` of a source whose bars were all copied.")

    objects = PriceDayQuerySet.as_manager()

    class Meta:
        verbose_name = "day of prices"
        verbose_name_plural = "days of prices"

    def __str__(self) -> str:
        return f"{self.day:%F}"


class PriceAbsence(models.Model):
    """A time in which a coin was not on the market."""

    pk = models.CompositePrimaryKey("series_id", "since")
    series = series()
    since = InstantField()
    until = InstantField()

    class Meta:
        verbose_name = "absence from the market"
        verbose_name_plural = "absences from the market"

    def __str__(self) -> str:
        return f"{self.series}, from {self.since:%F %T} to {self.until:%F %T}"


class CoveredSpan(models.Model):
    """A time of which the API's history was fetched: bars that are missing in it are no gap."""

    pk = models.CompositePrimaryKey("series_id", "step", "since")
    series = series()
    step = models.IntegerField(choices=Step)
    since = InstantField()
    until = InstantField()

    class Meta:
        verbose_name = "span without gaps"
        verbose_name_plural = "spans without gaps"

    def __str__(self) -> str:
        return f"{self.series}, {Step(self.step).label}s from {self.since:%F %T} to {self.until:%F %T}"


class ArchivedDay(models.Model):
    """A day whose observations are in a file of the archive, which was read back."""

    day = models.DateField(primary_key=True, help_text="UTC.")
    file = models.CharField(max_length=255, help_text="Its path in the archive. Empty if there was no observation.")
    rows = models.PositiveBigIntegerField(help_text="How many observations it has.")
    checksum = models.CharField(max_length=64, help_text="SHA-256 of the file.")
    changed_at = models.DateTimeField(help_text="The newest `changed_at` of the day's hours that the file has.")
    archived_at = models.DateTimeField(help_text="When the file was written, by the database's clock.")
    restored_at = models.DateTimeField(
        null=True, help_text="When its observations were put back. They are kept for PRICE_RAW_DAYS from then on."
    )

    class Meta:
        verbose_name = "archived day"

    def __str__(self) -> str:
        return f"{self.day:%F}"
