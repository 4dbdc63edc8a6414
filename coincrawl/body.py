"""Reads the body of an answer: unpacks it strictly, and parses JSON with every digit of its numbers. Pure."""

import codecs
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, InvalidOperation
from secrets import token_hex
from typing import Any

from scrapy.http import Response

from coincrawl.masking import masked
from webapp.coins.texts import Nested, Repeating, printable

MAX_BODY = 16 * 1024 * 1024  # bytes, packed or unpacked; a page of 250 coins has about 200 kB
PIECE = 64 * 1024  # bytes that are unpacked and decoded at once
MAX_MEMBERS = 10  # of a gzip; servers send one, and each costs a copy of the rest
MAX_DEPTH = 100  # levels; a coin's record has two
MAX_TOKENS = 1_000_000  # a page has about 15,000; reading more would block the event loop for seconds
MAX_VALUES = 1_000_000  # a page has about 8,000, and the list of all ids 54,000; each may take 200 bytes of memory
ESCAPE_OR_NOT_ASCII = re.compile(r"\\.|[^\x00-\x7f]+", re.DOTALL)
STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[][{}]', re.DOTALL)  # an unclosed string is read only once

Hook = Callable[[list[tuple[str, Any]]], Any]  # json's object_pairs_hook


class Unreadable(ValueError):
    """A body that is not JSON; the text says what it is instead."""


class KeyRepeated(Exception):
    """An object has the same key twice."""


def text_of(response: Response, limit: int, secret: str, *, is_large: bool = False) -> str:
    """The unpacked body as text, with `secret` masked. Raises Unreadable if it is no text, or above `limit` bytes.

    A large JSON text is in ASCII, with escapes for other characters. One of them, such as an emoji, would make Python
    keep the whole text in four bytes for each character.
    """
    text = ""
    try:
        pieces = codecs.iterdecode(_unpacked(response, limit), "utf-8-sig")
        for piece in _in_ascii(pieces) if is_large else pieces:
            text += piece  # Python makes the text longer in place
    except UnicodeDecodeError:
        raise Unreadable("not JSON") from None
    if not text or text.isspace():
        raise Unreadable("an empty body")
    return masked(text, secret)


def _in_ascii(pieces: Iterable[str]) -> Iterator[str]:
    """A JSON text with escapes for all characters that are not in ASCII. An invalid escape stays as it is."""
    rest = ""
    for piece in pieces:
        piece = rest + piece
        backslashes = len(piece) - len(piece.rstrip("\\"))
        rest = "\\" * (backslashes % 2)  # it belongs to the next character
        yield ESCAPE_OR_NOT_ASCII.sub(_escaped, piece.removesuffix(rest))
    yield rest


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0][0] == "\\" else json.dumps(found[0])[1:-1]


def _unpacked(response: Response, limit: int) -> Iterator[bytes]:
    # Scrapy's own middleware would accept a body that is cut or damaged.
    packing = b",".join(response.headers.getlist("Content-Encoding")).decode("latin-1").strip().lower()
    if packing in ("gzip", "x-gzip"):
        return _gunzip(response.body, limit)
    if packing not in ("", "identity"):
        raise Unreadable(f"packed as {printable(packing, 30)}, which was not asked for")
    if len(response.body) > limit:
        raise Unreadable(_too_long(limit))
    return (response.body[start : start + PIECE] for start in range(0, len(response.body), PIECE))


def _too_long(limit: int) -> str:
    return f"longer than {limit / 2**20:,.0f} MiB" if limit >= 2**20 else f"longer than {limit:,} bytes"


def _gunzip(packed: bytes, limit: int) -> Iterator[bytes]:
    members = unpacked = 0
    while packed:  # a gzip may have several members
        unpacker = zlib.decompressobj(wbits=31)
        members += 1
        if members > MAX_MEMBERS:
            raise Unreadable("a gzip of too many members")
        while packed and not unpacker.eof:
            try:
                piece = unpacker.decompress(packed, PIECE)
            except zlib.error:
                raise Unreadable("not gzip, although its Content-Encoding says so") from None
            unpacked += len(piece)
            if unpacked > limit:
                raise Unreadable(_too_long(limit))
            yield piece
            packed = unpacker.unconsumed_tail
        if not unpacker.eof:
            raise Unreadable("cut off in the middle")
        packed = unpacker.unused_data


def parse(text: str, hook: Hook | None) -> Any:
    """Parse JSON. Numbers of any size, and NaN, become Decimals without ever being a float.

    A record that is nested too deeply becomes Nested. Raises Unreadable if the text is not JSON, if it may have more
    than MAX_VALUES, or if anything else in it is nested too deeply.
    """
    # Each value but the first has a comma or a bracket before it.
    if len(text) > MAX_VALUES and sum(map(text.count, ",[{")) > MAX_VALUES:
        raise Unreadable(f"more than {MAX_VALUES:,} commas and brackets")
    try:
        return _loads(text, hook)
    except RecursionError:
        marker = f"nested {token_hex(16)}:"  # random, so no answer contains it
        return _with_nested(_parse_shallow(text, hook, marker), marker)
    except ValueError:
        raise Unreadable("not JSON") from None


def _loads(text: str, hook: Hook | None) -> Any:
    try:
        return _read(text, Decimal, hook or _with_distinct_keys)
    except (InvalidOperation, KeyRepeated):  # rare: parse again with slower functions that allow this
        return _read(text, number, hook or _with_any_keys)


def _read(text: str, parse: Callable[[str], Decimal], hook: Hook) -> Any:
    return json.loads(text, parse_float=parse, parse_int=parse, parse_constant=Decimal, object_pairs_hook=hook)


def _with_distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises KeyRepeated if there is a repeated key: json would silently take its last value."""
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
    """For the objects around the records: the last value of a repeated key counts, as in every parser of JSON."""
    if isinstance(value, Repeating):
        return {key: last_of_each(inner) for key, inner in value.pairs}
    return value


def number(text: str) -> Decimal:
    """A number of JSON as a Decimal. Never raises: a number that is out of Decimal's range becomes an infinity."""
    try:
        return Decimal(text)
    except InvalidOperation:
        mantissa = Decimal(text.lower().partition("e")[0])
        return mantissa and Decimal("Infinity").copy_sign(mantissa)


def _parse_shallow(text: str, hook: Hook | None, marker: str) -> Any:
    """Parse JSON with records that are too deep for the parser. Each becomes a string: `marker` and the record's text.

    So one such record does not make its page unreadable.
    """
    parts: list[str] = []
    opened: list[str] = []
    deepest, begin, done = 0, 0, 0
    record = 0  # depth of the record that is open; 0 if none is
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
        return _nested(value.removeprefix(marker))
    if isinstance(value, list):
        return [_with_nested(inner, marker) for inner in value]
    if isinstance(value, Repeating):
        return Repeating([(name, _with_nested(inner, marker)) for name, inner in value.pairs])
    if isinstance(value, dict):
        return {name: _with_nested(inner, marker) for name, inner in value.items()}
    return value


def _nested(text: str) -> Nested:
    """The record with this text. Lists and objects in it count as null."""
    parts: list[str] = []
    depth = done = 0
    for token in STRING_OR_BRACKET.finditer(text):
        if token[0] in ("[", "{"):
            depth += 1
            if depth == 2:
                parts += [text[done : token.start()], "null"]
        elif token[0] in ("]", "}"):
            depth -= 1
            done = token.end() if depth == 1 else done
    try:
        values = _loads("".join([*parts, text[done:]]), None)
    except ValueError:
        values = None
    return Nested(text, values)
