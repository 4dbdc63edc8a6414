"""Reading the body of an answer: strictly unpacked, then JSON with every digit of its numbers. Pure."""

import json
import re
import zlib
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from secrets import token_hex
from typing import Any

from scrapy.http import Response

from coincrawl.masking import masked
from webapp.coins.texts import Nested, Repeating, printable

MAX_BODY = 16 * 1024 * 1024  # bytes, packed or unpacked; a page of 250 coins has about 200 kB
MAX_MEMBERS = 10  # of a gzip, each of which costs a copy of the rest; a server sends one

Hook = Callable[[list[tuple[str, Any]]], Any]  # json's object_pairs_hook


class Unreadable(ValueError):
    """A body without a JSON value in it; the text says what it is instead."""


class KeyRepeated(Exception):
    """A key stands twice in an object."""


def text_of(response: Response, limit: int, secret: str) -> str:
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
        if len(parts) == MAX_MEMBERS:
            raise Unreadable("a gzip of too many members")
        parts.append(part)
        room -= len(part)
        if room <= 0:
            raise Unreadable(f"longer than {limit} bytes")
        if not unpacker.eof:
            raise Unreadable("cut off in the middle")
        packed = unpacker.unused_data
    return b"".join(parts)


def parse(text: str, hook: Hook | None) -> Any:
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


def last_of_each(value: Any) -> Any:
    """What stands around the records: there the last value of a key counts, as it does for every parser of JSON."""
    if isinstance(value, Repeating):
        return {key: last_of_each(inner) for key, inner in value.pairs}
    return value


def number(text: str) -> Decimal:
    """As Decimal, but never raising: what is too large or too small even for it is not finite. Zero stays zero."""
    try:
        return Decimal(text)
    except InvalidOperation:
        mantissa = Decimal(text.lower().partition("e")[0])
        return mantissa and Decimal("Infinity").copy_sign(mantissa)


MAX_DEPTH = 100  # levels; a coin's record has two
MAX_TOKENS = 1_000_000  # a page has about 15,000; reading more would take seconds, in which nothing else happens
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
        if number > MAX_TOKENS:
            raise Unreadable("nested too deeply")
        if token[0] in ("[", "{"):
            is_record = not record and token[0] == "{" and opened[-1:] == ["["]
            opened.append(token[0])
            if is_record:
                record, begin = len(opened), token.start()
            deepest = max(deepest, len(opened))
            if deepest > MAX_DEPTH and not record:
                raise Unreadable("nested too deeply")
        elif token[0] in ("]", "}") and opened:
            opened.pop()
            if len(opened) < record:
                if deepest > MAX_DEPTH:
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
