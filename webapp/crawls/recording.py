"""The life of a run in the database: it begins, has heartbeats, stores batches and finishes. Dates are by its clock."""

import socket
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from webapp.coins import clock
from webapp.coins.models.coin import FullCoin, TooManyMissing
from webapp.crawls import costs, past_runs, queue
from webapp.crawls.batch import Writable
from webapp.crawls.models import CrawlRun, RejectedRecord
from webapp.crawls.models.pace import MAX_REST
from webapp.crawls.models.run import BUSY, LOST_AFTER, new_key
from webapp.crawls.queue import STOPPED_BEFORE, TRY_AGAIN_AFTER, JobError
from webapp.crawls.verdict import Verdict

TIMES = ("started_at", "heartbeat_at", "finished_at")
GONE = (
    "the database no longer has this run as it was last written: its row was deleted, or the database was replaced or "
    "restored from a backup meanwhile. What the run has stored may be gone too: crawl again"
)


class RunLost(Exception):
    """The run's row no longer says `running`: another run has taken its place, so nothing more may be written."""


class NotStored(Exception):
    """What the run has written is not in the database. The message says what has happened, and what to do."""


# Its beginning -----------------------------------------------------------------------------------
def begin(
    spider: str,
    arguments: Mapping[str, Any],
    key: str | None = None,
    *,
    claim: str = "",
    log_file: str = "",
    leave_alone: float = 0.0,
    monthly_credits: int = 0,
    expected_credits: int = 1,
) -> CrawlRun:
    """Start a run and take the spider's lock, or record why not: the returned run's verdict says which.

    running  it has the lock
    skipped  another run has the lock, the API asked for a rest of `leave_alone` seconds, fewer of the
             `monthly_credits` (0: no limit) are left than the `expected_credits`, or it was stopped while it waited
    failed   it would mix currencies

    With the `key` of a job in the queue, and the `claim` of the node that has claimed it, that job begins. Raises
    JobError if the key is another run's.
    """
    queue.mark_silent_lost(spider)
    queue.release_stale()
    run = (_job(spider, arguments, key, claim) if key else None) or CrawlRun(id=key or new_key(), spider=spider)
    run.arguments, run.log_file, run.node = dict(arguments), log_file, run.node or socket.gethostname()
    run.started_at = run.heartbeat_at = Now()
    run.stores_prices, run.is_whole = settings.PRICE_HISTORY, past_runs.is_whole(spider, arguments)
    if run.stop_requested_at:
        return _skip(run, STOPPED_BEFORE)
    if leave_alone:
        until = clock.database_clock() + timedelta(seconds=leave_alone)
        return _skip(run, f"the API asked for no requests before {until:%F %T} UTC")
    if monthly_credits and (too_few := costs.too_few_credits(spider, monthly_credits, expected_credits)):
        return _skip(run, too_few)
    try:
        with transaction.atomic():
            _write_beginning(run, Verdict.RUNNING)
    except IntegrityError:
        return _skip(run, _holder(spider))
    if currency := FullCoin.objects.other_currency():
        finish(
            run,
            Verdict.FAILED,
            f"the database holds prices in {currency}, and VS_CURRENCY is {settings.VS_CURRENCY}: one database "
            f"holds one currency. Set VS_CURRENCY={currency}, or name another database in DATABASE_URL and run "
            "`python webapp/manage.py migrate` to start over",
        )
    return run


def _job(spider: str, arguments: Mapping[str, Any], key: str, claim: str) -> CrawlRun | None:
    """The job in the queue that has this key; None if no run has it."""
    run = CrawlRun.objects.filter(pk=key).first()
    if run is None:
        return None
    if run.verdict != Verdict.PENDING:
        raise JobError(f"There is a run with the key {key} already: choose another job id.")
    if run.claim != claim:
        raise JobError(f"The job {key} waits for another process to begin it.")
    if run.spider != spider or not run.arguments.items() <= arguments.items():
        raise JobError(f"The job {key} is a run of {run.spider} with other arguments: begin it with its own.")
    return run


def _holder(spider: str) -> str:
    """Who has the spider's lock, in words."""
    holder = CrawlRun.objects.filter(BUSY, spider=spider).first()
    if holder is None:
        return f"another run of {spider} was under way"
    if holder.verdict == Verdict.PENDING:
        return f"another run of {spider} is about to begin"
    return (
        f"another run of {spider} is under way; its last heartbeat was at {holder.heartbeat_at:%T} UTC, and if it "
        f"was killed, a new run can begin {LOST_AFTER.seconds} s after that"
    )


def _skip(run: CrawlRun, reason: str) -> CrawlRun:
    run.reason, run.finished_at = reason, Now()
    _write_beginning(run, Verdict.SKIPPED)
    return run


def _write_beginning(run: CrawlRun, verdict: Verdict) -> None:
    """Raises JobError if the run is a job that another node has claimed meanwhile."""
    job = CrawlRun.objects.filter(pk=run.pk, verdict=Verdict.PENDING, claim=run.claim)
    run.verdict = verdict
    if run._state.adding:
        run.save(force_insert=True)
    else:
        names = ("verdict", "reason", "arguments", "log_file", "node", "stores_prices", "is_whole", *TIMES)
        if not job.update(**{name: getattr(run, name) for name in names}):
            raise JobError(f"The job {run.pk} has gone to another process.")
    run.refresh_from_db()


# While it runs -----------------------------------------------------------------------------------
def heartbeat(run: CrawlRun, **facts: Any) -> None:
    """Write a heartbeat and these fields of the row.

    Raises RunLost if the run is no longer running, NotStored if its row is gone, or lacks batches.
    """
    if not _still_running(run).update(heartbeat_at=Now(), **facts):
        if not _as_written(run).exists():
            raise NotStored(GONE)
        raise RunLost


def is_to_stop(run: CrawlRun) -> bool:
    return _still_running(run).filter(stop_requested_at__isnull=False).exists()


def store(run: CrawlRun, batch: Writable, progress: Mapping[str, int]) -> None:
    """Write a batch and count it, in one transaction: what is counted is stored, and nothing else.

    `progress` has the run's other counters (pages, requests ...). Raises RunLost and NotStored as `heartbeat` does, and
    OperationalError or InterfaceError if the database fails. The same call may then be repeated: if its batch has been
    stored, and only the answer was lost, it is not stored or counted twice.
    """
    number = run.flushes + 1
    with transaction.atomic():
        facts: Any
        if _still_running(run).filter(flushes=run.flushes).update(heartbeat_at=Now()):
            facts = {**batch.write(run), **progress, "flushes": number}
            _still_running(run).update(**facts)
        else:
            heartbeat(run)
            facts = _still_running(run).values().get(flushes=number)  # an earlier call has stored it
    for name, value in facts.items():
        setattr(run, name, value)
    batch.remember(run.rejected_rows)


# Its end -----------------------------------------------------------------------------------------
def finish(
    run: CrawlRun,
    verdict: Verdict,
    reason: str = "",
    answered: Collection[str] | None = None,
    leave_alone: float | None = None,
    *,
    not_kept: int = 0,
    has_answered: bool = True,
    **facts: Any,
) -> None:
    """Set the verdict and these fields, and give up the lock. Raises RunLost and NotStored as `heartbeat` does.

    `answered` are the ids that a complete run of the whole market has answers for. Every other stored coin is marked
    missing in the same transaction, or the run is partial if these are too many to be believed. Rejected records that
    did not come again are resolved, unless some were `not_kept`, which may be the same. `leave_alone` is for how many
    seconds, at most a day, the API wants no requests. If a run has failed and its source has not answered, its slot is
    due once more.
    """
    with transaction.atomic():
        if not has_answered:
            queue.lock_schedules(CrawlRun.objects.filter(pk=run.pk))
        try:
            heartbeat(run)
        except RunLost:
            run.refresh_from_db()
            if run.verdict not in (verdict, Verdict.PARTIAL):  # as which a complete run may have ended
                raise
            return  # an earlier call has succeeded, and its answer was lost
        if leave_alone:
            facts["not_before"] = Now() + min(timedelta(seconds=leave_alone), MAX_REST)
        if answered is not None and verdict == Verdict.COMPLETE:
            try:
                FullCoin.objects.mark_missing(answered)
            except TooManyMissing as too_many:
                verdict, reason = Verdict.PARTIAL, str(too_many)
            else:
                if not not_kept:
                    RejectedRecord.objects.resolve_gone(run, answered)
                facts["missing"] = FullCoin.objects.filter(missing_since__isnull=False).count()
        if verdict == Verdict.FAILED and not has_answered:
            queue.retry_slot(CrawlRun.objects.get(pk=run.pk), TRY_AGAIN_AFTER)
        _still_running(run).update(verdict=verdict, reason=reason, finished_at=Now(), **facts)
    run.refresh_from_db()


def check_over(run: CrawlRun) -> None:
    """Raises NotStored unless the row says how the run has ended."""
    if not _as_written(run).filter(verdict=run.verdict).exists():
        raise NotStored(GONE)


def take_back(run: CrawlRun, reason: str) -> None:
    """Mark the run failed, whatever its row says. Writes nothing if there is no row."""
    CrawlRun.objects.filter(pk=run.pk).update(verdict=Verdict.FAILED, reason=reason, finished_at=Now())


def _as_written(run: CrawlRun) -> QuerySet[CrawlRun]:
    """Its row, if it has all batches that are known to be stored: a row from a backup lacks the last ones."""
    return CrawlRun.objects.filter(pk=run.pk, flushes__gte=run.flushes)


def _still_running(run: CrawlRun) -> QuerySet[CrawlRun]:
    return _as_written(run).filter(verdict=Verdict.RUNNING)
