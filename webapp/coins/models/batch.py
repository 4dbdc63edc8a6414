"""Records on their way into the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..cleaning import Rejection
from ..texts import printable
from ..upsert import is_older
from .rejected import Refusal


@dataclass
class Batch:
    """Records on their way into the database, by coin id; of a coin that comes twice, the newest."""

    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    sources: dict[str, tuple[object, str]] = field(default_factory=dict)  # record and page, should the database refuse
    repeated: set[str] = field(default_factory=set)  # of `rows`: stored by this run before, so counted as duplicates
    missing: dict[str, datetime] = field(default_factory=dict)  # of `rows`: since when, by the source's own word
    duplicates: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)  # coins that the market has by what was refused

    def add(self, row: Mapping[str, Any], record: object, page: str, stored: set[str]) -> bool:
        """Take a cleaned record; whether it is the first of its coin, by the ids `stored` in this run so far.

        A `missing_since` in it says that the source itself has no market for the coin any more.
        """
        row = dict(row)
        missing_since, coin_id = row.pop("missing_since", None), row["coin_id"]
        is_first = coin_id not in stored
        stored.add(coin_id)
        known = self.rows.get(coin_id)
        if known is None or not is_older(row, known, "last_updated"):
            self.rows[coin_id] = row
            self.sources[coin_id] = record, page
            if missing_since:
                self.missing[coin_id] = missing_since
            else:
                self.missing.pop(coin_id, None)
        if not is_first:
            self.duplicates += 1
            if known is None:
                self.repeated.add(coin_id)
        return is_first

    def refuse(self, rejection: Rejection, record: object, page: str, *, is_sighting: bool = True) -> None:
        """Take a record that cannot be stored; where it is a sighting, its coin is not missing all the same."""
        self.refusals.append(Refusal(rejection, record, page))
        if is_sighting:
            self.seen.add(rejection.coin_id)

    def refused(self, coin_id: str, error: str) -> Refusal:
        """A row of this batch that only the database found guilty, in its words."""
        reason = printable(f"the database refused it: {error}", 500)
        return Refusal(Rejection(coin_id, printable(coin_id, 255), (reason,)), *self.sources[coin_id])

    def __len__(self) -> int:
        return len(self.rows) + len(self.refusals)

    def __bool__(self) -> bool:
        return bool(self.rows or self.refusals or self.duplicates)
