"""CSV: exact for programs, or safe for spreadsheets.

All texts are in quotes, so that an empty text differs from null, which is nothing. Python's module `csv` writes both
alike before Python 3.12.
"""

import io
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import IO, Any

from django.db import models

from webapp.coins.exports.cells import Cells, escaped
from webapp.coins.exports.tables import Column
from webapp.coins.numbers import plain
from webapp.coins.values import by_type, instant

Write = Callable[[Any], str]


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def boolean(value: bool) -> str:
    return "true" if value else "false"


def to_the_second(moment: datetime) -> str:
    """As spreadsheets read dates. They do not know UTC, and not each of them reads fractions of a second."""
    return moment.isoformat(" ", "seconds").removesuffix("+00:00")


UNQUOTED: dict[type[models.Field], Write] = {
    models.DecimalField: plain,
    models.IntegerField: str,
    models.FloatField: repr,
    models.BooleanField: boolean,
}


def write_exact(file: IO[bytes], name: str, columns: Sequence[Column], rows: Iterable[tuple[Any, ...]]) -> int:
    """Every digit, letter and microsecond."""
    kinds = UNQUOTED | {
        models.DateTimeField: instant,
        models.JSONField: lambda value: quoted(json.dumps(value)),
    }
    _write(file, [by_type(column.field, kinds, quoted) for column in columns], columns, rows)
    return 0


def write_for_spreadsheets(
    file: IO[bytes], name: str, columns: Sequence[Column], rows: Iterable[tuple[Any, ...]], *, mark: str = "\ufeff"
) -> int:
    """Texts that cannot be formulas, dates to the second in UTC. The mark tells Excel that this is UTF-8.

    Returns how many texts were cut, because no cell holds them.
    """
    cells = Cells()

    def text(value: str) -> str:
        return quoted(cells.text(escaped(value)))

    kinds = UNQUOTED | {
        models.DateTimeField: to_the_second,
        models.JSONField: lambda value: text(json.dumps(value)),
    }
    file.write(mark.encode())
    _write(file, [by_type(column.field, kinds, text) for column in columns], columns, rows)
    return cells.cut


def _write(
    file: IO[bytes], writers: Sequence[Write], columns: Sequence[Column], rows: Iterable[tuple[Any, ...]]
) -> None:
    lines = io.TextIOWrapper(file, "utf-8", newline="")
    lines.write(",".join(column.name for column in columns) + "\r\n")
    for row in rows:
        cells = ("" if value is None else write(value) for write, value in zip(writers, row, strict=True))
        lines.write(",".join(cells) + "\r\n")
    lines.detach()
