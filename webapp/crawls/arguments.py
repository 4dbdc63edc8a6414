"""The kinds of arguments that a spider may take: how a text becomes a value, and which texts are valid."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from webapp.crawls.addresses import is_source

SLUG = re.compile(r"[^\s,&=#\x00-\x1f\x7f\ud800-\udfff]{1,255}")


@dataclass(frozen=True)
class Argument:
    """One `-a name=value`: `parse` makes a value of the text or raises ValueError, `allowed` says what is valid."""

    parse: Callable[[str], Any]
    allowed: str


def choice(*values: str) -> Argument:
    def parse(text: str) -> str:
        if text not in values:
            raise ValueError
        return text

    return Argument(parse, f"one of {', '.join(values)}" if len(values) > 1 else values[0])


def integer(low: int, high: int) -> Argument:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
            raise ValueError
        return int(text)

    return Argument(parse, f"a whole number from {low} to {high}")


def number(low: float, high: float) -> Argument:
    def parse(text: str) -> float:
        if not (re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII) and low <= float(text) <= high):
            raise ValueError
        return float(text)

    return Argument(parse, f"a number from {low:g} to {high:g}")


def slug(allowed: str) -> Argument:
    """An id or a name without spaces and commas; `allowed` says whose."""

    def parse(text: str) -> str:
        if not SLUG.fullmatch(text):
            raise ValueError
        return text

    return Argument(parse, allowed)


def slugs(allowed: str) -> Argument:
    """Several ids, with commas between them."""
    one = slug(allowed)

    def parse(text: str) -> list[str]:
        """Sorted and without duplicates, so that each scope is written one way."""
        return sorted({one.parse(part.strip()) for part in text.split(",")})

    return Argument(parse, allowed)


def address(allowed: str) -> Argument:
    """An address that may be asked: see `is_source`."""

    def parse(text: str) -> str:
        from django.conf import settings  # noqa: PLC0415 - the settings import this module

        if not is_source(text, settings.PLAIN_HTTP_HOSTS):
            raise ValueError
        return text

    return Argument(parse, allowed)
