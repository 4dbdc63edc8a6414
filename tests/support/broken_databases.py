"""Contexts in which the database cannot be used, on SQLite and on PostgreSQL."""

import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.db import OperationalError, connection, models

from webapp import probes


@contextmanager
def elsewhere(**place: Any) -> Iterator[None]:
    """New connections go to another place; the test's own connection stays."""
    connection.ensure_connection()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in place.items():
            patch.setitem(connection.settings_dict, name, value)
        yield


@contextmanager
def away(folder: Path) -> Iterator[None]:
    """There is no database: the folder does not exist, or nothing listens on the port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as once:
        port = once.getsockname()[1]
    on_sqlite = connection.vendor == "sqlite"
    place = {"NAME": folder / "missing" / "coins.sqlite3"} if on_sqlite else {"HOST": "127.0.0.1", "PORT": port}
    with elsewhere(**place):
        yield


def locked() -> OperationalError:
    """The error, as Django raises it, when another process holds the lock."""
    if connection.vendor == "postgresql":
        return caused_by(psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"))
    return caused_by(of_sqlite("database is locked", sqlite3.SQLITE_BUSY))


def of_sqlite(words: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(words)
    error.sqlite_errorcode = code
    return error


def caused_by(cause: Exception) -> OperationalError:
    error = OperationalError(*cause.args)
    error.__cause__ = cause
    return error


@contextmanager
def held(row: models.Model) -> Iterator[None]:
    """Another process holds a lock that whoever wants to change the row waits for."""
    with other_connection() as other:
        if connection.vendor == "sqlite":
            other.execute("BEGIN IMMEDIATE")
        else:
            other.execute(f"BEGIN; SELECT 1 FROM {row._meta.db_table} WHERE id = {row.pk} FOR UPDATE")
        yield
        other.execute("ROLLBACK")


def other_connection() -> AbstractContextManager[Any]:
    """Another connection to the test database, as another process has one."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return closing(sqlite3.connect(name, isolation_level=None))
    return psycopg.connect(
        urlunsplit(urlsplit(os.environ["COINCRAWL_TEST_URL"])._replace(path=f"/{name}")), autocommit=True
    )


@contextmanager
def empty(folder: Path) -> Iterator[None]:
    """The database has no tables."""
    with elsewhere(NAME=folder / "empty.sqlite3" if connection.vendor == "sqlite" else "postgres"):
        yield


@contextmanager
def silent(folder: Path) -> Iterator[None]:
    """The database does not answer: the file is locked, or the server hangs. /readyz waits 0.1 s for it."""
    path = folder / "locked.sqlite3"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        closing(socket.create_server(("127.0.0.1", 0))) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(probes, "LIMIT", 0.1)
        other.execute("BEGIN EXCLUSIVE")
        on_sqlite = connection.vendor == "sqlite"
        with elsewhere(**({"NAME": path} if on_sqlite else {"HOST": "127.0.0.1", "PORT": server.getsockname()[1]})):
            yield
    for check in checks_of_readyz():
        check.join()


def checks_of_readyz() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "readyz"]
