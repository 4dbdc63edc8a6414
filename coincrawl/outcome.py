"""The notes on a run, in words: its fields, its batches, its log."""

from collections.abc import Iterator

from coincrawl.log import log_fault
from coincrawl.shape import Shape
from webapp.coins.models import FullCoin
from webapp.coins.texts import counted
from webapp.crawls.batch import MAX_KEPT
from webapp.crawls.models import CrawlRun

KNOWN = {*(field.name for field in FullCoin.api_fields()), *FullCoin.BOOKKEEPING}


def notes_on_fields(shape: Shape, *, learns_fields: bool) -> Iterator[str]:
    """Missing and unknown fields. `learns_fields` means that the spider does not declare which fields it sends."""
    if learns_fields and shape.filled and (unsent := shape.unsent()):
        yield f"fields that the source does not send, and has not sent before: {', '.join(unsent)}"
    if unknown := shape.unknown(KNOWN):
        yield f"fields that the API sends and FullCoin does not have: {', '.join(unknown)}"
    if absent := shape.absent:
        missed = ", ".join(f"{name} ({count:,} records)" for name, count in sorted(absent.items()))
        yield f"missing from whole pages, so the stored values were kept: {missed}"


def notes_on_batches(run: CrawlRun, not_kept: int = 0) -> Iterator[str]:
    """Unusual results of batches. `not_kept` rejected records were only counted."""
    if coins := run.went_back + run.stale:
        yield (
            f"{counted(coins, 'coin')} went back in time (an older last_updated): {run.went_back:,} stored, "
            f"{run.stale:,} ignored as stale because newer values had just been stored"
        )
    if not_kept:
        yield (
            f"{counted(not_kept, 'rejected record')} not kept, only counted: a run keeps the first {MAX_KEPT:,}, "
            "so that no source can fill the database with them"
        )
    if run.rounded:
        numbers = ", ".join(f"{count} of {name}" for name, count in sorted(run.rounded.items()))
        yield f"numbers with more digits than SQLite can keep were rounded: {numbers}"


def notes_on_log() -> Iterator[str]:
    if words := log_fault():
        yield f"not all of the log could be written ({words})"
