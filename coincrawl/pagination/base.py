"""What paginations of all kinds have in common: the number of records that a source counts."""

from decimal import Decimal
from typing import Any

from coincrawl.paths import Absent, at
from coincrawl.responses import Rows
from webapp.coins.texts import printable, raw_json


class PagingError(ValueError):
    """Paging cannot go on from a page: the text says why, and what to do about it."""


def check_from_one_up(pagination: object, *names: str) -> None:
    """Raises ValueError where one of these attributes is less than 1."""
    for name in names:
        value = getattr(pagination, name)
        if value is not None and value < 1:
            raise ValueError(f"{type(pagination).__name__}: {name} is {value} and must be at least 1")


def count_in(answer: Rows, path: str) -> int | None:
    """The number of all records at this path in the body; None where there is none, PagingError for nonsense."""
    said = at(answer.envelope, path)
    if said is Absent or said is None:
        return None
    count = whole_number(said)
    if count is None:
        raise PagingError(f"the API counts {printable(raw_json(said), 50)} records, which is no number of them")
    return count


def whole_number(said: Any) -> int | None:
    """A number of records, as a number or a text; None where it is none."""
    if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) < 10:
        return int(said)
    is_number = isinstance(said, Decimal) and said.is_finite() and 0 <= said < 10**9
    return int(said) if is_number and said == int(said) else None
