"""The shape of the records: which fields they have, and in how many of them each has a value. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any


class Shape:
    """What a run has seen of its source's fields, by the names of the model's.

    `fields` are the model's, and `expected` those of them that the source is known to send.
    """

    def __init__(self, fields: Collection[str], expected: Collection[str]) -> None:
        self._fields, self._expected = fields, expected
        self._present: set[str] = set()  # names that some record had
        self._filled: Counter[str] = Counter()
        self._unwritten: set[str] = set()

    def add(self, record: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Take note of a record, and of its values; there are none where it cannot be stored."""
        self._present.update(record)
        self._filled.update([name for name, value in values.items() if value is not None])

    def miss(self, written: Iterable[str]) -> list[str]:
        """Which expected fields no row of a batch has, by the names it has; those that were not missed before."""
        missed = set(self._expected).difference(written, self._unwritten)
        self._unwritten |= missed
        return sorted(missed)

    @property
    def filled(self) -> dict[str, int]:
        """By field that some record had: how many records had a value in it, of those that can be stored."""
        return {name: self._filled[name] for name in self._fields if name in self._present}

    @property
    def dropped(self) -> set[str]:
        """Expected fields that no record had."""
        return set(self._expected) - self._present

    @property
    def unwritten(self) -> list[str]:
        """Expected fields that no row of some batch had, so that they have kept their stored values."""
        return sorted(self._unwritten)

    def unknown(self, known: Iterable[str]) -> list[str]:
        """Names that are not among these."""
        return sorted(self._present.difference(known))
