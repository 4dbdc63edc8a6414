"""What all paginations have in common: checks, and the count of a source's records."""

from decimal import Decimal
from typing import Any

from coincrawl.paths import Absent, at
from coincrawl.responses import Rows
from webapp.coins.texts import printable, raw_json


class PagingError(ValueError):
    """Paging cannot go on from a page; the text says why, and what to do."""


def check_from_one_up(pagination: object, *names: str) -> None:
    """Raises ValueError if one of these attributes is less than 1."""
    for name in names:
        value = getattr(pagination, name)
        if value is not None and value < 1:
            raise ValueError(f"{type(pagination).__name__}: {name} is {value} and must be at least 1")


def count_in(answer: Rows, path: str) -> int | None:
    """The number of all records, at this path in the body; None if absent. Raises PagingError if it is invalid."""
    value = at(answer.envelope, path)
    if value is Absent or value is None:
        return None
    count = whole_number(value)
    if count is None:
        raise PagingError(f"the API counts {printable(raw_json(value), 50)} records, which is not a valid number")
    return count


def whole_number(value: Any) -> int | None:
    """A number of records, from a number or a text; None if it is invalid."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    is_number = isinstance(value, Decimal) and value.is_finite() and 0 <= value < 10**9
    return int(value) if is_number and value == int(value) else None
