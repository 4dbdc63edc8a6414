"""Limits of lists, as people write them. What is no number or time raises ValueError with a sentence for people."""

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from django.utils import timezone

from webapp.coins.admin.formats import day_and_time

DAY = timedelta(days=1)
LOOKUPS = {"min": "gte", "max": "lte"}  # by the end of a parameter's name
WORDS = {"min": "at least", "max": "at most"}  # of a number
WORDS_OF_TIME = {"min": "since", "max": "until"}
MAX_LENGTH = 100  # characters of a limit
# Commas only between groups of three digits: elsewhere they may be meant as a point.
NUMBER = re.compile(
    r"\$?\s*(?P<number>[+-]?(?=\.?\d)(\d{1,3}(,\d{3})+|\d+)?(\.\d*)?([eE][+-]?\d+)?)\s*(?P<unit>[kKmMbBtT]?)\s*%?",
    re.ASCII,
)
UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
MAX_MAGNITUDE = 28  # power of ten of a limit: all decimals of the models can be compared with it
NO_NUMBER = "This is not a number. Write it as 1,234.5, 2.5 B, 1e-9 or -5%, with commas for thousands only."
NO_SUCH_SIZE = f"This number is too large or too small. Its first digit may be {MAX_MAGNITUDE} places from the point."
NO_TIME = "This is not a date or time. Write it as 2026-02-05 or 2026-02-05T12:00, in UTC."
EMPTY = "The least is greater than the most."
EMPTY_TIME = "The beginning is after the end."
TOO_FAR = "This time is too far away. The years 1 to 9999 can be compared."


def time_limit(field: str, end: str, text: str) -> tuple[str, datetime]:
    """The lookup and value of a limit of a time. A date as the maximum includes its whole day.

    Raises ValueError with a sentence for people if the text is no time.
    """
    first, is_day = moment(text)
    if not (is_day and end == "max"):
        return f"{field}__{LOOKUPS[end]}", first
    try:
        return f"{field}__lt", first + DAY
    except OverflowError:
        raise ValueError(TOO_FAR) from None


def moment(text: str) -> tuple[datetime, bool]:
    """An ISO date or instant, by default in UTC, and whether it is a date.

    Raises ValueError with a sentence for people if it is neither, or too far away.
    """
    with suppress(ValueError):
        return datetime.combine(date.fromisoformat(text), time(), UTC), True
    try:
        found = datetime.fromisoformat(text)
        return (found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)), False
    except ValueError:
        raise ValueError(NO_TIME) from None
    except OverflowError:
        raise ValueError(TOO_FAR) from None


def in_words(text: str, clock: str = "%H:%M") -> str:
    """A valid limit of a time for people: `29 Nov 23:22 UTC`, with the year if it is another. A date stays as it is."""
    found, is_day = moment(text)
    if is_day:
        return text
    return f"{day_and_time(found, timezone.now(), clock)} UTC"


def moment_in_words(text: str) -> str:
    """A time that is both limits: `at 29 Nov 23:22:58 UTC`, or the day."""
    return f"{'on' if moment(text)[1] else 'at'} {in_words(text, '%H:%M:%S')}"


def decimal(text: str) -> Decimal:
    """A number as people write it: 1,234.5, 1e6, 2.5 B, 5 % or $10.

    Raises ValueError with a sentence for people if the text is none, or too large or small.
    """
    written = NUMBER.fullmatch(text)
    if not written:
        raise ValueError(NO_NUMBER)
    try:
        number = Decimal(written["number"].replace(",", "")) * UNITS[(written["unit"] or "").lower()]
    except ArithmeticError:
        raise ValueError(NO_SUCH_SIZE) from None
    if len(text) > MAX_LENGTH or not number.is_finite() or abs(number.adjusted()) > MAX_MAGNITUDE:
        raise ValueError(NO_SUCH_SIZE)
    return number
