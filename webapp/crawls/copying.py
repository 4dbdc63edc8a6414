"""Prices of days that a run copies from its source: how it stores and counts them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from webapp.coins.cleaning import Rejection
from webapp.coins.prices import copying
from webapp.coins.prices.copying import DayBar
from webapp.coins.prices.imported import AT_ONCE, Stored
from webapp.coins.texts import counted
from webapp.crawls.batch import Memory, Writable
from webapp.crawls.models import CrawlRun, RejectedRecord
from webapp.crawls.models.rejected import Occurrence


@dataclass(frozen=True)
class DayOfPrices:
    """The bars of a day, each of another coin."""

    day: date
    # Neither is in a log of all levels.
    bars: Sequence[DayBar] = field(default=(), repr=False)
    # Why a bar cannot be stored, its record, and its page.
    rejected: Sequence[tuple[Rejection, Any, str]] = field(default=(), repr=False)
    changed_at: datetime | None = None  # the source's, if these are all bars that it had then


@dataclass
class Copied:
    """What a run has copied so far."""

    days: int = 0
    bars: Stored = field(default_factory=Stored)

    def __str__(self) -> str:
        return (
            f"prices of {counted(self.days, 'day')} were copied: {counted(self.bars.created, 'new bar')}, "
            f"{self.bars.updated:,} changed, {self.bars.unchanged:,} left as they were"
        )


@dataclass
class DayBatch(Writable):
    """A part of the prices of a day. With the last part, the day is noted as copied."""

    day: date
    bars: Sequence[DayBar]
    memory: Memory
    copied: Copied
    rejected: Sequence[Occurrence] = ()
    changed_at: datetime | None = None  # of the last part: the day is copied as it was at this time
    _stored: Stored = field(default_factory=Stored)

    @classmethod
    def parts(cls, day: DayOfPrices, memory: Memory, copied: Copied, round_number: int) -> Iterator["DayBatch"]:
        """The parts of a day, in their order. Each is so small that its transaction is short."""
        rejected = [
            Occurrence(rejection, record, page, memory.count_rejected(rejection, round_number))
            for rejection, record, page in day.rejected
        ]
        parts = [day.bars[start : start + AT_ONCE] for start in range(0, len(day.bars), AT_ONCE)] or [()]
        for bars in parts[:-1]:
            yield cls(day.day, bars, memory, copied)
        yield cls(day.day, parts[-1], memory, copied, rejected, day.changed_at)

    def write(self, run: CrawlRun) -> dict[str, Any]:
        """Write the bars and the rejected ones. Returns the run's new counters: they are of coins and rejected bars."""
        self._stored = copying.store(self.day, self.bars)
        if self.changed_at:
            copying.note_copied(self.day, self.changed_at)
        RejectedRecord.objects.keep(run, self.memory.kept_of(self.rejected))
        new = sum(one.is_new for one in self.rejected)
        return {
            "seen": run.seen + len(self.rejected),
            "duplicates": run.duplicates + len(self.rejected) - new,
            "rejected": run.rejected + new,
            "rounded": Counter(run.rounded) + self._stored.rounded,
            "rejected_rows": {},
        }

    def remember(self, errors: Mapping[str, str]) -> None:
        self.copied.bars += self._stored
        self.copied.days += self.changed_at is not None
        self.memory.note_stored(self.rejected)
