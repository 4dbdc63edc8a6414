"""The queue of jobs: a job is a run that has not begun.

Any number of scrapyd nodes share it. A node claims the next job, starts a crawl for it and renews the claim until that
crawl has begun. The claim of a node that has died becomes stale, and another node claims the job.
"""

import re
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Min, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from webapp.crawls.catalog import parse_settings
from webapp.crawls.models import CrawlRun, CrawlSchedule
from webapp.crawls.models.run import BUSY, LOST_AFTER, RUNNING, SILENT, STALE, WAITING, new_key, valid_arguments
from webapp.crawls.verdict import Verdict

TRY_AGAIN_AFTER = timedelta(minutes=1)  # if a run failed before its source answered: the network may be back
STOPPED_BEFORE = "stopped on request, before it had begun"
KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}", re.ASCII)  # it becomes a file's name


class JobError(ValueError):
    """A job that cannot be queued, run or stopped, with the reason."""


@dataclass(frozen=True)
class Death:
    words: str  # how a job's process ended
    log_tail: str = ""  # the last lines of its log
    was_killed: bool = False  # by a signal


@dataclass(frozen=True)
class Turns:
    """Which spiders have something else to do before the slot of a schedule."""

    taken: set[str]  # spiders with a run under way, a job of a schedule, or one of a higher priority
    first: Mapping[str, datetime]  # by spider: since when its first job waits, if that job may go before a slot

    def is_taken(self, spider: str, slot: datetime | None) -> bool:
        """Whether a slot that is due has to wait."""
        return spider in self.taken or (slot is not None and spider in self.first and self.first[spider] <= slot)


def enqueue(
    spider: str,
    arguments: Mapping[str, Any],
    key: str | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    priority: float = 0,
    schedule: CrawlSchedule | None = None,
    slot: datetime | None = None,
) -> CrawlRun:
    """Add a job; arguments and settings may be texts or values.

    Raises ArgumentError if the spider, an argument or a setting is invalid, or there is no source to ask, and JobError
    if the key is invalid or taken. The highest priority goes first, and of one priority the oldest job.
    """
    if not isfinite(priority):
        raise JobError("A priority is a finite number.")
    if key is not None and not KEY.fullmatch(key):
        raise JobError("A job id has letters, digits, _, - and . (not at its beginning), and at most 200 of them.")
    run = CrawlRun(
        id=key or new_key(),
        spider=spider,
        arguments=valid_arguments(spider, arguments),
        settings=parse_settings(settings or {}),
        priority=priority,
        schedule=schedule,
        slot=slot,
    )
    try:
        with transaction.atomic():
            run.save(force_insert=True)
    except IntegrityError:
        if key is None or not CrawlRun.objects.filter(pk=key).exists():
            raise
        raise JobError(f"There is a job {key} already: choose another id.") from None
    return run


# Which job is next -------------------------------------------------------------------------------
def waiting() -> QuerySet[CrawlRun]:
    """The jobs that no node has claimed, the next one first: a slot's by its slot, others by when they were queued."""
    return CrawlRun.objects.filter(WAITING).order_by("-priority", Coalesce("slot", "queued_at"), "pk")


def ready() -> QuerySet[CrawlRun]:
    """The waiting jobs whose spider is free.

    A slot becomes a job only when it is next (`turns`). So a waiting slot goes before other jobs of its spider and
    priority.
    """
    busy = CrawlRun.objects.filter(BUSY).values("spider")
    has_slot = CrawlRun.objects.filter(WAITING, slot__isnull=False).values("spider")
    return waiting().exclude(spider__in=busy).exclude(slot=None, priority__lte=0, spider__in=has_slot)


def turns() -> Turns:
    """Slots go first. If jobs were queued before a slot, slots and jobs alternate.

    So a long queue does not starve a schedule, and a schedule that is always due does not starve the queue.
    """
    of_a_schedule = Q(slot__isnull=False) | Q(schedule__isnull=False)
    before = WAITING & (of_a_schedule | Q(priority__gt=0))
    taken = set(CrawlRun.objects.filter(BUSY | before).values_list("spider", flat=True).distinct())
    others = CrawlRun.objects.filter(WAITING, priority=0).exclude(spider__in=taken)
    first = dict(others.values_list("spider").annotate(Min("queued_at")))
    return Turns(taken, {spider: since for spider, since in first.items() if not _last_was_no_slot(spider)})


def _last_was_no_slot(spider: str) -> bool:
    """Whether the last job of a spider that began was not a slot's."""
    begun = CrawlRun.objects.filter(spider=spider, started_at__isnull=False).exclude(claim="").order_by("-started_at")
    return list(begun.values_list("slot", flat=True)[:1]) == [None]


# Claims ------------------------------------------------------------------------------------------
def claim(node: str, spiders: Collection[str] | None = None) -> CrawlRun | None:
    """Claim the next job whose spider is free, and is one of `spiders` if these are given; None if there is none.

    The run's `claim` is what the crawl must show to begin it.
    """
    if not CrawlRun.objects.filter(STALE | Q(pk__in=ready().order_by().values("pk"))).exists():
        return None  # without writing, which on SQLite would wait for a crawl
    try:
        with transaction.atomic():
            release_stale()
            # Several nodes take different rows: on SQLite because they write one after the other.
            jobs = ready() if spiders is None else ready().filter(spider__in=spiders)
            job = jobs.select_for_update(skip_locked=True).first()
            if job is None:
                return None
            CrawlRun.objects.filter(pk=job.pk).update(claim=uuid.uuid4().hex, claimed_at=Now(), node=node)
    except IntegrityError:  # another node has just claimed another job of this spider
        return None
    job.refresh_from_db()
    return job


def renew(claims: list[str]) -> None:
    """Renew claims whose crawls have not begun yet."""
    CrawlRun.objects.filter(verdict=Verdict.PENDING, claim__in=claims).update(claimed_at=Now())


def release(claim: str) -> None:
    """Return a claimed job to the queue if it has not begun."""
    CrawlRun.objects.filter(verdict=Verdict.PENDING, claim=claim).update(claim="", claimed_at=None, node="")


def release_stale() -> None:
    """Return the jobs of nodes that have died to the queue."""
    CrawlRun.objects.filter(STALE).update(claim="", claimed_at=None, node="")


# How jobs and runs end without a verdict of their own ---------------------------------------------
def settle(claim: str, death: Death) -> None:
    """Record that a claimed job's process has ended; does nothing if its crawl has set a verdict itself.

    A job that had begun, or was killed before it could, is lost. Another one has failed, and its slot is due once more.
    """
    lost = RUNNING | Q(verdict=Verdict.PENDING, stop_requested_at=None) if death.was_killed else RUNNING
    with transaction.atomic():
        lock_schedules(CrawlRun.objects.filter(claim=claim))
        mark_lost(lost & Q(claim=claim), f"its process ended before the run was over: {death.words}", death.log_tail)
        job = CrawlRun.objects.filter(verdict=Verdict.PENDING, claim=claim).select_for_update().first()
        if job and job.stop_requested_at:
            _end(job, Verdict.SKIPPED, STOPPED_BEFORE, death.log_tail)
        elif job:
            _end(job, Verdict.FAILED, f"the crawl could not begin: {death.words}", death.log_tail)
            retry_slot(job, TRY_AGAIN_AFTER)


def stop(key: str) -> str:
    """Ask a run to stop, on any node. Returns the verdict that it had, "" if there is no such run.

    A waiting job is skipped at once. A run under way ends as interrupted at its next heartbeat.
    """
    with transaction.atomic():
        run = CrawlRun.objects.filter(pk=key).select_for_update().first()
        if run is None:
            return ""
        if run.verdict == Verdict.PENDING and not run.claim:
            _end(run, Verdict.SKIPPED, STOPPED_BEFORE)
        if run.verdict in (Verdict.PENDING, Verdict.RUNNING):
            CrawlRun.objects.filter(pk=key, stop_requested_at=None).update(stop_requested_at=Now())
        return run.verdict


def mark_lost(which: Q, reason: str, log_tail: str = "", *, skip_locked: bool = False) -> None:
    """Mark runs lost; the slot of a lost run is due once more, unless somebody has asked the run to stop."""
    with transaction.atomic():
        runs = CrawlRun.objects.filter(which)
        lock_schedules(runs)
        for run in runs.select_for_update(skip_locked=skip_locked):
            _end(run, Verdict.LOST, reason, log_tail)
            retry_slot(run)


def mark_silent_lost(spider: str = "") -> None:
    """Mark running runs lost, of this spider or of all, that have had no heartbeat for LOST_AFTER.

    Locked rows are skipped: their writer may hang, and others would hang with it.
    """
    silent = SILENT & Q(spider=spider) if spider else SILENT
    if CrawlRun.objects.filter(silent).exists():
        reason = f"no heartbeat for {LOST_AFTER.seconds} s: killed, or cut off from the database"
        mark_lost(silent, reason, skip_locked=True)


def retry_slot(run: CrawlRun, wait: timedelta = timedelta()) -> None:
    """Make the slot of a run that has failed due once more after `wait`.

    Not if somebody has asked the run to stop, the slot has been retried before, or a later slot is due by then. The
    run is as it is stored, and its schedule is locked.
    """
    if run.schedule_id is None or run.slot is None or run.stop_requested_at:
        return
    if CrawlRun.objects.filter(schedule=run.schedule_id, slot=run.slot, due_again=True).exists():
        return
    schedule = CrawlSchedule.objects.filter(pk=run.schedule_id, enabled=True, next_run_at__gt=Now() + wait)
    if schedule.update(next_run_at=run.slot, not_before=Now() + wait if wait else None):
        CrawlRun.objects.filter(pk=run.pk).update(due_again=True)


def lock_schedules(runs: QuerySet[CrawlRun]) -> None:
    """Lock the schedules of runs before the runs themselves. A tick does so too, so the two cannot deadlock."""
    schedules = CrawlSchedule.objects.filter(pk__in=runs.order_by().values("schedule"))
    list(schedules.order_by("pk").select_for_update())


def _end(run: CrawlRun, verdict: Verdict, reason: str, log_tail: str = "") -> None:
    facts = {"log_tail": log_tail} if log_tail else {}
    CrawlRun.objects.filter(pk=run.pk).update(verdict=verdict, reason=reason, finished_at=Now(), **facts)
