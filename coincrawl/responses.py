"""What an answer is worth: rows, a request to wait, another try, or the end. Pure: one function, no state, no clock.

The shapes are CoinGecko's: success is a list, an error is an object in one of several forms, also with status 200.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

from scrapy.http import Response

from webapp.coins.texts import printable

WORTH_ANOTHER_TRY = {408, 425, *range(500, 600)}
SPENT_CREDITS = 10006
# What to check, by what the API says: its error codes first, then the status.
REMEDIES = {
    10002: "is COINGECKO_API_KEY set, and right for COINGECKO_PLAN?",
    10005: "COINGECKO_PLAN does not include this",
    SPENT_CREDITS: "the month's credits are spent: wait for the next month or change the plan",
    10010: "a paid key belongs to pro-api.coingecko.com: check COINGECKO_PLAN and BASE_API_URL",
    10011: "a demo key belongs to api.coingecko.com: check COINGECKO_PLAN and BASE_API_URL",
    400: "check VS_CURRENCY and the spider's arguments",
    401: "is COINGECKO_API_KEY set, and right for COINGECKO_PLAN?",
    403: "is the key right, the plan sufficient, and this address not blocked?",
    404: "check BASE_API_URL and the spider's arguments",
    422: "check VS_CURRENCY and the spider's arguments",
}


@dataclass(frozen=True)
class Rows:
    """The page's records, numbers as Decimal with every digit that was sent."""

    rows: list[Any]


@dataclass(frozen=True)
class Throttled:
    """Come back later: after `seconds`, or when we think best where that is None."""

    reason: str
    seconds: float | None


@dataclass(frozen=True)
class Broken:
    """Worth another try."""

    reason: str


@dataclass(frozen=True)
class Refused:
    """Pointless to try again: what the API said, and what to check."""

    reason: str


Judgement = Rows | Throttled | Broken | Refused


def judge(response: Response, hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Judgement:
    """Read an answer. `hook` is json's object_pairs_hook, for answers of which only a part is wanted."""
    if response.status in WORTH_ANOTHER_TRY:
        return Broken(f"status {response.status}")
    try:
        body = _parse(response.body, hook)
    except (ValueError, RecursionError) as error:
        body = None
        if response.status == 200:
            what = "nested too deeply" if isinstance(error, RecursionError) else "not JSON"
            return Broken(what if response.body.strip() else "an empty body")
    if response.status == 200 and isinstance(body, list):
        return Rows(body)
    code, words = _error(body)
    if code != SPENT_CREDITS and (response.status == 429 or code == 429):
        return Throttled(words or "too many requests", _seconds_to_wait(response))
    if code is None and response.status == 200:
        return Broken("an object where a list of records was expected")
    return _refused(response, code, words)


def _refused(response: Response, code: int | None, words: str) -> Refused:
    if 300 <= response.status < 400:
        remedy = f"a redirect to {printable(_header(response, 'Location'), 200)} is not followed; check BASE_API_URL"
    else:
        remedy = REMEDIES.get(code or 0) or REMEDIES.get(response.status, "it is not an answer this spider knows")
    said = f" and said {printable(words, 300)!r}" if words else ""
    return Refused(f"the API answered {response.status}{f' with code {code}' if code else ''}{said}: {remedy}")


def _parse(body: bytes, hook: Callable[[list[tuple[str, Any]]], Any] | None) -> Any:
    """JSON to objects without a float in between; numbers of any size and NaN become Decimals."""
    text = body.decode("utf-8-sig")
    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal, object_pairs_hook=hook)
    except InvalidOperation:  # an exponent beyond what Decimal can write, somewhere in it
        return json.loads(text, parse_float=_number, parse_int=_number, parse_constant=Decimal, object_pairs_hook=hook)


def _number(text: str) -> Decimal:
    """As Decimal, but never raising: what is too large or too small even for it is not finite."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("-Infinity" if text.startswith("-") else "Infinity")


def _error(body: Any) -> tuple[int | None, str]:
    """Code and words of an error object: {"status": {"error_code", "error_message"}}, {"error_code", "status"},
    {"status": 500, "error": text} and {"error": text} have all been seen."""
    if not isinstance(body, dict):
        return None, ""
    status = body.get("status")
    inner = status if isinstance(status, dict) else {}
    code = inner.get("error_code", body.get("error_code", status))
    words = inner.get("error_message") or body.get("error") or body.get("error_message") or ""
    return (int(code) if isinstance(code, Decimal) and code.is_finite() and 0 < code < 100_000 else None), str(words)


def _seconds_to_wait(response: Response) -> float | None:
    """From Retry-After (seconds or a date) or x-ratelimit-reset, against the answer's own clock; None without sense."""
    named = _header(response, "Retry-After")
    if named.isascii() and named.isdigit() and len(named) < 10:
        return float(named) or None
    for when in (_date(named, parsedate_to_datetime), _date(_header(response, "x-ratelimit-reset"), _go_date)):
        answered = _date(_header(response, "Date"), parsedate_to_datetime)
        if when and answered and when > answered:
            return (when - answered).total_seconds()
    return None


def _go_date(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z")


def _date(text: str, parse: Callable[[str], datetime]) -> datetime | None:
    try:
        moment = parse(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else None


def _header(response: Response, name: str) -> str:
    return (response.headers.get(name) or b"").decode("latin-1").strip()
