"""From a source's records to the names and the kinds of values that the model has. Pure."""

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
LATEST = 10**15  # of either unit; no date is so late


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it was sent, and what it has for FullCoin."""

    raw: Any
    values: Any  # by field; what is no object stays as it is, for the cleaner to reject
    coin_id: str | None  # None where it has none that a coin can be stored under


class Translation:
    """Gives records the model's names, and texts the kind of value that they stand for.

    `names` has, by field, the path at which a record has it: its own key, or `a.b` for the key b of the object under a;
    or several paths, of which the first counts that the record has. Texts in the fields `numbers` become numbers; what
    is in the fields `dates` becomes ISO 8601 where it is in another format; the fields `ignored` are left out. What
    cannot be read stays as it is, for the cleaner to reject. Raises ValueError if the format is invalid.
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
        # What is found under another name is not found under its own.
        self._renamed = {*names, *(path.partition(".")[0] for paths in self._names.values() for path in paths)}
        self._numbers = numbers
        self._dates = dates if date_format != "iso" else ()
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

    def date(self, record: dict[str, Any], field: str) -> Any:
        """What a record has for a date, in ISO 8601; Absent where it has nothing."""
        value = self.value(record, field)
        return value if self._date_format == "iso" else read_date(value, self._date_format)

    def paths(self, field: str) -> tuple[str, ...]:
        """Where a record may have a field."""
        return self._names.get(field, (field,))

    def names_of(self, fields: Collection[str], all_fields: Iterable[str]) -> set[str]:
        """What the source calls these of `all_fields`, or the object that has them and no others."""
        paths = {name: self.paths(name)[0] for name in all_fields}
        parents = {name: path.partition(".")[0] for name, path in paths.items()}
        others = {parent for name, parent in parents.items() if name not in fields}
        return {paths[name] if parents[name] in others else parents[name] for name in fields}

    def value(self, record: dict[str, Any], field: str) -> Any:
        """What a record has for a field, as it was sent; Absent where it has nothing."""
        return next((found for path in self.paths(field) if (found := inside(record, path)) is not Absent), Absent)


def inside(record: dict[str, Any], path: str) -> Any:
    """What a record has at a path; where an object was expected on the way, what is there instead."""
    found = at(record, path)
    while found is Absent and "." in path:
        path = path.rpartition(".")[0]
        outer = at(record, path)
        if isinstance(outer, dict):
            break
        found = outer  # null, or what the cleaner will not take
    return found


def convert(record: dict[str, Any], fields: Collection[str], read: Callable[[Any], Any]) -> None:
    for field in fields:
        if field in record:
            record[field] = read(record[field])


def read_number(value: Any) -> Any:
    """The number that a text is, or what it is otherwise."""
    return number(value) if isinstance(value, str) and NUMBER.fullmatch(value) else value


def read_date(value: Any, date_format: DateFormat) -> Any:
    """In ISO 8601 the date that a number or a text of digits stands for, or what it is otherwise."""
    units = read_number(value)
    if not isinstance(units, Decimal) or not units.is_finite() or abs(units) > LATEST:
        return value
    try:
        return (EPOCH + timedelta(microseconds=int(units * MICROSECONDS[date_format]))).isoformat()
    except OverflowError:
        return value
