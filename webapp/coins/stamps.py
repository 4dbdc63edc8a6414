"""When each field of a row last changed, as one short text that a statement can write by itself."""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import groupby

from webapp.coins.fields import EPOCH

BYTES = 6  # of a stamp: milliseconds since 1970, which last for 8,900 years
WIDTH = 8  # characters of a stamp, as six bytes are in base 64
MILLISECOND = timedelta(milliseconds=1)
UNKNOWN = "A" * WIDTH  # zero
ALPHABET = b"-_"  # for the last two digits of base 64


class Stamps:
    """Reads and writes the stamps of these fields: base 64 of a checksum of their names, then of a stamp for each.

    All parts have the same width, so a statement can replace one without reading it. The checksum tells texts that were
    written for other fields, or in another order: their stamps are unknown.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.checksum = _base64(sha256(",".join(names).encode()).digest()[:BYTES])

    def of_all(self, moment: datetime) -> str:
        """The text of a row whose fields have all changed then. A moment before 1970 is not known."""
        since = max(moment - EPOCH, timedelta()) // MILLISECOND
        return self.checksum + _base64(since.to_bytes(BYTES)) * len(self.names)

    def read(self, text: str) -> dict[str, datetime | None]:
        """By field: when it last changed, rounded down to the millisecond; None if the text does not say."""
        unknown: dict[str, datetime | None] = dict.fromkeys(self.names)
        if not (text.startswith(self.checksum) and len(text) == WIDTH * (len(self.names) + 1)):
            return unknown
        try:
            every = b64decode(text, ALPHABET, validate=True)
            stamps = (every[start : start + BYTES] for start in range(BYTES, len(every), BYTES))
            return dict(zip(self.names, map(_moment, stamps), strict=True))
        except (ValueError, OverflowError):
            return unknown  # not written by us

    def merged(self, old: str, new: str, differs: Mapping[str, str]) -> str:
        """SQL of the text that a stored row gets when it is updated.

        `old` is SQL of its own text, `new` of one by `of_all`. `differs` has, for each field that was sent, SQL that is
        true if the field changes.
        """
        changed = f"substr({new}, {WIDTH + 1}, {WIDTH})"
        known: list[str] = []
        unknown: list[str] = []
        # Neighbours that were not sent are kept as one part.
        for condition, group in groupby(enumerate(self.names, 1), lambda numbered: differs.get(numbered[1])):
            numbers = [number for number, _ in group]
            for parts, kept in (
                (known, f"substr({old}, {numbers[0] * WIDTH + 1}, {len(numbers) * WIDTH})"),
                (unknown, f"'{UNKNOWN * len(numbers)}'"),
            ):
                parts.append(f"CASE WHEN {condition} THEN {changed} ELSE {kept} END" if condition else kept)
        return (
            f"'{self.checksum}' || CASE WHEN substr({old}, 1, {WIDTH}) = '{self.checksum}'"
            f" THEN {' || '.join(known)} ELSE {' || '.join(unknown)} END"
        )


def _base64(content: bytes) -> str:
    return b64encode(content, ALPHABET).decode()


def _moment(stamp: bytes) -> datetime | None:
    """Raises OverflowError if it is after the last year of a date."""
    number = int.from_bytes(stamp)
    return EPOCH + number * MILLISECOND if number else None
