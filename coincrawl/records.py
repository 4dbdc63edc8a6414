"""Translates a source's records to the model's names and kinds of values. Pure."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, get_args

from coincrawl.body import number
from coincrawl.paths import Absent, at

Names = Mapping[str, str | Sequence[str]]
DateFormat = Literal["iso", "epoch_s", "epoch_ms"]  # ISO 8601; seconds or milliseconds since 1970

NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECONDS = {"epoch_s": 1_000_000, "epoch_ms": 1_000}
MAX_UNITS = 10**15  # seconds or milliseconds; no date is so late


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it was sent."""

    raw: Any
    coin_id: str | None  # None without a usable id
    translation: "Translation"

    @property
    def values(self) -> Any:
        """Its values for FullCoin, by field. A record that is not an object stays as it is: the cleaner rejects it."""
        return self.translation(self.raw)


class Translation:
    """Translates records: their names, and texts that stand for numbers or dates.

    `names` gives by field the path at which a record has it, such as `id` or `roi.times`, or several paths: the first
    that exists counts. Texts in the fields `numbers` become numbers. Values in the fields `dates` become ISO 8601 if
    `date_format` is another format. The fields `ignored` are left out. Invalid values stay as they are, and the cleaner
    rejects them. Raises ValueError if the format is unknown.
    """

    def __init__(
        self,
        names: Names,
        numbers: Collection[str] = (),
        dates: Collection[str] = (),
        date_format: DateFormat = "iso",
        ignored: Collection[str] = (),
    ) -> None:
        if date_format not in get_args(DateFormat):
            raise ValueError(f"dates is {date_format!r} and must be one of {', '.join(get_args(DateFormat))}")
        self._names = {field: (paths,) if isinstance(paths, str) else tuple(paths) for field, paths in names.items()}
        self._read = {field: [reader(path) for path in paths] for field, paths in self._names.items()}
        # A renamed field is not read under its own name.
        self._renamed = {*names, *(path.partition(".")[0] for paths in self._names.values() for path in paths)}
        self._numbers = frozenset(numbers)
        self._dates = frozenset(dates if date_format != "iso" else ())
        self._date_format = date_format
        self._ignored = ignored

    def __call__(self, record: Any) -> Any:
        if not isinstance(record, dict):
            return record
        translated = {key: value for key, value in record.items() if key not in self._renamed}
        for field in self._names:
            if (value := self.value(record, field)) is not Absent:
                translated[field] = value
        convert(translated, self._numbers, read_number)
        convert(translated, self._dates, lambda value: read_date(value, self._date_format))
        for field in self._ignored:
            translated.pop(field, None)
        return translated

    def columns(self, records: Sequence[Any], fields: Collection[str]) -> dict[str, list[Any]]:
        """By those of the `fields` that some record has: the value of each, and null in the others. As one by one."""
        objects = [record if isinstance(record, dict) else {} for record in records]
        columns = {}
        for field in fields:
            if field in self._read:
                first, *others = self._read[field]
                values = [*map(first, objects)]
                for read in others:
                    found = zip(objects, values, strict=True)
                    values = [read(record) if value is Absent else value for record, value in found]
                if not all(value is Absent for value in values):
                    columns[field] = [None if value is Absent else value for value in values]
            elif field not in self._renamed and any(field in record for record in objects):
                columns[field] = [record.get(field) for record in objects]
        for field in columns.keys() & self._numbers:
            columns[field] = [read_number(value) for value in columns[field]]
        for field in columns.keys() & self._dates:
            columns[field] = [read_date(value, self._date_format) for value in columns[field]]
        for field in self._ignored:
            columns.pop(field, None)
        return columns

    def names_in(self, records: Iterable[Any]) -> set[str]:
        """The names of all values of these records, translated."""
        objects = [record for record in records if isinstance(record, dict)]
        names = set[str]().union(*objects) - self._renamed
        names.update(
            field for field in self._read if any(self.value(record, field) is not Absent for record in objects)
        )
        return names.difference(self._ignored)

    def date(self, record: dict[str, Any], field: str) -> Any:
        """A record's value for a date field, in ISO 8601; Absent without one."""
        value = self.value(record, field)
        return value if self._date_format == "iso" else read_date(value, self._date_format)

    def paths(self, field: str) -> tuple[str, ...]:
        return self._names.get(field, (field,))

    def names_of(self, fields: Collection[str], all_fields: Iterable[str]) -> set[str]:
        """The source's names of these `fields`. If an object has only such fields, its name stands for all of them."""
        paths = {name: self.paths(name)[0] for name in all_fields}
        parents = {name: path.partition(".")[0] for name, path in paths.items()}
        others = {parent for name, parent in parents.items() if name not in fields}
        return {paths[name] if parents[name] in others else parents[name] for name in fields}

    def value(self, record: dict[str, Any], field: str) -> Any:
        """A record's value for a field, as it was sent; Absent without one."""
        for read in self._read.get(field) or (reader(field),):
            if (found := read(record)) is not Absent:
                return found
        return Absent


def reader(path: str) -> Callable[[dict[str, Any]], Any]:
    """A function that returns `inside(record, path)`. It is fast for paths of one or two keys."""
    key, _, inner = path.partition(".")

    def read_inner(record: dict[str, Any]) -> Any:
        if path in record:  # a key with a dot
            return record[path]
        outer = record.get(key, Absent)
        return outer.get(inner, Absent) if isinstance(outer, dict) else outer

    if not inner:
        return lambda record: record.get(path, Absent)
    return (lambda record: inside(record, path)) if "." in inner else read_inner


def inside(record: dict[str, Any], path: str) -> Any:
    """The value at a path of a record. If there is no object on the way, the value that is there instead."""
    found = at(record, path)
    while found is Absent and "." in path:
        path = path.rpartition(".")[0]
        outer = at(record, path)
        if isinstance(outer, dict):
            break
        found = outer  # null, or a value that the cleaner rejects
    return found


def convert(record: dict[str, Any], fields: Collection[str], read: Callable[[Any], Any]) -> None:
    for field in fields:
        if field in record:
            record[field] = read(record[field])


def read_number(value: Any) -> Any:
    """The number that a text stands for; any other value unchanged."""
    return number(value) if isinstance(value, str) and NUMBER.fullmatch(value) else value


def read_date(value: Any, date_format: DateFormat) -> Any:
    """The date in ISO 8601 that a number or a text of digits stands for; any other value unchanged."""
    units = read_number(value)
    if not isinstance(units, Decimal) or not units.is_finite() or abs(units) > MAX_UNITS:
        return value
    try:
        return (EPOCH + timedelta(microseconds=int(units * MICROSECONDS[date_format]))).isoformat()
    except OverflowError:
        return value
