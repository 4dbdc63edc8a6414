"""The archive: all observations of a finished day in one Parquet file.

A file is written as a draft, and read back. Then it gets its name, and then ArchivedDay has it. So a process that is
killed leaves the old file or the new one, and the next process goes on. A later file of a day has all rows of earlier
ones, and their checksums. So it is recognized as their successor, even if a process was killed before it saved
ArchivedDay.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from heapq import merge
from itertools import groupby
from operator import itemgetter
from secrets import token_hex
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from webapp.coins.clock import database_clock
from webapp.coins.fields import microseconds
from webapp.coins.locks import wait_for_lock
from webapp.coins.models import ArchivedDay, Price, PriceHour, PriceSeries
from webapp.coins.numbers import plain
from webapp.coins.prices import parquet
from webapp.coins.prices.parquet import About, Row
from webapp.coins.prices.storage import DRAFT, ArchiveError, DamagedError, Storage
from webapp.coins.prices.tiers import limits_of
from webapp.coins.texts import counted, one_line

SERIES_AT_ONCE = 100  # in memory, with their observations of a day
ARCHIVE_LOCK = int.from_bytes(b"archive")  # the key of an advisory lock of this database
COIN_AND_TIME = itemgetter(0, 1)
NO_COPY = (
    "Restore it from a backup. If there is none, `manage.py archive --rewrite {}` writes it from the database alone."
)


@dataclass(frozen=True)
class Verified:
    """A file of the archive that is as it was written."""

    about: About
    checksum: str


def write(storage: Storage, day: date, *, rewrite: bool = False) -> ArchivedDay | None:
    """Archive a day's observations: those of its old file, unless `rewrite`, and those of the database.

    Returns None if another process has archived the day meanwhile. Raises ArchiveError, and leaves everything as it
    was, if the storage cannot be used, or if the old file is damaged, gone or of another database.
    """
    known = ArchivedDay.objects.filter(day=day).first()
    name = name_of(day)
    if rewrite:
        _check_damaged(storage, day, known)
    old = None if rewrite or not (_has_file(known) or storage.has(name)) else verified(storage, day, known)
    if old and not _has_file(known):
        _check_own(storage, day)
    # Read first: observations that come meanwhile have a later one.
    changed_at = _changed_at(day).isoformat()
    about = About(str(day), settings.VS_CURRENCY, changed_at, (*old.about.replaces, old.checksum) if old else ())
    folder, _, _ = name.rpartition("/")
    draft = f"{folder}/_{day}.{token_hex(8)}{DRAFT}"
    try:
        with storage.writing(draft) as file:
            if old:
                with storage.reading(name) as old_file:
                    about = parquet.write(file, union(parquet.read(old_file), observations(day)), about)
            else:
                about = parquet.write(file, observations(day), about)
        if rewrite and not about.rows and storage.has(name):
            raise ArchiveError(
                f"The database has no observations of {day}: there is nothing to write. If {name} cannot be saved, "
                "delete it, and run this again: the day then counts as lost."
            )
        written = Verified(about, _read_back(storage, draft, about))
        return _put_in_place(storage, draft, known, archived_day(day, written))
    finally:
        storage.remove(draft)
        storage.remove_abandoned(folder)


def _check_damaged(storage: Storage, day: date, known: ArchivedDay | None) -> None:
    """Raises ArchiveError if the day's file is what it should be: to write it again may lose what only the file has."""
    with suppress(DamagedError):
        verified(storage, day, known)
        raise ArchiveError(f"{name_of(day)} is not damaged: `manage.py archive` adds what is missing in it.")


def _check_own(storage: Storage, day: date) -> None:
    """Raises ArchiveError if a file that ArchivedDay does not have is of another database.

    If a process was killed before it saved ArchivedDay, the database still has all that is in the file.
    """
    with storage.reading(name_of(day)) as file:
        in_file, in_database = (map(COIN_AND_TIME, rows) for rows in (parquet.read(file), observations(day)))
        if others := not_in(in_database, in_file):
            raise ArchiveError(
                f"{name_of(day)} has {counted(others, 'observation')} that this database does not have: ARCHIVE_URL "
                "is the archive of another database. Or this database was restored from an older backup: then run "
                f"`manage.py archive --restore {day}` first."
            )


def _has_file(known: ArchivedDay | None) -> bool:
    return bool(known and known.file)


def name_of(day: date) -> str:
    return f"year={day:%Y}/month={day:%m}/{day}.parquet"


def _changed_at(day: date) -> datetime:
    hours = PriceHour.objects.filter(time__range=limits_of(day))
    changed_at: datetime | None = hours.aggregate(newest=Max("changed_at"))["newest"]
    if changed_at is None:
        raise ArchiveError(f"There are no observations of {day} to archive.")
    return changed_at


def observations(day: date) -> Iterator[Row]:
    """Those that the database has of a day, sorted by coin and time. Coins are in the order of Unicode."""
    ids = sorted(PriceSeries.objects.values_list("coin_id", "pk"))
    of_day = Price.objects.filter(time__range=limits_of(day))
    for first in range(0, len(ids), SERIES_AT_ONCE):
        coins = {pk: coin_id for coin_id, pk in ids[first : first + SERIES_AT_ONCE]}
        rows = of_day.filter(series__in=coins).values_list("series_id", "time", "price", "market_cap", "volume", "rank")
        yield from sorted(
            (
                (coins[series], microseconds(time), plain(price), _plain(market_cap), _plain(volume), rank)
                for series, time, price, market_cap, volume, rank in rows
            ),
            key=COIN_AND_TIME,
        )


def union(old: Iterable[Row], new: Iterable[Row]) -> Iterator[Row]:
    """All rows, sorted. Of one coin and time it is the new one."""
    for _, rows in groupby(merge(old, new, key=COIN_AND_TIME), key=COIN_AND_TIME):
        *_, newest = rows
        yield newest


def not_in(stored: Iterable[tuple[Any, ...]], wanted: Iterable[tuple[Any, ...]]) -> int:
    """How many of the `wanted` rows are not among the stored ones. Both are sorted by coin and time."""
    number, others = 0, iter(stored)
    other = next(others, None)
    for row in wanted:
        while other and COIN_AND_TIME(other) < COIN_AND_TIME(row):
            other = next(others, None)
        number += row != other
    return number


def verified(storage: Storage, day: date, known: ArchivedDay | None) -> Verified:
    """The day's file, if it is the one that ArchivedDay has, or a later one. Raises DamagedError if it is not.

    Raises ArchiveError if it is the file of another archive.
    """
    try:
        return _verified(storage, day, known)
    except DamagedError as error:
        raise DamagedError(f"{error} {NO_COPY.format(day)}" if known else str(error)) from error


def _verified(storage: Storage, day: date, known: ArchivedDay | None) -> Verified:
    name = name_of(day)
    try:
        checksum = storage.checksum(name)
        with storage.reading(name) as file:
            about = parquet.about(file) if known and checksum == known.checksum else parquet.check(file)
    except FileNotFoundError:
        raise DamagedError(
            f"{name} is not in the archive {storage.url}: is this the archive of this database?"
        ) from None
    except DamagedError as error:
        raise DamagedError(f"{name} {error}.") from error
    if about.day != str(day):
        raise DamagedError(f"{name} has the prices of {about.day}.")
    if about.vs_currency != settings.VS_CURRENCY:
        raise ArchiveError(f"{name} has prices in {about.vs_currency}: check ARCHIVE_URL and VS_CURRENCY.")
    if known and known.file and known.checksum not in (checksum, *about.replaces):
        raise DamagedError(
            f"{name} is not the file that was archived, and no later one: is this the archive of this database?"
        )
    return Verified(about, checksum)


def _read_back(storage: Storage, draft: str, written: About) -> str:
    """The checksum of the file. Raises ArchiveError if it has not what was written."""
    try:
        with storage.reading(draft) as file:
            if parquet.check(file) != written:
                raise DamagedError("has other rows")
        return storage.checksum(draft)
    except (DamagedError, FileNotFoundError) as error:
        raise ArchiveError(
            f"The archive {storage.url} does not return what was written to it ({one_line(error)}): "
            "check its disk, and try again."
        ) from error


def archived_day(day: date, file: Verified) -> ArchivedDay:
    return ArchivedDay(
        day=day,
        file=name_of(day),
        rows=file.about.rows,
        checksum=file.checksum,
        changed_at=datetime.fromisoformat(file.about.changed_at),
        archived_at=database_clock(),
    )


def _put_in_place(storage: Storage, draft: str, known: ArchivedDay | None, new: ArchivedDay) -> ArchivedDay | None:
    """Only one process does this at a time. So of two, the later one sees what the other has archived."""
    with transaction.atomic():
        wait_for_lock(ARCHIVE_LOCK)
        stored = ArchivedDay.objects.filter(day=new.day).first()
        if _version(stored) != _version(known):
            return None
        if new.rows:
            storage.move(draft, new.file)
        else:  # they were deleted before there was an archive
            new.file = new.checksum = ""
        new.restored_at = stored.restored_at if stored else None
        new.save()
    return new


def _version(archived: ArchivedDay | None) -> tuple[str, datetime] | None:
    return (archived.checksum, archived.changed_at) if archived else None


def _plain(number: Decimal | None) -> str | None:
    return None if number is None else plain(number)
