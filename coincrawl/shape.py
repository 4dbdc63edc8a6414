"""Which fields the records of a run have, and how many records have a value in each. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any


class Shape:
    """The fields that a run has seen, under the model's names.

    `fields` are the model's fields. `expected` are those that the source is known to send. It may leave out those that
    are `optional`.
    """

    def __init__(self, fields: Collection[str], expected: Collection[str], optional: Collection[str] = ()) -> None:
        self._fields, self._expected, self._optional = fields, set(expected).difference(optional), optional
        self._present: set[str] = set()  # in some record
        self._filled: Counter[str] = Counter()
        self._absent: Counter[str] = Counter()

    def add_page(self, names: Collection[str], records: int) -> list[str]:
        """Count the names in so many records of a page.

        Returns the expected fields that are absent from all of them, and were not absent from a page before.
        """
        self._present.update(names)
        absent = self._expected.difference(names) if records else set()
        new = sorted(absent - self._absent.keys())
        self._absent.update(dict.fromkeys(absent, records))
        return new

    def add(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Count the values of valid records."""
        self._filled.update([name for values in records for name, value in values.items() if value is not None])

    @property
    def filled(self) -> dict[str, int]:
        """By field that some record had: how many valid records have a value in it."""
        return {name: self._filled[name] for name in self._fields if name in self._present}

    @property
    def absent(self) -> dict[str, int]:
        """By expected field: how many records are on pages where no record has it."""
        return dict(self._absent)

    @property
    def dropped(self) -> set[str]:
        """Expected fields that no record has."""
        return self._expected - self._present

    def unsent(self) -> list[str]:
        """Fields that no record has, and that are neither expected nor optional."""
        known = self._present.union(self._expected, self._optional)
        return [name for name in self._fields if name not in known]

    def unknown(self, known: Iterable[str]) -> list[str]:
        """Names in records that are not among the `known` ones."""
        return sorted(self._present.difference(known))
