"""Copies the bars of a day from another installation, where nothing was observed here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from webapp.coins.models import FullCoin, PriceBar, PriceDay
from webapp.coins.models.coin import in_statements
from webapp.coins.prices.imported import ImportedBar, Stored, count_rounded_in, write_bars
from webapp.coins.prices.series import keys_of
from webapp.coins.prices.tiers import Step, limits_of


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBar(ImportedBar):
    coin_id: str


def copied_days() -> dict[date, datetime]:
    """The days of which a copy was made, each with the `changed_at` that the source had for it."""
    days = PriceDay.objects.filter(copied__isnull=False).values_list("day", "copied")
    return {day: copied for day, copied in days if copied}


def store(day: date, bars: Sequence[DayBar]) -> Stored:
    """Store bars of this day, each of another coin; at most `imported.AT_ONCE`. Call it in a transaction.

    A final bar is left alone, and so is the bar of a coin that has hours on this day: it is made from them.
    """
    FullCoin.objects.lock_changes()
    series = keys_of([bar.coin_id for bar in bars])
    by_key = {series[bar.coin_id]: bar for bar in bars}
    known, made_here = (_with_bars(by_key, day, step) for step in (Step.DAY, Step.HOUR))
    free = [(key, by_key[key]) for key in sorted(by_key.keys() - made_here)]
    written = {key for key, _ in write_bars(Step.DAY, free, "NOT bar.is_final")}
    if written:
        PriceDay.objects.note([day])
    created = len(written - known)
    rounded = count_rounded_in([by_key[key] for key in written])
    return Stored(created, len(written) - created, len(bars) - len(written), rounded)


def note_copied(day: date, changed_at: datetime) -> None:
    """All bars of this day are copied, as they were at the source's `changed_at`. A day without bars is not noted."""
    PriceDay.objects.filter(day=day).update(copied=changed_at)


def _with_bars(keys: Mapping[int, Any], day: date, step: Step) -> set[int]:
    """Those of these series that have a bar of this length on this day."""
    found: set[int] = set()
    for some in in_statements([*keys]):
        bars = PriceBar.objects.filter(series__in=some, step=step, time__range=limits_of(day))
        found |= set(bars.values_list("series", flat=True).distinct())
    return found
