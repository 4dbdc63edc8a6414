"""Makes texts from outside safe to log, to show and to store. Pure."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import simplejson

RAW_LIMIT = 64_000  # characters of a rejected record that are stored


class Nested(dict[str, Any]):
    """A record that is nested too deeply for a parser: its `text`, and those of its values that hold no others."""

    def __init__(self, text: str, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(values or {})
        self.text = text

    def for_json(self) -> str:
        """For simplejson: everything that was sent."""
        return self.text


class Repeating(dict[str, Any]):
    """A parsed object with repeated keys, or with an object inside that has them.

    It has no value for a repeated key, because it is unknown which one is right. `pairs` has everything that was sent.
    """

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        times = Counter(key for key, _ in pairs)
        super().__init__(pair for pair in pairs if times[pair[0]] == 1)
        self.pairs = pairs

    @property
    def repeated(self) -> list[str]:
        """The keys that occur more than once, also in objects inside, with dots between them: `id`, `roi.times`."""
        paths: list[str] = []
        waiting: list[tuple[str, Any]] = [("", self)]  # no recursion: an object may be as deep as the parser allows
        while waiting:
            path, value = waiting.pop()
            if isinstance(value, Repeating):
                times = Counter(key for key, _ in value.pairs)
                paths += [f"{path}{key}" for key in times if times[key] > 1]
                waiting += [(f"{path}{key}.", inner) for key, inner in value.pairs]
            elif isinstance(value, list):
                waiting += [(path, inner) for inner in value]
        return paths

    def for_json(self) -> simplejson.RawJSON:
        """For simplejson: everything that was sent."""
        return simplejson.RawJSON(f"{{{', '.join(f'{_json(key)}: {_json(value)}' for key, value in self.pairs)}}}")


def fault_in(record: object) -> str:
    """Why the values of a record as it was sent are not all known; empty if they are."""
    if isinstance(record, Nested):
        return "nested too deeply to be read"
    if not isinstance(record, Repeating):
        return ""
    keys = record.repeated
    words = f"key {keys[0]} appears" if len(keys) == 1 else f"keys {', '.join(keys)} appear"
    return f"the {printable(words, 200)} twice"


def printable(value: object, limit: int) -> str:
    """`value` as one line of ASCII with at most `limit` characters, so that it cannot forge a log line or a page."""
    text = str(value)[: limit + 1]
    if text.isascii() and text.isprintable() and "\\" not in text and len(text) <= limit:
        return text
    escaped = text.encode("unicode_escape").decode("ascii")
    return escaped if len(escaped) <= limit else escaped[: limit - 3] + "..."


def kind_of(value: object) -> str:
    """What a value of JSON is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {str: "a text", Decimal: "a number", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)


def counted(number: int, noun: str) -> str:
    """A number of things in words: "1 page", "1,000 pages"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def are(number: int) -> str:
    """The verb of a number of things."""
    return "is" if number == 1 else "are"


def one_line(error: BaseException) -> str:
    """The first line of an error's message: those of database drivers have many."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def raw_json(record: object) -> str:
    """A parsed record as JSON: numbers with every digit, texts escaped to ASCII, at most 64 kB."""
    if isinstance(record, Nested):
        text = record.text[:RAW_LIMIT].encode("ascii", "backslashreplace").decode("ascii")
        return text.replace("\0", "\\u0000")[:RAW_LIMIT]  # it is not parsed, and PostgreSQL stores no NUL
    try:
        text = _json(record)
    except RecursionError:
        text = "(nested too deeply to be written down)"
    return text[:RAW_LIMIT]


def whole_json(values: Mapping[str, Any] | None) -> str:
    """Values as JSON that `values_of` reads back, with every digit, escaped to ASCII.

    Empty if there are none, if they take more than 64 kB, or if they are nested too deeply.
    """
    if values is None:
        return ""
    try:
        text = simplejson.dumps(values, use_decimal=True, allow_nan=True, for_json=True, default=datetime.isoformat)
    except RecursionError:
        return ""
    return text if len(text) <= RAW_LIMIT else ""


def values_of(text: str) -> dict[str, Any] | None:
    """The values that `whole_json` has written, with numbers as decimals; None if the text has none."""
    try:
        found = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _json(value: object) -> str:
    return simplejson.dumps(value, use_decimal=True, allow_nan=True, for_json=True)
