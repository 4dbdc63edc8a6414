"""Reads JSON values at paths of keys such as `links.next`, and finds the paths that have records. Pure."""

from collections.abc import Iterator
from typing import Any

MAX_KEYS = 4  # in a path to records


class Absent:
    """The value at a path that does not exist. A null exists."""


def at(value: Any, path: str) -> Any:
    """The value at a path, or Absent. A key may contain dots itself."""
    if not isinstance(value, dict):
        return Absent
    if path in value:
        return value[path]
    for dot in (number for number, character in enumerate(path) if character == "."):
        if (found := at(value.get(path[:dot]), path[dot + 1 :])) is not Absent:
            return found
    return Absent


def paths_to_records(value: Any, depth: int = MAX_KEYS) -> Iterator[tuple[str, dict[str, Any]]]:
    """The paths at which a JSON value has a list of objects, each with the first object. The value's own path is ""."""
    if isinstance(value, list):
        if value and isinstance(value[0], dict):
            yield "", value[0]
    elif isinstance(value, dict) and depth:
        for key, inner in value.items():
            for path, record in paths_to_records(inner, depth - 1):
                yield f"{key}.{path}" if path else key, record
