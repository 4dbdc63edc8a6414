"""What a JSON value holds at a path of keys with dots between, and at which paths there are records. Pure."""

from collections.abc import Iterator
from typing import Any

DEEPEST = 4  # keys in a path to records


class Absent:
    """What is at a path where there is nothing, not even a null."""


def at(value: Any, path: str) -> Any:
    """What a JSON value holds at a path: `links.next`. A key may have dots itself."""
    if not isinstance(value, dict):
        return Absent
    if path in value:
        return value[path]
    for dot in (number for number, character in enumerate(path) if character == "."):
        if (found := at(value.get(path[:dot]), path[dot + 1 :])) is not Absent:
            return found
    return Absent


def paths_to_records(value: Any, depth: int = DEEPEST) -> Iterator[tuple[str, dict[str, Any]]]:
    """The paths at which a JSON value has a list of objects, the empty one for itself, each with the first of them."""
    if isinstance(value, list):
        if value and isinstance(value[0], dict):
            yield "", value[0]
    elif isinstance(value, dict) and depth:
        for key, inner in value.items():
            for path, record in paths_to_records(inner, depth - 1):
                yield f"{key}.{path}" if path else key, record
