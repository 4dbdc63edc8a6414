"""Checks on a new connection that the database has what a run has stored.

This is needed because writes into a SQLite file succeed even after it was deleted or replaced, until it is closed.
"""

import os
from collections.abc import Collection
from contextlib import suppress

from django.db import connection

from coincrawl.database import damage
from webapp.coins.models import FullCoin
from webapp.crawls.models import CrawlRun
from webapp.crawls.recording import GONE, NotStored, heartbeat

MAX_CHECKED = 100_000_000  # bytes; checking a SQLite file for damage takes 1.5 ms a megabyte

Place = tuple[int, int] | None  # device and inode


def place() -> Place:
    """Device and inode of the SQLite file that DATABASE_URL names; None without such a file, or if it is empty."""
    if connection.vendor == "sqlite":
        with suppress(OSError):
            status = os.stat(connection.settings_dict["NAME"])
            # An empty file must not be opened: that would wait until no other process has it open.
            return (status.st_dev, status.st_ino) if status.st_size else None
    return None


def check_place(written: Place) -> None:
    """Raises NotStored if the file that was `written` is no longer at its path. Does not create a file there."""
    if place() != written:
        raise NotStored(
            "the file that DATABASE_URL names is not the one that this run wrote into: that one was deleted, emptied, "
            "moved or replaced meanwhile, with all that this run has stored. Put the file back, or run "
            "`python webapp/manage.py migrate` for a new one, and crawl again"
        )


def check_stored(run: CrawlRun, coins: Collection[str]) -> None:
    """Raises NotStored if the database is damaged, or lacks the row of this run or one of these coins.

    Raises RunLost if the run has lost its lock. SQLite files over MAX_CHECKED are not checked for damage.
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
        if size <= MAX_CHECKED:
            words = cursor.execute("PRAGMA quick_check(1)").fetchone()[0].splitlines()[-1]
            if words != "ok":
                raise NotStored(damage(words))
