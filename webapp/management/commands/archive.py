"""`manage.py archive`: writes finished days of prices to Parquet files, and restores them."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Collection
from datetime import date
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from webapp.coins.clock import database_clock
from webapp.coins.models import ArchivedDay, FullCoin
from webapp.coins.prices.retention import waiting_days
from webapp.coins.prices.tiers import Step
from webapp.coins.texts import are, counted
from webapp.crawls.migrated import MigratedCommand

try:
    from webapp.coins.prices import archive, restoring
    from webapp.coins.prices.storage import ArchiveError, DamagedError, Storage
except ModuleNotFoundError as error:
    MISSING = str(error.name).partition(".")[0]
    if MISSING not in ("pyarrow", "fsspec"):
        raise
else:
    MISSING = ""


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is no day, such as 2026-02-05") from None


class Command(MigratedCommand):
    help = (
        "Writes the prices of each finished day (UTC) to a Parquet file in ARCHIVE_URL. Writes a file again if newer "
        "prices have come. Reads each file back before its day counts as archived."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        only = parser.add_mutually_exclusive_group()
        only.add_argument(
            "--restore",
            type=day,
            metavar="DAY",
            help="put the prices of a day (2026-02-05) back into the database, for PRICE_RAW_DAYS from now on",
        )
        only.add_argument(
            "--rewrite",
            type=day,
            metavar="DAY",
            help="write the file of a day again from the database alone, if it is damaged or gone: prices that only "
            "the old file had are lost",
        )
        only.add_argument(
            "--verify", action="store_true", help="read all files, and compare them with the table of archived days"
        )

    def handle(self, *args: Any, restore: date | None, rewrite: date | None, verify: bool, **options: Any) -> None:
        if MISSING:
            raise CommandError(f"The archive needs {MISSING}, which is not installed: run `make archive-setup`.")
        if not settings.ARCHIVE_URL:
            raise CommandError("There is no archive: name a folder or an address in ARCHIVE_URL.")
        if currency := FullCoin.objects.other_currency():
            raise CommandError(f"The database holds prices in {currency}: set VS_CURRENCY={currency}.")
        try:
            storage = Storage(settings.ARCHIVE_URL)
            if restore:
                rows = restoring.restore(storage, restore)
                self.stdout.write(f"{restore}: {counted(rows, 'observation')} {are(rows)} in the database")
            elif rewrite and rewrite >= database_clock().date():
                raise CommandError(f"{rewrite} is not over yet.")
            elif rewrite:
                self._write(storage, rewrite, rewrite=True)
            elif verify:
                self._verify_all(storage)
            else:
                self._write_all(storage)
        except ArchiveError as error:
            raise CommandError(str(error)) from error

    def _write_all(self, storage: "Storage") -> None:
        days = waiting_days(before=Step.DAY.start(database_clock()))
        if not days:
            self.stdout.write("No finished day waits for the archive.")
        self._each(days, lambda waiting: self._write(storage, waiting))

    def _verify_all(self, storage: "Storage") -> None:
        files = {known.day: known for known in ArchivedDay.objects.exclude(file="").order_by("day")}
        self._each(files, lambda archived: archive.verified(storage, archived, files[archived]))
        verified = f"Read {counted(len(files), 'file')}: each is as it was written."
        self.stdout.write(verified if files else "The archive has no files yet.")

    def _each(self, days: Collection[date], do: Callable[[date], object]) -> None:
        """Raises CommandError when all days are done, if files of some are damaged or gone."""
        faults = []
        for one in days:
            try:
                do(one)
            except DamagedError as error:
                faults.append(str(error))
        if faults:
            raise CommandError("\n".join(faults))

    def _write(self, storage: "Storage", waiting: date, *, rewrite: bool = False) -> None:
        written = archive.write(storage, waiting, rewrite=rewrite)
        if not written:
            outcome = "another process has archived it meanwhile"
        elif written.file:
            outcome = f"{counted(written.rows, 'observation')} in {written.file}"
        elif rewrite:
            outcome = "its file is gone, and the database has no observations of it: they are lost"
        else:
            outcome = "nothing to archive: its observations were deleted before"
        self.stdout.write(f"{waiting}: {outcome}")
