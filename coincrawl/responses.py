"""What an answer is worth: rows, a request to wait, another try, or the end. Pure: one function, no state, no clock.

Success is a list of records, by itself or somewhere in an object; an error is an object in one of several forms, also
with status 200.
"""

import json
import re
import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from secrets import token_hex
from typing import Any

from scrapy.http import Response

from coincrawl.masking import masked
from coincrawl.paths import Absent, at, paths_to_records
from webapp.coins.texts import Nested, Repeating, printable, raw_json

LONGEST_BODY = 16 * 1024 * 1024  # bytes, packed or unpacked; a page of 250 coins has about 200 kB
LONGEST_HEAD = 4_000  # characters of a page that are looked at for its title
MOST_PATHS = 3  # that a wrong `rows` is answered with
MOST_MEMBERS = 10  # of a gzip, each of which costs a copy of the rest; a server sends one

TOO_MANY_REQUESTS, NOT_ACCEPTABLE = 429, 406
REDIRECTED = 0
# What it is pointless to try again, by status, and what to check; a source may know better.
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
    """The page's records, numbers as Decimal with every digit that was sent, and the object in which they stood."""

    rows: list[Any]
    envelope: Mapping[str, Any] = field(default_factory=dict)  # empty where the list was all there was


@dataclass(frozen=True)
class Throttled:
    """Come back later: after `seconds`, or when we think best where that is None."""

    reason: str
    seconds: float | None

    def __str__(self) -> str:
        return f"it asks to slow down ({self.reason})"


@dataclass(frozen=True)
class Broken:
    """Worth another try. Where it looks final, but may be another's fault: what to check if it stays.

    As long as no page has come, that is asked for only `tries` more times; None: as often as anything that is broken.
    """

    reason: str
    remedy: str = ""
    tries: int | None = 2

    def __str__(self) -> str:
        return f"{self.reason}: {self.remedy}" if self.remedy else self.reason


@dataclass(frozen=True)
class Refused:
    """Pointless to try again: what the API said, what to check, and the status."""

    words: str
    remedy: str
    status: int

    def __str__(self) -> str:
        return f"{self.words}: {self.remedy}"


Judgement = Rows | Throttled | Broken | Refused
Hook = Callable[[list[tuple[str, Any]]], Any]


class Unreadable(ValueError):
    """A body without a JSON value in it; the text says what it is instead."""


class KeyRepeated(Exception):
    """A key stands twice in an object."""


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
    limit: int = LONGEST_BODY,
    secret: str = "",
) -> Judgement:
    """Read an answer as it came over the wire, at the time `received`.

    The records are at the path `rows` (see `at`), or where that is empty they are the whole answer. A null there are no
    records where `is_empty` says so of the object around it, but neither that nor an empty list is believed beside an
    error. An answer that has objects elsewhere is broken; the remedy names the `rows` that would fit, and it is final
    if `is_record` says so of the first of them. More than `max_rows` records are broken; a 404 of the API's own has no
    records where `is_end_404`. What has one of `remedies`, by the error's code or by the status, is refused, and with a
    code of `fatal_codes` a 429 is too; but an answer that is no JSON object is of a gateway, and worth another try.
    `hook` is json's object_pairs_hook, for answers of which only a part is wanted; a body over `limit` bytes is broken;
    where the answer repeats `secret`, there will be three asterisks instead.
    """
    status, text, body, fault = response.status, "", None, ""
    try:
        text = _text(response, limit, secret)
        body = _last_of_each(_parse(text, hook))
    except Unreadable as unreadable:
        fault = str(unreadable)
    except RecursionError:
        fault = "nested too deeply"
    code, words = _error(body)
    seconds = _seconds_to_wait(response, received)
    is_too_much = code not in fatal_codes and TOO_MANY_REQUESTS in (status, code)
    if is_too_much or (status == 503 and seconds):  # 503 is not our doing, but it may name a time as well
        return Throttled(printable(words, 200) or f"status {status}", seconds)
    # A number that is no status of HTTP may mean something else in `remedies`, as 0 does.
    if (status == 200 and fault) or not 100 <= status < 600:
        return Broken(fault if status == 200 else f"status {status}")
    is_own = isinstance(body, dict)  # in a form that no gateway has
    envelope = body if isinstance(body, dict) else {}
    records = at(body, rows) if rows else body
    is_error = bool(words) or (code or 0) >= 400
    if (records is None and rows and is_empty(envelope) and not is_error) or (status == 404 and is_end_404 and is_own):
        records, status, is_error = [], 200, False
    if status == 200 and isinstance(records, list) and (records or not is_error):
        is_page = max_rows is None or len(records) <= max_rows
        return Rows(records, envelope) if is_page else Broken(f"{len(records):,} records, far more than were asked for")
    if not is_own and status in remedies:
        words = _words_of_page(text)
    location = masked(_header(response, "Location"), secret) if 300 <= status < 400 else ""
    remedy = remedies[REDIRECTED] if location else remedies.get(code or status) or remedies.get(status, "")
    if remedy:
        said = printable(words or raw_json(body) if is_own else words, 300)  # such as {"page_size": ["Too large."]}
        words = f"the API answered {status}{f' with code {code}' if code else ''}"
        words += f", a redirect to {printable(location, 200)}" if location else f" and said {said!r}" if said else ""
        return Refused(words, remedy, status) if is_own else Broken(words, remedy, 0 if status == NOT_ACCEPTABLE else 2)
    if status != 200:
        return Broken(f"status {status}")
    elsewhere = {} if is_error or (rows and records is not Absent) else dict(paths_to_records(body))
    return _no_list(rows, words, list(elsewhere)[:MOST_PATHS], is_final=any(map(is_record, elsewhere.values())))


def _no_list(rows: str, words: str, elsewhere: list[str], *, is_final: bool) -> Broken:
    """An answer 200 without records where they should be; `elsewhere` are the paths at which there are objects."""
    where = f"no list of records at {rows!r}" if rows else "an object where a list of records was expected"
    if elsewhere:
        fitting = " or ".join(f'rows="{printable(path, 100)}"' for path in elsewhere)
        return Broken(where, f"{fitting} in the spider's pagination would fit", tries=0 if is_final else None)
    return Broken(f"{where}{f': {printable(words, 300)}' if words else ''}")


def _words_of_page(text: str) -> str:
    """What a page of HTML, or a text, says in few words."""
    title = re.search(r"<title[^>]*>([^<]*)", text[:LONGEST_HEAD], re.IGNORECASE)
    return " ".join((title[1] if title else re.sub(r"<[^>]*>", " ", text[:LONGEST_HEAD])).split())


# The body ------------------------------------------------------------------------------------------


def _text(response: Response, limit: int, secret: str) -> str:
    body = _unpacked(response, limit)
    if not body.strip():
        raise Unreadable("an empty body")
    try:
        return masked(body.decode("utf-8-sig"), secret)
    except UnicodeDecodeError:
        raise Unreadable("not JSON") from None


def _unpacked(response: Response, limit: int) -> bytes:
    """Strictly: a library for browsers would make the best of a body that is cut or damaged."""
    packing = b",".join(response.headers.getlist("Content-Encoding")).decode("latin-1").strip().lower()
    if packing in ("gzip", "x-gzip"):
        return _gunzip(response.body, limit)
    if packing not in ("", "identity"):
        raise Unreadable(f"packed as {printable(packing, 30)}, which was not asked for")
    if len(response.body) > limit:
        raise Unreadable(f"longer than {limit} bytes")
    return response.body


def _gunzip(packed: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    room = limit + 1
    while packed:  # a file of gzip may have several members
        unpacker = zlib.decompressobj(wbits=31)
        try:
            part = unpacker.decompress(packed, room)
        except zlib.error:
            raise Unreadable("not the gzip that its Content-Encoding speaks of") from None
        if len(parts) == MOST_MEMBERS:
            raise Unreadable("a gzip of too many members")
        parts.append(part)
        room -= len(part)
        if room <= 0:
            raise Unreadable(f"longer than {limit} bytes")
        if not unpacker.eof:
            raise Unreadable("cut off in the middle")
        packed = unpacker.unused_data
    return b"".join(parts)


def _parse(text: str, hook: Hook | None) -> Any:
    """JSON to objects without a float in between; numbers of any size and NaN become Decimals."""
    try:
        return _loads(text, hook)
    except RecursionError:
        marker = f"nested {token_hex(16)}:"  # which no answer can have in it
        return _with_nested(_parse_shallow(text, hook, marker), marker)
    except ValueError:
        raise Unreadable("not JSON") from None


def _loads(text: str, hook: Hook | None) -> Any:
    try:
        return _read(text, Decimal, hook or _with_distinct_keys)
    except (InvalidOperation, KeyRepeated):  # somewhere in it: once more with more care, which takes longer
        return _read(text, number, hook or _with_any_keys)


def _read(text: str, parse: Callable[[str], Decimal], hook: Hook) -> Any:
    return json.loads(text, parse_float=parse, parse_int=parse, parse_constant=Decimal, object_pairs_hook=hook)


def _with_distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; raises KeyRepeated where json would take the last value of a key, and say nothing."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise KeyRepeated
    return found


def _with_any_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return Repeating(pairs) if len(found) < len(pairs) or any(map(_repeats, found.values())) else found


def _repeats(value: Any) -> bool:
    return isinstance(value, Repeating) or (isinstance(value, list) and any(map(_repeats, value)))


def _last_of_each(value: Any) -> Any:
    """What stands around the records: there the last value of a key counts, as it does for every parser of JSON."""
    if isinstance(value, Repeating):
        return {key: _last_of_each(inner) for key, inner in value.pairs}
    return value


def number(text: str) -> Decimal:
    """As Decimal, but never raising: what is too large or too small even for it is not finite. Zero stays zero."""
    try:
        return Decimal(text)
    except InvalidOperation:
        mantissa = Decimal(text.lower().partition("e")[0])
        return mantissa and Decimal("Infinity").copy_sign(mantissa)


DEEPEST = 100  # levels; a coin's record has two
MOST_TOKENS = 1_000_000  # a page has about 15,000; reading more would take seconds, in which nothing else happens
STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[][{}]', re.DOTALL)  # one without an end is read only once


def _parse_shallow(text: str, hook: Hook | None, marker: str) -> Any:
    """JSON in which some of a list's objects are too deep for the parser; of those, the text after the `marker`.

    One such record must not cost its page.
    """
    parts: list[str] = []
    opened: list[str] = []
    deepest, begin, done = 0, 0, 0
    record = 0  # how many brackets stand around the record that is open, itself included; 0: none is
    for number, token in enumerate(STRING_OR_BRACKET.finditer(text)):
        if number > MOST_TOKENS:
            raise Unreadable("nested too deeply")
        if token[0] in ("[", "{"):
            is_record = not record and token[0] == "{" and opened[-1:] == ["["]
            opened.append(token[0])
            if is_record:
                record, begin = len(opened), token.start()
            deepest = max(deepest, len(opened))
            if deepest > DEEPEST and not record:
                raise Unreadable("nested too deeply")
        elif token[0] in ("]", "}") and opened:
            opened.pop()
            if len(opened) < record:
                if deepest > DEEPEST:
                    parts += [text[done:begin], json.dumps(marker + text[begin : token.end()])]
                    done = token.end()
                record = deepest = 0
    try:
        return _loads("".join([*parts, text[done:]]), hook)
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    except ValueError:
        raise Unreadable("not JSON") from None


def _with_nested(value: Any, marker: str) -> Any:
    if isinstance(value, str) and value.startswith(marker):
        return Nested(value.removeprefix(marker))
    if isinstance(value, list):
        return [_with_nested(inner, marker) for inner in value]
    if isinstance(value, Repeating):
        return Repeating([(name, _with_nested(inner, marker)) for name, inner in value.pairs])
    if isinstance(value, dict):
        return {name: _with_nested(inner, marker) for name, inner in value.items()}
    return value


def _error(body: Any) -> tuple[int | None, str]:
    """Code and words of an error object: {"status": {"error_code", "error_message"}}, {"error_code", "status"},
    {"status": 500, "error": text}, {"error": text}, {"detail": text} and {"errors": [...]} have all been seen."""
    if not isinstance(body, dict):
        return None, ""
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


# The time to wait ------------------------------------------------------------------------------------


def _seconds_to_wait(response: Response, received: datetime) -> float | None:
    """From Retry-After (seconds or a date) or x-ratelimit-reset; None where neither makes sense.

    A date is measured against the answer's own clock: ours may be wrong.
    """
    named = _header(response, "Retry-After")
    if named.isascii() and named.isdigit() and len(named) < 10 and int(named):
        return float(named)
    answered = _answered_at(response, received)
    for when in (_date(named, parsedate_to_datetime), _date(_header(response, "x-ratelimit-reset"), _go_date)):
        if when and when > answered:
            return (when - answered).total_seconds()
    return None


def _answered_at(response: Response, received: datetime) -> datetime:
    """When the API answered, by its own clock; `received` where it does not say."""
    return _date(_header(response, "Date"), parsedate_to_datetime) or received


def _go_date(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z")


def _date(text: str, parse: Callable[[str], datetime]) -> datetime | None:
    try:
        moment = parse(text)
        # asctime's form names no zone; HTTP's dates are all in UTC.
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _header(response: Response, name: str) -> str:
    return (response.headers.get(name) or b"").decode("latin-1").strip()
