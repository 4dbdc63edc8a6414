"""Records as JSON text and back without losing or making up a digit, and records from recorded pages."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Number(str):
    """A JSON number, kept as its text: `Decimal(number)` is its value, `1.0` and `1e-18` stay as they were written."""


# Also takes NaN and 5,000 digits, which a test may want to send.
_decoder = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=Number)
_encode = json.JSONEncoder(ensure_ascii=False).encode
_between_records = re.compile(r"[\s,]*")


def from_json(text: str) -> Any:
    return _decoder.decode(text)


def to_json(value: Any) -> str:
    """JSON with each Number as it stands, compact and in UTF-8 as CoinGecko writes it."""
    if isinstance(value, Number):
        return value
    if isinstance(value, dict):
        return "{" + ",".join([f"{_encode(key)}:{to_json(item)}" for key, item in value.items()]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([to_json(item) for item in value]) + "]"
    return _encode(value)


def recorded(directory: Path) -> dict[str, str]:
    """The coins in the recorded pages of a directory: id to the record's text, cut out of its page untouched.

    A page is a *.json file that holds a list of coins; other files and other entries are passed over. Of two records of
    a coin the one with the newest `last_updated` counts.
    """
    newest: dict[str, tuple[datetime, str]] = {}
    for path in sorted(directory.glob("*.json")):
        page = path.read_bytes().decode("utf-8-sig")  # read_text() would change line ends
        try:
            for record, text in _slices(page):
                if isinstance(record, dict) and {"id", "current_price", "last_updated"} <= record.keys():
                    when = datetime.fromisoformat(record["last_updated"] or "0001-01-01T00:00:00Z")
                    if record["id"] not in newest or when > newest[record["id"]][0]:
                        newest[record["id"]] = when, text
        except ValueError as error:
            raise ValueError(f"{path} is no recorded page: {error}") from error
    if not newest:
        raise ValueError(f"{directory} holds no recorded page")
    return {coin_id: text for coin_id, (_, text) in newest.items()}


def _slices(page: str) -> Iterator[tuple[Any, str]]:
    """Each entry of a JSON list, read and as it is written; nothing where the text is no list."""
    start = page.find("[")
    if page[:start].strip():
        return
    end = _end_of_gap(page, start + 1)
    while not page.startswith("]", end):
        entry, stop = _decoder.raw_decode(page, end)
        yield entry, page[end:stop]
        end = _end_of_gap(page, stop)


def _end_of_gap(page: str, at: int) -> int:
    gap = _between_records.match(page, at)
    return gap.end() if gap else at
