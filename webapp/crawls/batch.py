"""Records on their way into the database, and what a run remembers of those before them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from webapp.coins.cleaning import LABEL_LENGTH, Rejection
from webapp.coins.texts import printable
from webapp.coins.upsert import Upserted, note_date
from webapp.crawls.models.rejected import Refusal

MOST_KEPT = 1_000  # rejected records that a run keeps, whatever its source sends; the others are counted


class Memory:
    """What a run has had so far, so that each coin and each rejected record counts once, however often it comes."""

    def __init__(self) -> None:
        self.dates: dict[str, datetime | None] = {}  # by coin that could be stored: the newest `last_updated` it had
        self._rejected: Counter[Rejection] = Counter()
        self._in_round: Counter[tuple[Rejection, int]] = Counter()
        self._kept: set[Rejection] = set()
        self.not_kept = 0  # of the rejected records that were counted

    def keeps(self, rejection: Rejection) -> bool:
        """Whether this rejected record is one of the first MOST_KEPT of the run."""
        if len(self._kept) < MOST_KEPT:
            self._kept.add(rejection)
        return rejection in self._kept

    def has_rejected(self, rejection: Rejection) -> bool:
        return self._rejected[rejection] > 0

    def count_rejected(self, rejection: Rejection, round_number: int = 0) -> bool:
        """Count this rejected record, unless it has been counted before; whether it was counted now.

        A coin has one for the same reasons. Records without an id cannot be told apart: a run has as many as came in
        the round with most of them. In later rounds it asks again for what it has asked for.
        """
        if rejection.coin_id and self.has_rejected(rejection):
            return False
        self._in_round[rejection, round_number] += 1
        if self._in_round[rejection, round_number] <= self._rejected[rejection]:
            return False
        self._rejected[rejection] += 1
        return True

    def count_not_kept(self, refusals: Iterable[Refusal]) -> None:
        """Count those of a batch that was stored which the run has counted and not kept."""
        self.not_kept += sum(refusal.is_news and not self.keeps(refusal.rejection) for refusal in refusals)

    def forget(self, coin_id: str) -> None:
        """The database has refused the coin: it has not been had yet."""
        self.dates.pop(coin_id, None)


@dataclass
class Batch:
    """Records on their way into the database, by coin id; of a coin that comes twice in a run, the newest."""

    memory: Memory = field(default_factory=Memory)  # the run's
    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    sources: dict[str, tuple[object, str]] = field(default_factory=dict)  # record and page, should the database refuse
    repeated: set[str] = field(default_factory=set)  # of `rows`: stored by this run before, so counted as duplicates
    missing: dict[str, datetime] = field(default_factory=dict)  # of `rows`: since when, by the source's own word
    duplicates: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    refused_last: set[str] = field(default_factory=set)  # coins whose last record was refused
    seen: set[str] = field(default_factory=set)  # coins of which a record was refused, so that they are not missing

    def add(self, row: Mapping[str, Any], record: object, page: str) -> bool:
        """Take a cleaned record; whether it is the first of its coin in this run.

        A `missing_since` in it says that the source itself has no market for the coin any more.
        """
        row = dict(row)
        missing_since, coin_id = row.pop("missing_since", None), row["coin_id"]
        is_first = coin_id not in self.memory.dates
        if not is_first:
            self.duplicates += 1
        if note_date(self.memory.dates, coin_id, row.get("last_updated")):
            self.refused_last.discard(coin_id)
            if not is_first and coin_id not in self.rows:
                self.repeated.add(coin_id)
            self.rows[coin_id] = {**self.rows[coin_id], **row} if coin_id in self.rows else row
            self.sources[coin_id] = record, page
            if missing_since:
                self.missing[coin_id] = missing_since
            else:
                self.missing.pop(coin_id, None)
        return is_first

    def refuse(
        self, rejection: Rejection, record: object, page: str, *, round_number: int = 0, is_sighting: bool = True
    ) -> None:
        """Take a record that cannot be stored; where it is a sighting, its coin is not missing all the same."""
        is_news = self.memory.count_rejected(rejection, round_number)
        self.refusals.append(Refusal(rejection, record, page, is_news))
        self.refused_last.add(rejection.coin_id)
        if is_sighting:
            self.seen.add(rejection.coin_id)

    def refused(self, errors: Mapping[str, str]) -> list[Refusal]:
        """The rows of this batch that only the database found guilty, in its words."""
        return [self._refused(coin_id, error) for coin_id, error in errors.items()]

    def _refused(self, coin_id: str, error: str) -> Refusal:
        reason = printable(f"the database refused it: {error}", 500)
        rejection = Rejection(coin_id, printable(coin_id, LABEL_LENGTH), (reason,))
        return Refusal(rejection, *self.sources[coin_id], not self.memory.has_rejected(rejection))

    def kept(self, refused: Sequence[Refusal]) -> list[Refusal]:
        """The refusals of this batch, `refused` among them, that the run keeps."""
        return [refusal for refusal in (*self.refusals, *refused) if self.memory.keeps(refusal.rejection)]

    def counts(self, result: Upserted, refused: Sequence[Refusal]) -> dict[str, int]:
        """By counter of the run, how many records became what; `refused` are those that the database did not take."""
        refusals = [*self.refusals, *refused]
        rejected = sum(refusal.is_news for refusal in refusals)
        counts = {
            name: len(getattr(result, name) - self.repeated) for name in ("created", "updated", "unchanged", "stale")
        }
        rejected_again = len(refusals) - rejected
        duplicates = self.duplicates - len(result.rejected.keys() & self.repeated) + rejected_again
        return counts | {"duplicates": duplicates, "rejected": rejected}

    def remember(self, refused: Sequence[Refusal]) -> None:
        """The batch is stored, without these, which the database has refused."""
        self.memory.count_not_kept([*self.refusals, *refused])
        for refusal in refused:
            self.memory.count_rejected(refusal.rejection)
            self.memory.forget(refusal.rejection.coin_id)

    def __len__(self) -> int:
        return len(self.rows) + len(self.refusals)

    def __bool__(self) -> bool:
        return bool(self.rows or self.refusals or self.duplicates)
