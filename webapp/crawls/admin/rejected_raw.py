"""A raw record as a person reads it: JSON with a line for each value, and the lines of the invalid ones marked."""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import simplejson
from django.utils.html import format_html, format_html_join

MAX_DEPTH = 20  # levels that are indented; a coin's record has two

Path = tuple[str, ...]  # of keys


class Pairs(list[tuple[str, Any]]):
    """An object with its keys in their order. A key may appear twice."""


def marked(raw: str, values: Mapping[str, Any], wrong: Mapping[str, str]) -> str:
    """The record as HTML. Numbers have the digits that were sent.

    `values` are the record's under FullCoin's names. `wrong` says by such a name what is wrong with its value. A key
    that appears twice is marked, too. Invalid JSON is shown as it is.
    """
    try:
        record = _read(raw)
        places = _places(record, values, wrong)
        lines = [*_lines(record)]
    except (ValueError, RecursionError):
        return format_html("<pre>{}</pre>", raw)
    html = ((_line(text, places.get(path, "")),) for path, text in lines)
    return format_html("<pre>{}</pre>", format_html_join("\n", "{}", html))


def _line(text: str, reason: str) -> str:
    if not reason:
        return text
    stripped = text.lstrip(" ")
    return format_html('{}<mark title="{}">{}</mark>', " " * (len(text) - len(stripped)), reason, stripped)


def _read(raw: str) -> Any:
    keep = simplejson.RawJSON
    return simplejson.loads(raw, object_pairs_hook=Pairs, parse_float=keep, parse_int=keep, parse_constant=keep)


def _lines(value: Any, path: Path = (), before: str = "", after: str = "") -> Iterator[tuple[Path, str]]:
    """The lines, each with the path of its value. All lines of an object or list that is invalid have its path."""
    indent = "  " * len(path)
    if len(path) > MAX_DEPTH:
        raise RecursionError
    if not isinstance(value, list) or not value:
        text = "{}" if isinstance(value, Pairs) else simplejson.dumps(value)
        yield path, f"{indent}{before}{text}{after}"
        return
    is_object = isinstance(value, Pairs)
    yield path, f"{indent}{before}{'{' if is_object else '['}"
    inner = value if is_object else [(str(place), item) for place, item in enumerate(value)]
    for place, (key, item) in enumerate(inner, 1):
        name = f"{simplejson.dumps(key)}: " if is_object else ""
        yield from _lines(item, (*path, key), name, "," if place < len(inner) else "")
    yield path, f"{indent}{'}' if is_object else ']'}{after}"


def _places(record: Any, values: Mapping[str, Any], wrong: Mapping[str, str]) -> dict[Path, str]:
    """What is wrong, by the path of the value in the record."""
    found = dict(_objects(record))
    places = {path: "appears twice" for path, is_repeated in _repeated(record) if is_repeated}
    for field, reason in wrong.items():
        if place := _place(field, found, values):
            places[place] = f"{field}: {reason}"
    return places


def _place(field: str, found: Mapping[Path, Any], values: Mapping[str, Any]) -> Path | None:
    """Where the record has the value of a field; None if that is uncertain.

    Names differ from source to source. First the path with the field's own name (`roi.times` is `roi_times`), if it has
    the same value; then the only path with that value; then the field's own name without regard to the value, which may
    have been converted; then the only path whose name the field's ends with (`id` for `coin_id`).
    """
    named = [path for path in found if "_".join(path) == field]
    alike = [path for path, value in found.items() if field in values and _is_same(value, values[field])]
    ending = [path for path in found if field.endswith("_" + "_".join(path))]
    for paths in ([path for path in named if path in alike], alike, named, ending):
        if len(paths) == 1:
            return paths[0]
    return None


def _objects(record: Any, above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """All values of an object, and of the objects inside, by their paths."""
    if isinstance(record, Pairs) and len(above) < MAX_DEPTH:
        for key, value in record:
            yield (*above, key), value
            yield from _objects(value, (*above, key))


def _repeated(record: Any) -> Iterator[tuple[Path, bool]]:
    seen = set()
    for path, _ in _objects(record):
        yield path, path in seen
        seen.add(path)


def _is_same(raw: Any, value: Any) -> bool:
    """Whether a raw value and one under FullCoin's names are the same number, text, truth value or null."""
    if isinstance(value, (str, Decimal)):
        return _text(raw) == str(value)
    return (value is None or isinstance(value, bool)) and raw is value


def _text(raw: Any) -> str | None:
    """Of a text or number. A source may send numbers as texts, so the two are not told apart."""
    if isinstance(raw, simplejson.RawJSON):
        try:
            return str(Decimal(raw.encoded_json))
        except InvalidOperation:
            return None
    return raw if isinstance(raw, str) else None
