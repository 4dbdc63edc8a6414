"""The shape of the records: which fields they have, and in how many of them each has a value. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any


class Shape:
    """What a run has seen of its source's fields, by the names of the model's.

    `fields` are the model's, and `expected` those of them that the source is known to send.
    """

    def __init__(self, fields: Collection[str], expected: Collection[str]) -> None:
        self._fields, self._expected = fields, expected
        self._present: set[str] = set()  # names that some record had
        self._filled: Counter[str] = Counter()
        self._absent: Counter[str] = Counter()

    def add_page(self, records: Sequence[Mapping[str, Any]]) -> list[str]:
        """Take note of the names in a page's records.

        Returns the expected fields that none of them has, and that every page before had.
        """
        present = set[str]().union(*records)
        self._present |= present
        missed = set(self._expected) - present if records else set()
        news = missed - self._absent.keys()
        self._absent.update(dict.fromkeys(missed, len(records)))
        return sorted(news)

    def add(self, values: Mapping[str, Any]) -> None:
        """Take note of the values of a record that can be stored."""
        self._filled.update([name for name, value in values.items() if value is not None])

    @property
    def filled(self) -> dict[str, int]:
        """By field that some record had: how many records had a value in it, of those that can be stored."""
        return {name: self._filled[name] for name in self._fields if name in self._present}

    @property
    def absent(self) -> dict[str, int]:
        """By expected field: how many records there were on pages of which no record had it."""
        return dict(self._absent)

    @property
    def dropped(self) -> set[str]:
        """Expected fields that no record had."""
        return set(self._expected) - self._present

    def unsent(self) -> list[str]:
        """The fields that no record had, and none was expected to have."""
        return [name for name in self._fields if name not in self._present and name not in self._expected]

    def unknown(self, known: Iterable[str]) -> list[str]:
        """Names that are not among these."""
        return sorted(self._present.difference(known))
