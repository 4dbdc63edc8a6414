"""Keys of rows as parts of addresses. Django's own functions leave `.` and `..`, which browsers read as folders."""

from typing import Any

from django.contrib.admin import utils

# Django writes the key `_2E` as `_5F2E`, so these parts stand for no other key.
FOLDERS = {".": "_2E", "..": "_2E_2E"}
KEYS = {part: key for key, part in FOLDERS.items()}


def quote(key: Any) -> str:
    """A key as a part of an address."""
    text = str(key)
    return FOLDERS.get(text) or str(utils.quote(text))


def unquote(part: str) -> str:
    """The key that a part of an address stands for."""
    return KEYS.get(part) or utils.unquote(part)


def for_django(part: str) -> str:
    """A part of an address whose key Django's own `unquote` finds."""
    return KEYS.get(part, part)
