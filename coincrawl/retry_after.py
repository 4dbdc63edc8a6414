"""Reads how long an answer asks to wait. Pure."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from scrapy.http import Response


def header(response: Response, name: str) -> str:
    return (response.headers.get(name) or b"").decode("latin-1").strip()


def seconds_to_wait(response: Response, received: datetime) -> float | None:
    """From Retry-After (seconds or a date) or x-ratelimit-reset; None if neither is valid.

    A date is compared with the Date header of the answer, because our clock may be wrong.
    """
    named = header(response, "Retry-After")
    if named.isascii() and named.isdigit() and len(named) < 10 and int(named):
        return float(named)
    answered = _date(header(response, "Date"), parsedate_to_datetime) or received
    for when in (_date(named, parsedate_to_datetime), _date(header(response, "x-ratelimit-reset"), _go_date)):
        if when and when > answered:
            return (when - answered).total_seconds()
    return None


def _go_date(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z")


def _date(text: str, parse: Callable[[str], datetime]) -> datetime | None:
    try:
        moment = parse(text)
        # A date in asctime's format has no zone. All dates of HTTP are in UTC.
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
