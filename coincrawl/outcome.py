"""What a run has achieved: its verdict, and the notes on its fields, its batches and its log."""

import logging
from collections.abc import Iterator, Sequence

from django.db import Error as AnyDatabaseError

from coincrawl.database import fault
from coincrawl.log import log_fault
from coincrawl.shape import Shape
from coincrawl.source import Source
from coincrawl.start import Before
from coincrawl.verdict import Evidence, decide
from webapp.coins.models import FullCoin
from webapp.coins.texts import counted, one_line
from webapp.crawls import recording
from webapp.crawls.batch import MAX_KEPT, Memory
from webapp.crawls.models import CrawlRun
from webapp.crawls.verdict import Verdict

logger = logging.getLogger(__name__)

NAMES = [field.name for field in FullCoin.api_fields()]
KNOWN = {*NAMES, *FullCoin.BOOKKEEPING}

LOST = "its row is already finished: it had no heartbeat for too long, or somebody ended it"
ENOUGH_CHANGES = 250  # changed records; with fewer, the usual shares of values mean nothing


def verdict_of(
    run: CrawlRun, source: Source, shape: Shape, before: Before, *, errors: int, unwritten: Sequence[str]
) -> tuple[Verdict, list[str]]:
    """The verdict of a run that ended by itself, and the reasons. `unwritten` says why feeds could not be written."""
    coverage, is_incremental = source.coverage, source.is_incremental
    evidence = Evidence(
        pages=coverage.pages,
        records=coverage.records,
        seen=run.seen,
        coins=run.coins,
        rejected=run.rejected,
        errors=errors,
        unwritten=unwritten,
        doubts=coverage.doubts(),
        dropped=source.translation.names_of(shape.dropped, NAMES) if run.seen else (),
        absent=shape.absent,
        filled=shape.filled,
        usual={} if is_incremental and run.seen < ENOUGH_CHANGES else before.usual,
        coins_before=0 if is_incremental else before.coins,
        may_be_empty=is_incremental,
        has_asked=source.planned_calls != 0,
    )
    return decide(evidence)


def verdict_after(error: Exception, failure: str, then: str) -> tuple[Verdict, str]:
    """The verdict after an error, and its reason: `failure` for a bug, `then` for what a database error leads to."""
    match error:
        case recording.RunLost():
            return Verdict.LOST, LOST
        case recording.NotStored():
            return Verdict.FAILED, str(error)
        case AnyDatabaseError():
            return Verdict.FAILED, fault(error, then)
    logger.error("%s", failure, exc_info=error)
    return Verdict.FAILED, f"{failure} ({type(error).__name__}: {one_line(error)})"


def notes(run: CrawlRun, source: Source, shape: Shape, verdict: Verdict, memory: Memory) -> Iterator[str]:
    """What else is worth knowing."""
    if verdict == Verdict.COMPLETE:
        yield f"proof: {source.coverage.proof()}"
    yield from source.coverage.notes()
    yield from notes_on_fields(shape, learns_fields=source.fields is None)
    yield from notes_on_batches(run, memory)
    if words := log_fault():
        yield f"not all of the log could be written ({words})"


def notes_on_fields(shape: Shape, *, learns_fields: bool) -> Iterator[str]:
    """Missing and unknown fields. `learns_fields` means that the spider does not declare which fields it sends."""
    if learns_fields and shape.filled and (unsent := shape.unsent()):
        yield f"fields that the source does not send, and has not sent before: {', '.join(unsent)}"
    if unknown := shape.unknown(KNOWN):
        yield f"fields that the API sends and FullCoin does not have: {', '.join(unknown)}"
    if absent := shape.absent:
        missed = ", ".join(f"{name} ({count:,} records)" for name, count in sorted(absent.items()))
        yield f"missing from whole pages, so the stored values were kept: {missed}"


def notes_on_batches(run: CrawlRun, memory: Memory) -> Iterator[str]:
    if reasons := memory.commonest_reasons():
        named = "; ".join(f"{reason} ({counted(records, 'record')})" for reason, records in reasons)
        yield f"why records were rejected, first of all: {named}"
    if coins := run.went_back + run.stale:
        yield (
            f"{counted(coins, 'coin')} went back in time (an older last_updated): {run.went_back:,} stored, "
            f"{run.stale:,} ignored as stale because newer values had just been stored"
        )
    if not_kept := memory.not_kept:
        yield (
            f"{counted(not_kept, 'rejected record')} not kept, only counted: a run keeps the first {MAX_KEPT:,}, "
            "so that no source can fill the database with them"
        )
    if run.rounded:
        numbers = ", ".join(f"{count} of {name}" for name, count in sorted(run.rounded.items()))
        yield f"numbers with more digits than SQLite can keep were rounded: {numbers}"
