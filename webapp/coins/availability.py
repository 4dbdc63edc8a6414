"""Whether an error means that the database cannot be used for now: another try may succeed, without any repair."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from django.db import InterfaceError, OperationalError, connection, transaction

UNAVAILABLE = (OperationalError, InterfaceError)  # the classes of such errors, and of others
LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}  # SQLite's primary codes
AWAY = {sqlite3.SQLITE_CANTOPEN}
LOCKED_STATES = ("55P03", "40P01")  # PostgreSQL's: lock_not_available, deadlock_detected
# Those of connections, too_many_connections, and of a server that stops, has crashed or is starting
AWAY_STATES = ("08", "53300", "57P0")


class Trouble(StrEnum):
    LOCKED = "The database is locked by another process."
    AWAY = "The database cannot be reached."


class StoppedHalfway(Exception):
    """The database stopped something that is done in parts. Its text says how far it came; its cause is the error."""


def trouble_of(error: BaseException | None) -> Trouble | None:
    """Why the database cannot be used for now; None if the error has another meaning, such as a missing table."""
    if not isinstance(error, UNAVAILABLE):
        return None
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        return Trouble.LOCKED if code in LOCKED else Trouble.AWAY if code in AWAY else None
    # An error of libpq has no state: no answer came. Nor has one of Django's for a connection that is closed.
    state = getattr(cause, "sqlstate", None) or AWAY_STATES[0]
    if state.startswith(LOCKED_STATES):
        return Trouble.LOCKED
    return Trouble.AWAY if state.startswith(AWAY_STATES) else None


@contextmanager
def impatient_transaction(seconds: float) -> Iterator[None]:
    """A transaction that waits at most so long for each lock of another process."""
    milliseconds = round(1_000 * seconds)
    usual = connection.settings_dict["OPTIONS"].get("timeout", 5)
    try:
        if connection.vendor == "sqlite":
            _execute(f"PRAGMA busy_timeout = {milliseconds}")
        with transaction.atomic():
            if connection.vendor == "postgresql":
                _execute(f"SET LOCAL lock_timeout = {milliseconds}")
            yield
    finally:
        if connection.vendor == "sqlite":
            _execute(f"PRAGMA busy_timeout = {round(1_000 * usual)}")


def _execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
