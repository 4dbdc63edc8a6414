"""JSON: a list of objects, an object a line. Their values are written as by the read API."""

import json
from collections.abc import Iterable, Sequence
from typing import IO, Any

from webapp.coins.exports.tables import Column
from webapp.coins.values import WRITERS, by_type


def write(file: IO[bytes], name: str, columns: Sequence[Column], rows: Iterable[tuple[Any, ...]]) -> int:
    """In ASCII, so that every text can be encoded."""
    encode = json.JSONEncoder().encode
    writers = [(column.name, by_type(column.field, WRITERS, None)) for column in columns]
    before = "["
    for row in rows:
        record = {
            name: value if value is None or write is None else write(value)
            for (name, write), value in zip(writers, row, strict=True)
        }
        file.write(f"{before}\n{encode(record)}".encode())
        before = ","
    file.write(b"[]\n" if before == "[" else b"\n]\n")
    return 0
