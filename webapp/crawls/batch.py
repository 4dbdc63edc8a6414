"""Records on their way into the database, and what a run remembers of those before them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from webapp.coins import clock
from webapp.coins.cleaning import LABEL_LENGTH, Rejection
from webapp.coins.models import FullCoin
from webapp.coins.texts import printable
from webapp.coins.upsert import Upserted, keep_newest
from webapp.crawls.models import CrawlRun, RejectedRecord
from webapp.crawls.models.rejected import Occurrence
from webapp.crawls.storing import store_coins

MAX_KEPT = 1_000  # rejected records that a run keeps, whatever its source sends; the others are counted


class Memory:
    """What a run has seen so far, so that each coin and each rejected record counts once, however often it comes."""

    def __init__(self) -> None:
        self.dates: dict[str, datetime | None] = {}  # by coin that could be stored: its newest `last_updated`
        self._rejected: Counter[Rejection] = Counter()
        self._in_round: Counter[tuple[Rejection, int]] = Counter()
        self._kept: set[Rejection] = set()
        self.not_kept = 0  # of the rejected records that were counted

    @property
    def coins(self) -> Set[str]:
        """All coins that could be stored. When all batches are stored, the database has them, as sent or newer."""
        return self.dates.keys()

    def keeps(self, rejection: Rejection) -> bool:
        """Whether this rejected record is one of the first MAX_KEPT of the run."""
        if len(self._kept) < MAX_KEPT:
            self._kept.add(rejection)
        return rejection in self._kept

    def kept_of(self, occurrences: Iterable[Occurrence]) -> list[Occurrence]:
        return [one for one in occurrences if self.keeps(one.rejection)]

    def note_stored(self, occurrences: Iterable[Occurrence]) -> None:
        """A batch with these is stored. Those that are counted, and not kept, are reported at the end."""
        self.not_kept += sum(one.is_new and not self.keeps(one.rejection) for one in occurrences)

    def has_rejected(self, rejection: Rejection) -> bool:
        return self._rejected[rejection] > 0

    def commonest_reasons(self) -> list[tuple[str, int]]:
        """The three commonest reasons for which records were rejected, each with the number of records."""
        reasons: Counter[str] = Counter()
        for rejection, records in self._rejected.items():
            reasons.update(dict.fromkeys(rejection.reasons, records))
        return reasons.most_common(3)

    def count_rejected(self, rejection: Rejection, round_number: int = 0) -> bool:
        """Count this rejected record, unless it has been counted before. Returns whether it was counted now.

        A coin counts once for the same reasons. Records without an id cannot be told apart: a run has as many as came
        in the round with most of them, because later rounds ask again for the same records.
        """
        if rejection.coin_id and self.has_rejected(rejection):
            return False
        self._in_round[rejection, round_number] += 1
        if self._in_round[rejection, round_number] <= self._rejected[rejection]:
            return False
        self._rejected[rejection] += 1
        return True


class Writable(Protocol):
    """What a run stores in one transaction."""

    memory: Memory

    def write(self, run: CrawlRun) -> dict[str, Any]:
        """Write it. Returns the run's new counters, by field, and `rejected_rows`: errors of the database, by coin."""

    def remember(self, errors: Mapping[str, str]) -> None:
        """It is stored, except the rows of these coins."""


@dataclass
class Batch(Writable):
    """Records on their way into the database, by coin id; of a coin that comes twice in a run, the newest."""

    memory: Memory = field(default_factory=Memory)  # the run's
    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    sources: dict[str, tuple[object, str]] = field(default_factory=dict)  # record and page of each row
    repeated: set[str] = field(default_factory=set)  # of `rows`: stored by this run before, so counted as duplicates
    missing: dict[str, datetime] = field(default_factory=dict)  # of `rows`: since when, as the source itself says
    duplicates: int = 0
    rejected: list[Occurrence] = field(default_factory=list)
    rejected_last: set[str] = field(default_factory=set)  # coins whose last record was rejected
    seen: set[str] = field(default_factory=set)  # coins of which a record was rejected, so that they are not missing

    def add(self, row: Mapping[str, Any], record: object, page: str) -> bool:
        """Add a cleaned record. Returns whether it is the first of its coin in this run.

        A `missing_since` in it says that the source itself has no market for the coin any more.
        """
        missing_since, coin_id = row.get("missing_since"), row["coin_id"]
        if "missing_since" in row:
            row = {name: value for name, value in row.items() if name != "missing_since"}
        is_first = coin_id not in self.memory.dates
        if not is_first:
            self.duplicates += 1
        is_repeated = not is_first and coin_id not in self.rows
        if keep_newest(self.rows, self.memory.dates, coin_id, row, row.get("last_updated")):
            self.rejected_last.discard(coin_id)
            if is_repeated:
                self.repeated.add(coin_id)
            self.sources[coin_id] = record, page
            if missing_since:
                self.missing[coin_id] = missing_since
            else:
                self.missing.pop(coin_id, None)
        return is_first

    def reject(
        self,
        rejection: Rejection,
        record: object,
        page: str,
        *,
        values: Mapping[str, Any] | None = None,
        round_number: int = 0,
        is_sighting: bool = True,
    ) -> None:
        """Add a record that cannot be stored; if it is a sighting, its coin is not missing all the same.

        With its `values` under FullCoin's names, it can be tried again later.
        """
        is_new = self.memory.count_rejected(rejection, round_number)
        self.rejected.append(Occurrence(rejection, record, page, is_new, values))
        self.rejected_last.add(rejection.coin_id)
        if is_sighting:
            self.seen.add(rejection.coin_id)

    def write(self, run: CrawlRun) -> dict[str, Any]:
        """Write the coins, their prices and the rejected records. Returns the run's new counters, by field."""
        now = clock.database_clock()
        changed_at = FullCoin.objects.next_change(now)
        result = store_coins(self.rows, self.missing, now, changed_at, seen=self.seen)
        rejected = self.all_rejected(result.rejected)
        RejectedRecord.objects.keep(run, self.memory.kept_of(rejected))
        RejectedRecord.objects.resolve(result.stored - self.rejected_last, run.spider)
        counts = self.counts(result, rejected)
        dates = [run.newest_update, *(row.get("last_updated") for row in self.rows.values())]
        return {name: getattr(run, name) + number for name, number in counts.items()} | {
            "seen": run.seen + sum(counts.values()),
            "went_back": run.went_back + len(result.went_back - self.repeated),
            "rounded": Counter(run.rounded) + result.rounded,
            # A date in the future comes from a wrong clock: it does not tell how fresh the others are.
            "newest_update": max((date for date in dates if date and date <= now), default=None),
            "rejected_rows": result.rejected,
        }

    def all_rejected(self, errors: Mapping[str, str]) -> list[Occurrence]:
        """The rejected records of this batch, including the rows that the database rejected: its words by coin."""
        return [*self.rejected, *(self._by_database(coin_id, error) for coin_id, error in errors.items())]

    def _by_database(self, coin_id: str, error: str) -> Occurrence:
        reason = printable(f"the database rejected it: {error}", 500)
        rejection = Rejection(coin_id, printable(coin_id, LABEL_LENGTH), (reason,))
        values = dict(self.rows[coin_id])
        if coin_id in self.missing:
            values["missing_since"] = self.missing[coin_id]
        return Occurrence(rejection, *self.sources[coin_id], not self.memory.has_rejected(rejection), values)

    def counts(self, result: Upserted, rejected: Sequence[Occurrence]) -> dict[str, int]:
        """By counter of the run, how many records became what."""
        new = sum(occurrence.is_new for occurrence in rejected)
        counts = {
            name: len(getattr(result, name) - self.repeated) for name in ("created", "updated", "unchanged", "stale")
        }
        duplicates = self.duplicates - len(result.rejected.keys() & self.repeated) + len(rejected) - new
        return counts | {"duplicates": duplicates, "rejected": new}

    def remember(self, errors: Mapping[str, str]) -> None:
        """The batch is stored, without the rows that the database rejected."""
        rejected = self.all_rejected(errors)
        self.memory.note_stored(rejected)
        for occurrence in rejected[len(self.rejected) :]:
            self.memory.count_rejected(occurrence.rejection)
            self.memory.dates.pop(occurrence.rejection.coin_id, None)  # it has not been stored yet

    def __len__(self) -> int:
        return len(self.rows) + len(self.rejected)

    def __bool__(self) -> bool:
        return bool(self.rows or self.rejected or self.duplicates)
