"""The test database from outside: its server, its files and its tables."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.apps import apps
from django.db import connection

Away = Callable[[], AbstractContextManager[None]]


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
