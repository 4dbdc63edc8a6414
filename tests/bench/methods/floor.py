"""`python -m tests.bench.methods.floor API_URL DATABASE_URL`: the least that a correct copy costs in Python.

One connection, one page after the other, exact numbers, and one prepared statement that writes what differs. It keeps
every digit, and proves nothing: a bad record, a lost coin or a broken answer ends it or goes unseen. It has no limit of
calls, no history and no record of its runs.
"""

import gzip
import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.bench.methods import NUMBERS, PATH, QUERY, TEXTS, WHOLE_NUMBERS

ROI = ("times", "currency", "percentage")
TYPES = {
    **dict.fromkeys(TEXTS, "text"),
    **dict.fromkeys(WHOLE_NUMBERS, "integer"),
    **dict.fromkeys(NUMBERS, "numeric"),
    **{f"roi_{name}": "text" if name == "currency" else "numeric" for name in ROI},
}
COLUMNS = tuple(TYPES)
PLAIN = COLUMNS[: -len(ROI)]

Row = tuple[Any, ...]


def copy(api: str, database: str) -> None:
    store, close = (to_sqlite if database.startswith("sqlite") else to_postgresql)(database)
    for rows in pages(api):
        store(rows)
    close()


def pages(api: str) -> Iterator[list[Row]]:
    url, number = urlsplit(api), 1
    with closing(HTTPConnection(str(url.hostname), url.port)) as connection:
        while records := page(connection, url.path, number):
            yield [row(record) for record in records]
            number += 1


def page(connection: HTTPConnection, path: str, number: int) -> list[dict[str, Any]]:
    query = urlencode(QUERY | {"page": str(number)})
    headers = {"Accept-Encoding": "gzip", "User-Agent": "floor"}
    connection.request("GET", f"{path}{PATH}?{query}", headers=headers)
    answer = connection.getresponse()
    if answer.status != 200:
        raise SystemExit(f"Page {number} was answered with status {answer.status}.")
    records: list[dict[str, Any]] = json.loads(gzip.decompress(answer.read()), parse_float=Decimal)
    return records


def row(record: dict[str, Any]) -> Row:
    roi = record["roi"] or {}
    return (*map(record.get, PLAIN), *map(roi.get, ROI))


def statement(table: str, place: str, differs: str) -> str:
    names, others = ", ".join(COLUMNS), COLUMNS[1:]
    return (
        f"INSERT INTO {table} ({names}) VALUES ({', '.join([place] * len(COLUMNS))}) ON CONFLICT (id) DO UPDATE SET "
        f"{', '.join(f'{name} = excluded.{name}' for name in others)} "
        f"WHERE {' OR '.join(f'{table}.{name} {differs} excluded.{name}' for name in others)}"
    )


def table(types: dict[str, str]) -> str:
    columns = ", ".join(f"{name} {types[name]}{' PRIMARY KEY' if name == 'id' else ''}" for name in COLUMNS)
    return f"CREATE TABLE IF NOT EXISTS floor ({columns})"


def to_sqlite(url: str) -> tuple[Callable[[list[Row]], None], Callable[[], None]]:
    """Numbers with a fraction are texts: SQLite's own numbers would lose digits."""
    sqlite3.register_adapter(Decimal, str)
    database = sqlite3.connect(url.removeprefix("sqlite:///"))
    database.execute("PRAGMA journal_mode = wal")
    database.execute("PRAGMA synchronous = normal")
    database.execute(table({name: "integer" if kind == "integer" else "text" for name, kind in TYPES.items()}))
    upsert = statement("floor", "?", "IS NOT")

    def store(rows: list[Row]) -> None:
        with database:
            database.executemany(upsert, [list(map(fitting, row)) for row in rows])

    return store, database.close


def fitting(value: Any) -> Any:
    """SQLite has no whole numbers over 64 bits."""
    return str(value) if type(value) is int and not -(2**63) <= value < 2**63 else value


def to_postgresql(url: str) -> tuple[Callable[[list[Row]], None], Callable[[], None]]:
    import psycopg

    dates = dict.fromkeys(("ath_date", "atl_date", "last_updated"), "timestamptz")
    database = psycopg.connect(url, autocommit=True)
    database.execute(table(TYPES | dates).encode())
    upsert = statement("floor", "%s", "IS DISTINCT FROM").encode()

    def store(rows: list[Row]) -> None:
        with database.transaction(), database.cursor() as cursor:
            cursor.executemany(upsert, rows)

    return store, database.close


if __name__ == "__main__":
    copy(*sys.argv[1:])
