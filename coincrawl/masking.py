"""A secret in what others have written, however its characters are escaped there. Pure."""

import re
from functools import cache
from html.entities import html5

SHORTEST_SECRET = 8  # characters; a shorter one is no key, and stands in the names of coins
BACKSLASHES = r"\\(?<!\\\\)\\*+"  # all that stand together: JSON that is written in JSON doubles them

NAMES: dict[str, list[str]] = {}  # by character: the names that HTML has for it
for _name, _character in html5.items():
    if _name.endswith(";"):
        NAMES.setdefault(_character, []).append(_name[:-1])


def masked(text: str, secret: str) -> str:
    """A text, of JSON or of a header, with three asterisks for each secret in it.

    It is found as it is, and where JSON (also in a text of JSON, to any depth), a URL or HTML has escaped some of its
    characters or all. What was JSON before is JSON afterwards.
    """
    return _written(secret).sub("***", text) if len(secret) >= SHORTEST_SECRET else text


@cache
def _written(secret: str) -> re.Pattern[str]:
    # A run of backslashes belongs to what comes after it, so that only a whole one is taken.
    others = (_ways(character, r"\\++") for character in secret[1:])
    return re.compile(_ways(secret[0], BACKSLASHES) + "".join(others))


def _ways(character: str, backslashes: str) -> str:
    """A pattern for the ways to write a character: as it is, and in JSON, a URL and HTML, also more than once."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    number = ord(character)
    script = f"|x{_any_case(f'{number:02x}')}" if number < 256 else ""  # JavaScript's `\\x43`
    json = r"\\++".join(f"u{_any_case(units[start : start + 4])}" for start in range(0, len(units), 4))
    first, *rest = [f"(?:25)*{_any_case(f'{byte:02x}')}" for byte in character.encode("utf-8", "surrogatepass")]
    url = first + "".join(rf"(?:%|\\++u0025){byte}" for byte in rest)
    names = "".join(f"|{name}" for name in NAMES.get(character, ()))
    html = f"(?:amp;)*(?:#0*+{number}|#[xX]0*+{_any_case(f'{number:x}')}{names});?"
    if character == "\\":  # it is a part of a run itself: an even one, and what is left goes with the next character
        return rf"(?:(?:\\\\){{1,32}}|\\++{json}|\\(?![\\\"])|%{url}|&{html})"
    plain = re.escape(character)
    # Each way begins with a character of its own: only so does a search pass quickly over a page without any.
    return f"(?:{plain}|{backslashes}(?:{plain}|{json}{script}|u0025{url}|u0026{html})|%{url}|&{html})"


def _any_case(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)
