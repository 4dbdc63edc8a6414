"""Masks a secret in a text, whichever way its characters are escaped. Pure."""

import re
from functools import cache
from html.entities import html5

MIN_LENGTH = 8  # characters; keys are longer, and a shorter text may be part of a coin's name
BACKSLASHES = r"\\(?<!\\\\)\\*+"  # a whole run of them: JSON within JSON doubles each

NAMES: dict[str, list[str]] = {}  # by character: its names in HTML
for _name, _character in html5.items():
    if _name.endswith(";"):
        NAMES.setdefault(_character, []).append(_name[:-1])


def masked(text: str, secret: str) -> str:
    """Replace each occurrence of the secret in a text of JSON or a header by three asterisks.

    Finds the secret also if some or all of its characters are escaped for JSON (also for JSON within JSON, to any
    depth), for a URL or for HTML. JSON stays valid.
    """
    return pattern_of(secret).sub("***", text) if len(secret) >= MIN_LENGTH else text


@cache
def pattern_of(*secrets: str) -> re.Pattern[str]:
    """A pattern for any of the secrets. The longer of two that overlap is found first. Without secrets: nothing."""
    # A run of backslashes belongs to the character after it, so only a whole run is matched.
    written = (
        _ways(secret[0], BACKSLASHES) + "".join(_ways(character, r"\\++") for character in secret[1:])
        for secret in sorted(secrets, key=len, reverse=True)
    )
    return re.compile("|".join(written) or "(?!)")


def _ways(character: str, backslashes: str) -> str:
    """A pattern for all ways to write a character: as it is, or escaped for JSON, Python, a URL or HTML."""
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
    if character == "\\":  # pairs within a run; a single one left over belongs to the next character
        return rf"(?:(?:\\\\){{1,32}}|\\++{json}|\\(?![\\\"])|%{url}|&{html})"
    plain = r"[ +]" if character == " " else re.escape(character)
    # Each alternative begins with another character, so searching a text without a secret is fast.
    return f"(?:{plain}|{backslashes}(?:{plain}|{json}{script}|u0025{url}|u0026{html})|%{url}|&{html})"


def _any_case(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)
