"""Whether what a run has stored is in the database: it is read back, on a connection that is new.

A SQLite file that is deleted or replaced goes on taking what is written into it until it is closed.
"""

import os
from collections.abc import Collection
from contextlib import suppress

from django.db import connection

from coincrawl.database import damage
from webapp.coins.models import FullCoin
from webapp.crawls.models import CrawlRun
from webapp.crawls.recording import GONE, NotStored, heartbeat

SMALL = 100_000_000  # bytes; the check of a SQLite file takes 1.5 ms a megabyte, so that one of these takes 0.15 s

Place = tuple[int, int] | None


def place() -> Place:
    """Device and inode of the SQLite file that DATABASE_URL names; None where none is there, or an empty one."""
    if connection.vendor == "sqlite":
        with suppress(OSError):
            status = os.stat(connection.settings_dict["NAME"])
            # An empty one is not to be opened: that waits until nobody else has it open.
            return (status.st_dev, status.st_ino) if status.st_size else None
    return None


def check_place(written: Place) -> None:
    """Raises NotStored unless the file that was written is still at its path; where it is not, none is made there."""
    if place() != written:
        raise NotStored(
            "the file that DATABASE_URL names is not the one that this run wrote into, which was deleted, emptied, "
            "moved or replaced meanwhile: what this run has stored is not there. Put the file back, or run "
            "`python webapp/manage.py migrate` for a new one, and crawl again"
        )


def check_stored(run: CrawlRun, coins: Collection[str]) -> None:
    """Raises NotStored unless the database is sound and has the row of this run, and all of these coins.

    RunLost where the run no longer has its lock. A large SQLite file is not checked for damage.
    """
    if connection.vendor == "sqlite":
        _check_sound()
    if CrawlRun._meta.db_table not in connection.introspection.table_names():
        raise NotStored(GONE)
    heartbeat(run)
    if lacking := len(coins) - FullCoin.objects.number_of(coins):
        raise NotStored(
            f"{lacking:,} of the {len(coins):,} coins that this run has stored are not in the database: something "
            "else has deleted them, or the database was restored from a backup meanwhile. Crawl again"
        )


def _check_sound() -> None:
    with connection.cursor() as cursor:
        size = 1
        for factor in ("page_count", "page_size"):
            size *= cursor.execute(f"PRAGMA {factor}").fetchone()[0]
        if size <= SMALL:
            words = cursor.execute("PRAGMA quick_check(1)").fetchone()[0].splitlines()[-1]
            if words != "ok":
                raise NotStored(damage(words))
