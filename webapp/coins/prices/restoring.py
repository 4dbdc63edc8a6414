"""Puts the observations of an archived day back into the database.

They are kept for PRICE_RAW_DAYS from then on, as if they came in now. Then they are deleted again. Bars keep their
values: the bars that have these observations do not count them again.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice

from django.db import transaction

from webapp.coins.clock import database_clock
from webapp.coins.fields import EPOCH
from webapp.coins.models import ArchivedDay, FullCoin, Price
from webapp.coins.prices import parquet
from webapp.coins.prices.archive import Verified, archived_day, name_of, not_in, observations, verified
from webapp.coins.prices.parquet import Row
from webapp.coins.prices.series import keys_of
from webapp.coins.prices.storage import ArchiveError, Storage

ROWS_AT_ONCE = 5_000  # in a transaction, so that it is short


def restore(storage: Storage, day: date, now: datetime | None = None) -> int:
    """Put the observations of a day back, and read them back. Returns how many the file has.

    What the database has of the day stays as it is, so this can be repeated. Raises ArchiveError if the file is damaged
    or gone, or if the database then has not what the file has.
    """
    known = ArchivedDay.objects.filter(day=day).first()
    if known and not known.file:
        raise ArchiveError(f"There is no file of {day}: its observations were deleted before there was an archive.")
    file = verified(storage, day, known)
    _keep(day, file, now or database_clock())
    with storage.reading(name_of(day)) as content:
        rows = parquet.read(content)
        while part := list(islice(rows, ROWS_AT_ONCE)):
            _put(part)
    with storage.reading(name_of(day)) as content:
        if others := not_in(observations(day), parquet.read(content)):
            raise ArchiveError(
                f"{others:,} of {file.about.rows:,} observations of {day} are in the database with other values: a "
                "later crawl has replaced them, or they have more digits than SQLite keeps."
            )
    return file.about.rows


def _keep(day: date, file: Verified, now: datetime) -> None:
    """From now on, no roll-up deletes them. A file of another database is as good as one of this."""
    with transaction.atomic():
        FullCoin.objects.lock_changes()  # a roll-up that has not seen this is over
        if not ArchivedDay.objects.filter(day=day).update(restored_at=now):
            new = archived_day(day, file)
            new.restored_at = now
            new.save()


def _put(rows: list[Row]) -> None:
    with transaction.atomic():
        FullCoin.objects.lock_changes()
        series = keys_of(list({coin_id for coin_id, *_ in rows}))
        prices = (
            Price(
                series_id=series[coin_id],
                time=EPOCH + timedelta(microseconds=time),
                price=Decimal(price),
                market_cap=_decimal(market_cap),
                volume=_decimal(volume),
                rank=rank,
            )
            for coin_id, time, price, market_cap, volume, rank in rows
        )
        Price.objects.bulk_create(prices, ignore_conflicts=True)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
