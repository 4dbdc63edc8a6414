"""Judges an answer: records, a request to wait, another try, or a refusal. Pure: one function, no state, no clock.

A good answer is a list of records, or an object with such a list. An error is an object in one of several forms, and it
may have status 200.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from scrapy.http import Response

from coincrawl.body import MAX_BODY, Hook, Unreadable, last_of_each, parse, text_of
from coincrawl.masking import masked
from coincrawl.paths import Absent, at, paths_to_records
from coincrawl.retry_after import header, seconds_to_wait
from webapp.coins.texts import kind_of, printable, raw_json

MAX_HEAD = 4_000  # characters of an HTML page that are searched for its title
MAX_PATHS = 3  # suggestions for a wrong `rows`

TOO_MANY_REQUESTS, NOT_ACCEPTABLE = 429, 406
REDIRECTED = 0
# What to check, by status of answers that are not worth another try. A spider may declare its own.
REMEDIES = {
    REDIRECTED: "redirects are not followed, so give the address itself",
    400: "check the spider's arguments",
    401: "is the key or the token set, and right?",
    403: "is the key or the token right, and this address not blocked?",
    404: "check the address and the spider's arguments",
    NOT_ACCEPTABLE: "it does not send what the spider asks for: does `accept` name the right media type?",
    422: "check the spider's arguments",
}


@dataclass(frozen=True)
class Rows:
    """The records of an answer, with numbers as exact Decimals, and the object around the list."""

    rows: list[Any]
    envelope: Mapping[str, Any] = field(default_factory=dict)  # empty if the list is the whole answer


@dataclass(frozen=True)
class Throttled:
    """The API asks to wait: for `seconds`, or for any time if that is None."""

    reason: str
    seconds: float | None

    def __str__(self) -> str:
        return f"it asks to slow down ({self.reason})"


@dataclass(frozen=True)
class Broken:
    """An answer that is worth another try.

    `remedy` says what to check if it stays broken. If there is one and no page has come yet, only `tries` more requests
    are made; None means as many as for any broken answer.
    """

    reason: str
    remedy: str = ""
    tries: int | None = 2

    def __str__(self) -> str:
        return f"{self.reason}: {self.remedy}" if self.remedy else self.reason


@dataclass(frozen=True)
class Refused:
    """An answer that is not worth another try: the API's words, what to check, and the status."""

    words: str
    remedy: str
    status: int

    def __str__(self) -> str:
        return f"{self.words}: {self.remedy}"


Judgement = Rows | Throttled | Broken | Refused


def judge(
    response: Response,
    received: datetime,
    *,
    rows: str = "",
    is_empty: Callable[[Mapping[str, Any]], bool] = lambda envelope: False,
    is_record: Callable[[dict[str, Any]], bool] = lambda record: True,
    max_rows: int | None = None,
    is_end_404: bool = False,
    remedies: Mapping[int, str] = REMEDIES,
    fatal_codes: Collection[int] = (),
    hook: Hook | None = None,
    limit: int = MAX_BODY,
    secret: str = "",
) -> Judgement:
    """Judge an answer, before it is unpacked. `received` is the time at which it came.

    - The records are at the path `rows` (see `paths.at`), or are the whole answer if that is empty. A null there means
      no records if `is_empty` says so of the object around it. Neither a null nor an empty list counts beside an error.
    - An answer with objects elsewhere is broken. The remedy names the `rows` that would fit. It is final if `is_record`
      says that the first of these objects is a record.
    - An answer with more than `max_rows` records, or with more than `limit` bytes, is broken.
    - An answer whose error code or status is in `remedies` is refused. So is a 429 with a code in `fatal_codes`. But an
      answer that is not a JSON object comes from a gateway, not from the API, and is worth another try.
    - With `is_end_404`, a 404 of the API itself means no records.

    `hook` is json's object_pairs_hook, for answers of which only a part is needed. `secret` is masked in the answer.
    """
    status, body, fault = response.status, None, ""
    try:
        body = last_of_each(parse(text_of(response, limit, secret, is_large=hook is not None), hook))
    except Unreadable as unreadable:
        fault = str(unreadable)
    except RecursionError:
        fault = "nested too deeply"
    code, words = _error(body)
    seconds = seconds_to_wait(response, received)
    is_too_much = code not in fatal_codes and TOO_MANY_REQUESTS in (status, code)
    if is_too_much or (status == 503 and seconds):  # a 503 may also say how long to wait
        return Throttled(printable(words, 200) or f"status {status}", seconds)
    # A number that is not a status of HTTP may have another meaning in `remedies`, as 0 does.
    if (status == 200 and fault) or not 100 <= status < 600:
        return Broken(fault if status == 200 else f"status {status}")
    is_own = isinstance(body, dict)  # the API's own: a gateway does not answer with a JSON object
    envelope = body if isinstance(body, dict) else {}
    records = at(body, rows) if rows else body
    is_error = bool(words) or (code or 0) >= 400
    if (records is None and rows and is_empty(envelope) and not is_error) or (status == 404 and is_end_404 and is_own):
        records, status, is_error = [], 200, False
    if status == 200 and isinstance(records, list) and (records or not is_error):
        is_page = max_rows is None or len(records) <= max_rows
        return Rows(records, envelope) if is_page else Broken(f"{len(records):,} records, far more than were asked for")
    if not is_own and status in remedies:
        words = _words_of_page(response, limit, secret)
    location = masked(header(response, "Location"), secret) if 300 <= status < 400 else ""
    remedy = remedies[REDIRECTED] if location else remedies.get(code or status) or remedies.get(status, "")
    if remedy:
        said = printable(words or raw_json(body) if is_own else words, 300)  # such as {"page_size": ["Too large."]}
        words = f"the API answered {status}{f' with code {code}' if code else ''}"
        words += f", a redirect to {printable(location, 200)}" if location else f" and said {said!r}" if said else ""
        return Refused(words, remedy, status) if is_own else Broken(words, remedy, 0 if status == NOT_ACCEPTABLE else 2)
    if status != 200:
        return Broken(f"status {status}")
    elsewhere = {} if is_error or (rows and records is not Absent) else dict(paths_to_records(body))
    return _no_list(body, rows, words, list(elsewhere)[:MAX_PATHS], is_final=any(map(is_record, elsewhere.values())))


def _no_list(body: Any, rows: str, words: str, elsewhere: list[str], *, is_final: bool) -> Broken:
    """An answer 200 without records at `rows`. `elsewhere` are the paths at which it has objects."""
    where = f"no list of records at {rows!r}" if rows else f"{kind_of(body)} where a list of records was expected"
    if elsewhere:
        fitting = " or ".join(f'rows="{printable(path, 100)}"' for path in elsewhere)
        return Broken(where, f"{fitting} in the spider's pagination would fit", tries=0 if is_final else None)
    return Broken(f"{where}{f': {printable(words, 300)}' if words else ''}")


def _words_of_page(response: Response, limit: int, secret: str) -> str:
    """The title of an HTML page, or else its text. Empty if it is no text."""
    try:
        text = text_of(response, limit, secret)
    except Unreadable:
        return ""
    title = re.search(r"<title[^>]*>([^<]*)", text[:MAX_HEAD], re.IGNORECASE)
    return " ".join((title[1] if title else re.sub(r"<[^>]*>", " ", text[:MAX_HEAD])).split())


def _error(body: Any) -> tuple[int | None, str]:
    """The code and the words of an error object.

    Known forms: {"status": {"error_code", "error_message"}}, the same in {"error": ...}, {"error_code", "status"},
    {"status": 500, "error": text}, {"error": text}, {"detail": text} and {"errors": [...]}.
    """
    if not isinstance(body, dict):
        return None, ""
    if isinstance(outer := body.get("error"), dict) and "status" in outer:
        body = outer
    status = body.get("status")
    inner = status if isinstance(status, dict) else {}
    code = inner.get("error_code", body.get("error_code", status))
    names = ("error", "error_message", "detail", "errors")
    named = (inner.get("error_message"), *(body.get(name) for name in names))
    words = next(filter(None, named), "")
    if not isinstance(words, str):
        words = raw_json(words)
    if isinstance(code, str) and re.fullmatch(r"\d{1,5}", code, re.ASCII):
        code = Decimal(code)
    if isinstance(code, Decimal) and code.is_finite() and 0 < code < 100_000:
        return int(code), words
    return None, words
