"""What others have written, made safe to log, to show and to keep. Pure."""

from dataclasses import dataclass

import simplejson

RAW_LIMIT = 64_000  # characters of a rejected record that are kept


@dataclass(frozen=True)
class Nested:
    """The text of a record that is nested too deeply for any parser."""

    text: str


def printable(value: object, limit: int) -> str:
    """`value` as one line of ASCII, at most `limit` characters: what an API says cannot forge a log line or a page."""
    text = str(value)[: limit + 1]
    escaped = text.encode("unicode_escape").decode("ascii")
    return escaped if len(escaped) <= limit else escaped[: limit - 3] + "..."


def raw_json(record: object) -> str:
    """A parsed record as JSON again: every digit of its numbers, all else ASCII-escaped, at most 64 kB."""
    if isinstance(record, Nested):
        text = record.text[:RAW_LIMIT].encode("ascii", "backslashreplace").decode("ascii")
        return text.replace("\0", "\\u0000")[:RAW_LIMIT]  # nobody has parsed it, and PostgreSQL keeps no NUL
    try:
        text = simplejson.dumps(record, use_decimal=True, allow_nan=True)
    except RecursionError:
        text = "(nested too deeply to be written down)"
    return text[:RAW_LIMIT]
