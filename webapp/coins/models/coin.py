"""FullCoin, the copy of the market. A new field needs a migration, and no other edit."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar, cast

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Max

from webapp.coins.clock import database_clock
from webapp.coins.fields import ExactDecimalField
from webapp.coins.locks import wait_for_lock
from webapp.coins.lookups import Among
from webapp.coins.upsert import Upsert, Upserted

MISSING_SHARE = 0.20  # of the coins on the market; more of them missing at once are not believed
MISSING_AT_ONCE = 50  # coins; up to so many missing ones are always believed
CHANGES_LOCK = int.from_bytes(b"changes")  # the key of an advisory lock of this database
MICROSECOND = timedelta(microseconds=1)  # the precision of dates in either database
IDS_PER_STATEMENT = 500  # fast, and far below the databases' limits of parameters
IDS_AT_ONCE = 2_000  # in one parameter or one answer, so that they take little memory

T = TypeVar("T")


def text(max_length: int) -> models.CharField:
    return models.CharField(max_length=max_length, null=True, blank=True)


def amount() -> ExactDecimalField:
    """30 digits before and 30 after the point: prices run from 1e-18 to 5e13, supplies to 1e25."""
    return ExactDecimalField(max_digits=60, decimal_places=30, null=True, blank=True)


def percentage() -> ExactDecimalField:
    """50 digits before and 10 after the point: atl_change_percentage has reached 3.2e46."""
    return ExactDecimalField(max_digits=60, decimal_places=10, null=True, blank=True)


def rank() -> models.IntegerField:
    return models.IntegerField(null=True, blank=True)


def moment() -> models.DateTimeField:
    return models.DateTimeField(null=True, blank=True)


# Orders of lists by column, with a minus for descending: nulls last, and equal values by id. The primary key serves
# `coin_id`, and an index `changed_at`, also reversed. The others sort all coins. Indexes would make each crawl
# dearer, because most coins change in each.
ORDERINGS: Mapping[str, tuple[Any, ...]] = {
    "coin_id": (F("coin_id"),),
    "market_cap_rank": (F("market_cap_rank").asc(nulls_last=True), F("coin_id")),
    "-market_cap": (F("market_cap").desc(nulls_last=True), F("coin_id")),
    "-total_volume": (F("total_volume").desc(nulls_last=True), F("coin_id")),
    "changed_at": (F("changed_at"), F("coin_id")),
}


class TooManyMissing(Exception):
    """More coins would be missing than is plausible. The message says how many, and what may be wrong."""


def in_statements(keys: Sequence[T], number: int = IDS_PER_STATEMENT) -> Iterator[Sequence[T]]:
    """The keys in parts that are small enough for one statement each."""
    for start in range(0, len(keys), number):
        yield keys[start : start + number]


def later_than_all(rows: models.QuerySet[Any], now: datetime | None = None) -> datetime:
    """The database's time, or just after the newest `changed_at` of these rows if that is later."""
    newest = rows.aggregate(newest=Max("changed_at"))["newest"]
    now = now or database_clock(rows.db)
    return max(now, newest + MICROSECOND) if newest else now


class FullCoinQuerySet(models.QuerySet["FullCoin"]):
    def upsert(
        self, rows: Iterable[Mapping[str, Any]], now: datetime | None = None, changed_at: datetime | None = None
    ) -> Upserted:
        """Inserts new rows, updates changed ones, and leaves others alone. Rows with the same fields go together.

        A row maps field names to cleaned values, with `coin_id` at least. Other fields keep their stored values. A row
        is stale and not stored if its `last_updated` is more than a second older than the stored one, and the stored
        row was written in the last ten minutes. The default of `now` is the database's clock, that of `changed_at` is
        `next_change`. Returns the ids that were created, updated, unchanged, stale, and rejected with the database's
        error. Raises ValueError if a name is not a field, and OperationalError, InterfaceError, InternalError or a bare
        DatabaseError if the database fails.
        """
        now, currency = now or database_clock(self.db), {"vs_currency": settings.VS_CURRENCY}
        with transaction.atomic(using=self.db, savepoint=False):
            return _upsert(self.db)(rows, now, changed_at or self.next_change(now), currency)

    def next_change(self, now: datetime | None = None) -> datetime:
        """The next `changed_at`: the database's time, or later, so that it is after all earlier changes.

        Others wait here until the transaction ends: changes are committed in the order of their dates. So a client
        that asks for the changes since the newest one it knows misses none, even if clocks are wrong.
        """
        self.lock_changes()
        return later_than_all(self, now)

    def lock_changes(self) -> None:
        """Wait until no other transaction changes coins or prices; others wait until this one ends."""
        wait_for_lock(CHANGES_LOCK, self.db)

    def mark_seen(self, ids: Collection[str], changed_at: datetime) -> dict[str, datetime]:
        """Marks coins as not missing, because the market has an answer for them.

        Returns since when each had been missing.
        """
        missing = self.filter(Among("pk", ids), missing_since__isnull=False)
        since = {pk: moment for pk, moment in missing.values_list("pk", "missing_since") if moment}
        if since:
            self.filter(Among("pk", since)).update(missing_since=None, changed_at=changed_at)
        return since

    def mark_missing_since(self, dates: Mapping[str, datetime], changed_at: datetime) -> None:
        """Marks coins as missing since the dates that their source names."""
        known = dict(self.filter(Among("pk", dates)).values_list("pk", "missing_since")) if dates else {}
        news: dict[datetime, list[str]] = {}
        for pk, since in sorted(dates.items()):
            if pk in known and known[pk] != since:
                news.setdefault(since, []).append(pk)
        for since, ids in news.items():
            self.filter(Among("pk", ids)).update(missing_since=since, changed_at=changed_at)

    def mark_missing(self, answered: Collection[str]) -> None:
        """Marks all other coins as missing since now, unless they are missing already.

        Raises TooManyMissing if they are a large part: the source may be another market, or a part of this one.
        """
        there = self.filter(missing_since=None)
        missing = sorted(pk for pk in there.ids() if pk not in answered)
        if len(missing) > MISSING_AT_ONCE and len(missing) > MISSING_SHARE * (number := there.count()):
            raise TooManyMissing(
                f"{len(missing)} of {number} stored coins would be missing at once, which is not believed: "
                "is this another source, or a part of it? One database is the copy of one source"
            )
        now = self.next_change()
        self.filter(Among("pk", missing)).update(missing_since=now, changed_at=now)

    def ids(self) -> Iterator[str]:
        """The ids in their order. Few are in memory at a time: drivers read the whole answer to a query."""
        after = ""
        while some := [*self.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:IDS_AT_ONCE]]:
            yield from some
            after = some[-1]

    def number_of(self, ids: Collection[str]) -> int:
        return sum(self.filter(Among("pk", some)).count() for some in in_statements([*ids], IDS_AT_ONCE))

    def other_currency(self) -> str | None:
        """The currency of the stored prices, if it is not the configured one."""
        stored = self.values_list("vs_currency", flat=True).first()
        return None if stored == settings.VS_CURRENCY else stored


class FullCoin(models.Model):
    """A coin as the market last described it. Its values are the API's, except the bookkeeping."""

    coin_id = models.CharField(max_length=255, primary_key=True)
    symbol = text(100)
    name = text(255)
    image = models.URLField(max_length=500, null=True, blank=True)
    # price
    current_price = amount()
    high_24h = amount()
    low_24h = amount()
    price_change_24h = amount()
    price_change_percentage_24h = percentage()
    # size
    market_cap = amount()
    market_cap_rank = rank()
    market_cap_rank_with_rehypothecated = rank()  # among all coins, those that stand for others (WETH) as well
    fully_diluted_valuation = amount()
    total_volume = amount()
    market_cap_change_24h = amount()
    market_cap_change_percentage_24h = percentage()
    # supply
    circulating_supply = amount()
    total_supply = amount()
    max_supply = amount()
    # extremes
    ath = amount()
    ath_change_percentage = percentage()
    ath_date = moment()
    atl = amount()
    atl_change_percentage = percentage()
    atl_date = moment()
    # return on investment: both numbers come with up to 17 digits after the point, so both are amounts
    roi_times = amount()
    roi_currency = text(100)
    roi_percentage = amount()
    last_updated = moment()
    # bookkeeping
    vs_currency = models.CharField(max_length=20, help_text="The currency of the prices; one database holds one.")
    first_seen_at = models.DateTimeField(help_text="When a crawl first stored this coin.")
    changed_at = models.DateTimeField(
        help_text="When a crawl last changed this row, by the database's clock; later than all changes before it."
    )
    missing_since = models.DateTimeField(
        null=True, blank=True, help_text="When a complete crawl of the whole market first got no answer for it."
    )
    stale_before = models.DateTimeField(
        null=True,
        editable=False,
        help_text="The last `last_updated` that was not null, less a second: an answer from before it is an older one.",
    )
    field_changes = models.TextField(
        default="",
        db_default="",
        blank=True,
        editable=False,
        help_text="When each field last changed, as `webapp.coins.changes` reads it; empty: not known.",
    )

    BOOKKEEPING = ("vs_currency", "first_seen_at", "changed_at", "missing_since", "stale_before", "field_changes")
    INTERNAL = ("stale_before", "field_changes")  # how the crawler stores coins: the read API does not show it

    objects = FullCoinQuerySet.as_manager()

    class Meta:
        verbose_name = "coin"
        indexes = [models.Index(*ORDERINGS["changed_at"], name="coins_by_changed_at")]

    def __str__(self) -> str:
        name = (self.name or "").strip() or self.coin_id
        return f"{name} ({self.symbol.upper()})" if self.symbol else name

    @classmethod
    def api_fields(cls) -> list[models.Field]:
        """The fields with values of the API, in the model's order."""
        return [field for field in cls._meta.concrete_fields if field.name not in cls.BOOKKEEPING]

    @classmethod
    def stamped_fields(cls) -> list[models.Field]:
        """The fields whose changes `field_changes` dates, in its order: those of the API but the key."""
        return [field for field in cls.api_fields() if not field.primary_key]


@cache
def _upsert(using: str) -> Upsert:
    values = FullCoin.api_fields()
    return Upsert(
        using, [*values, cast(models.Field, FullCoin._meta.get_field("vs_currency"))], FullCoin.stamped_fields()
    )
