"""Finds a secret in a text, however its characters are escaped. Pure."""

import re
from functools import cache
from html.entities import html5

MIN_LENGTH = 8  # characters; a shorter secret is no key, and may be part of a coin's name
BACKSLASHES = r"\\(?<!\\\\)\\*+"  # all that stand together: JSON that is written in JSON doubles them

NAMES: dict[str, list[str]] = {}  # by character: the names that HTML has for it
for _name, _character in html5.items():
    if _name.endswith(";"):
        NAMES.setdefault(_character, []).append(_name[:-1])


def masked(text: str, secret: str) -> str:
    """The text, of JSON or of a header, with three asterisks in place of each secret.

    The secret is found as it is, and with some or all of its characters escaped for JSON (also in JSON within JSON, to
    any depth), for a URL or for HTML. JSON stays valid.
    """
    return pattern_of(secret).sub("***", text) if len(secret) >= MIN_LENGTH else text


@cache
def pattern_of(*secrets: str) -> re.Pattern[str]:
    """Finds each of the secrets; of two that overlap the longer one. Finds nothing if there are none."""
    return re.compile("|".join(map(_written, sorted(secrets, key=len, reverse=True))) or "(?!)")


def _written(secret: str) -> str:
    # A run of backslashes belongs to what comes after it, so that only a whole one is taken.
    return _ways(secret[0], BACKSLASHES) + "".join(_ways(character, r"\\++") for character in secret[1:])


def _ways(character: str, backslashes: str) -> str:
    """A pattern for the ways to write a character: as it is, and escaped for JSON, Python, a URL or HTML."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    number = ord(character)
    script = f"|x{_any_case(f'{number:02x}')}" if number < 256 else ""  # JavaScript's `\\x43`
    if python := character.encode("unicode_escape").decode()[1:]:  # `t` for a tab
        script += f"|{python}"
    json = r"\\++".join(f"u{_any_case(units[start : start + 4])}" for start in range(0, len(units), 4))
    first, *rest = [f"(?:25)*{_any_case(f'{byte:02x}')}" for byte in character.encode("utf-8", "surrogatepass")]
    url = first + "".join(rf"(?:%|\\++u0025){byte}" for byte in rest)
    names = "".join(f"|{name}" for name in NAMES.get(character, ()))
    html = f"(?:amp;)*(?:#0*+{number}|#[xX]0*+{_any_case(f'{number:x}')}{names});?"
    if character == "\\":  # part of a run itself: pairs; what is left belongs to the next character
        return rf"(?:(?:\\\\){{1,32}}|\\++{json}|\\(?![\\\"])|%{url}|&{html})"
    plain = r"[ +]" if character == " " else re.escape(character)
    # Each way begins with another character, so that a search passes quickly over a text without any.
    return f"(?:{plain}|{backslashes}(?:{plain}|{json}{script}|u0025{url}|u0026{html})|%{url}|&{html})"


def _any_case(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)
