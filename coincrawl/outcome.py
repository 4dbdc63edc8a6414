"""What became of a run's batches, besides what its row counts."""

from collections import Counter
from collections.abc import Iterator, Set

from webapp.coins.models.batch import MOST_KEPT
from webapp.coins.upsert import Upserted


class Outcome:
    def __init__(self) -> None:
        self._went_back = self.stale = 0  # coins
        self.not_kept = 0  # rejected records
        self._rounded: Counter[str] = Counter()  # by field: numbers

    def add(self, result: Upserted, repeated: Set[str], not_kept: int = 0) -> None:
        """Take note of a batch that was stored.

        Some coins in it are `repeated`: the run has had them before. So far `not_kept` rejected records were only
        counted.
        """
        self.not_kept = not_kept
        self._went_back += len(result.went_back - repeated)
        self.stale += len(result.stale - repeated)
        self._rounded += result.rounded

    def notes(self) -> Iterator[str]:
        """The run's messages about it."""
        if coins := self._went_back + self.stale:
            yield (
                f"{coins} coins went back in time (their last_updated is older than before): {self._went_back} were "
                f"stored, {self.stale} were ignored as stale because newer values had just been stored"
            )
        if self.not_kept:
            yield (
                f"{self.not_kept:,} rejected records were counted and not kept: a run keeps the first {MOST_KEPT:,}, "
                "so that no source can fill the database with them"
            )
        if self._rounded:
            numbers = ", ".join(f"{count} of {name}" for name, count in sorted(self._rounded.items()))
            yield f"numbers with more digits than SQLite can keep were rounded: {numbers}"
