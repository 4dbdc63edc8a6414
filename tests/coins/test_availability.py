"""Which errors mean that another try may succeed, and which are bugs or need a repair."""

import sqlite3

import psycopg
import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError
from psycopg import errors

from tests.support.broken_databases import caused_by, of_sqlite
from webapp.coins.availability import Trouble, trouble_of


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (caused_by(of_sqlite("database is locked", sqlite3.SQLITE_BUSY)), Trouble.LOCKED),
        (caused_by(of_sqlite("database is locked", sqlite3.SQLITE_BUSY_SNAPSHOT)), Trouble.LOCKED),
        (caused_by(of_sqlite("database table is locked", sqlite3.SQLITE_LOCKED)), Trouble.LOCKED),
        (caused_by(of_sqlite("unable to open database file", sqlite3.SQLITE_CANTOPEN)), Trouble.AWAY),
        (caused_by(of_sqlite("no such table: coins_fullcoin", sqlite3.SQLITE_ERROR)), None),
        (caused_by(of_sqlite("database or disk is full", sqlite3.SQLITE_FULL)), None),
        (caused_by(of_sqlite("attempt to write a readonly database", sqlite3.SQLITE_READONLY)), None),
        (caused_by(errors.LockNotAvailable()), Trouble.LOCKED),
        (caused_by(errors.DeadlockDetected()), Trouble.LOCKED),
        (caused_by(psycopg.OperationalError("connection failed: Connection refused")), Trouble.AWAY),
        (caused_by(errors.AdminShutdown()), Trouble.AWAY),
        (caused_by(errors.CrashShutdown()), Trouble.AWAY),
        (caused_by(errors.CannotConnectNow()), Trouble.AWAY),
        (caused_by(errors.TooManyConnections()), Trouble.AWAY),
        (caused_by(errors.ConnectionFailure()), Trouble.AWAY),
        (caused_by(errors.QueryCanceled()), None),
        (caused_by(errors.DiskFull()), None),
        (InterfaceError("connection already closed"), Trouble.AWAY),
        (ProgrammingError("relation does not exist"), None),
        (DatabaseError("file is not a database"), None),
        (OSError("Connection refused"), None),
        (None, None),
    ],
    ids=lambda value: (
        f"{type(value.__cause__).__name__} {value}" if isinstance(value, OperationalError) else repr(value)
    ),
)
def test_only_a_lock_and_a_lost_connection_are_over_in_a_moment(
    error: BaseException | None, trouble: Trouble | None
) -> None:
    assert trouble_of(error) == trouble
