"""The test database from outside: its server, its files and its tables."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.apps import apps
from django.db import connection

from tests.support.processes import python

Away = Callable[[], AbstractContextManager[None]]


def migrated(path: Path) -> Path:
    """A SQLite database at this path that has been migrated and not been used."""
    done = python(["webapp/manage.py", "migrate", "--verbosity", "0"], {"DATABASE_URL": f"sqlite:///{path}"})
    assert done.returncode == 0, done.stderr
    return path


def administer(*statements: str) -> None:
    """Statements for the server, from outside the test database."""
    url = urlunsplit(urlsplit(os.environ["COINCRAWL_TEST_URL"])._replace(path="/postgres"))
    with psycopg.connect(url, autocommit=True) as server:
        for statement in statements:
            server.execute(statement)


def cut_all(database: str) -> str:
    """The statement that ends all connections to a database."""
    return f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"


def tables() -> str:
    """Every value of every table."""
    rows = [row for model in apps.get_models() for row in model._default_manager.values_list()]
    return repr(rows)


def files_of_the_database() -> bytes:
    """All that SQLite's file holds, as SQL."""
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as database:
        return "\n".join(database.iterdump()).encode()
