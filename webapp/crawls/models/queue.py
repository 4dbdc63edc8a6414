"""The queue of jobs: a job is a run that has not begun.

Any number of scrapyd nodes share it. A node claims the next job, starts a crawl for it and keeps the claim fresh until
that crawl has begun; the claim of a node that has died goes stale, and the job is claimed anew.
"""

import re
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings as django_settings
from django.db import IntegrityError, models, transaction
from django.db.models import Min, Q
from django.db.models.functions import Coalesce, Now

from webapp.crawls.catalog import check_source, parse_arguments, parse_settings

if TYPE_CHECKING:
    from webapp.crawls.models.run import CrawlRun

CLAIM_HOLDS = timedelta(seconds=60)  # without being renewed; a node renews its claims every few seconds
LOST_AFTER = timedelta(seconds=180)  # without a heartbeat; there is one every 15 s
TRY_AGAIN_AFTER = timedelta(minutes=1)  # where a run has failed before its source answered: the network may be back
STOPPED_BEFORE = "stopped on request, before it had begun"
KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}", re.ASCII)  # it becomes a file's name


class Verdict(models.TextChoices):
    """What a run has proven, never what it hopes."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    LOST = "lost"
    SKIPPED = "skipped"


class JobError(ValueError):
    """A job that cannot be queued: a sentence that says why."""


@dataclass(frozen=True)
class Death:
    """How a job's process ended: in words, and the last lines of its log."""

    words: str
    log_tail: str = ""
    was_killed: bool = False  # by a signal, and so not for a reason of its own


CLAIMED = Q(verdict=Verdict.PENDING) & ~Q(claim="")
EVERY = Q()
RUNNING = Q(verdict=Verdict.RUNNING)
BUSY = RUNNING | CLAIMED  # holds its spider's lock
UNDER_WAY = RUNNING | Q(verdict=Verdict.PENDING)  # not over: it holds the lock, or waits for it
SILENT = RUNNING & Q(heartbeat_at__lt=Now() - LOST_AFTER)
STALE = CLAIMED & Q(claimed_at__lt=Now() - CLAIM_HOLDS)
OF_A_SLOT = Q(slot__isnull=False)
OF_A_SCHEDULE = OF_A_SLOT | Q(schedule__isnull=False)
WAITING = Q(verdict=Verdict.PENDING, claim="")


def new_key() -> str:
    return uuid.uuid4().hex


def checked(spider: str, given: Mapping[str, str]) -> dict[str, Any]:
    """The arguments as values; ArgumentError where `scrapy crawl` would refuse them too."""
    values = parse_arguments(spider, given)
    check_source(spider, values, lambda name: getattr(django_settings, name, ""))
    return values


@dataclass(frozen=True)
class Turns:
    """Which spiders have something else to do before the slot of a schedule."""

    taken: Collection[str]  # spiders with a run under way, a job of a schedule, or one of a higher priority
    first: Mapping[str, datetime]  # by spider: since when its first job waits, where it is not a slot's turn

    def is_taken(self, spider: str, slot: datetime | None) -> bool:
        """Whether a slot that is due has to wait."""
        return spider in self.taken or (slot is not None and spider in self.first and self.first[spider] <= slot)


def make_up_for(run: "CrawlRun", wait: timedelta = timedelta()) -> None:
    """Have the slot of a run that came to nothing fall due once more, unless somebody has asked the run to stop.

    The run is as it is stored, and its schedule is locked.
    """
    if run.schedule and run.slot and not run.stop_requested_at:
        run.schedule.make_up_for(run, wait)


class QueueQuerySet(models.QuerySet["CrawlRun"]):
    def enqueue(
        self,
        spider: str,
        given: Mapping[str, str],
        key: str | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        priority: float = 0,
        **values: Any,
    ) -> "CrawlRun":
        """Add a job from texts, as a person or a program gives them.

        ArgumentError where there is no such spider, argument or setting, or no source to ask, JobError where the key
        cannot be one or is taken. The highest priority goes first, and of one priority the oldest.
        """
        if not isfinite(priority):
            raise JobError("A priority is a number, and not an infinite one.")
        if key is not None and not KEY.fullmatch(key):
            raise JobError("A job id has letters, digits, _, - and . (not at its beginning), and at most 200 of them.")
        run = self.model(
            id=key or new_key(),
            spider=spider,
            arguments=checked(spider, given),
            settings=parse_settings(settings or {}),
            priority=priority,
            node="",
            **values,
        )
        try:
            with transaction.atomic(using=self.db):
                run.save(force_insert=True)
        except IntegrityError:
            if key is None or not self.filter(pk=key).exists():
                raise
            raise JobError(f"There is a job {key} already: an id serves once.") from None
        return run

    def waiting(self) -> models.QuerySet["CrawlRun"]:
        """The jobs that no node has claimed, the next one first: a slot's by its slot, others by when they came."""
        return self.filter(WAITING).order_by("-priority", Coalesce("slot", "queued_at"), "pk")

    def ready(self) -> models.QuerySet["CrawlRun"]:
        """Of those that wait, the ones whose spider is free.

        A slot becomes a job when it is its turn (`turns`): then no other job of its spider and priority goes before it.
        """
        taken = self.filter(BUSY).values("spider")
        has_slot = self.filter(WAITING & OF_A_SLOT).values("spider")
        return self.waiting().exclude(spider__in=taken).exclude(slot=None, priority__lte=0, spider__in=has_slot)

    def turns(self) -> Turns:
        """Whose turn it is: a slot's is next, but slots and jobs that were queued before them go by turns.

        So neither does a long queue starve a schedule, nor a schedule that is always due the queue.
        """
        before = WAITING & (OF_A_SCHEDULE | Q(priority__gt=0))
        taken = set(self.filter(BUSY | before).values_list("spider", flat=True).distinct())
        others = self.filter(WAITING, priority=0).exclude(spider__in=taken)
        first = dict(others.values_list("spider").annotate(Min("queued_at")))
        return Turns(taken, {spider: since for spider, since in first.items() if not self._last_was_no_slot(spider)})

    def _last_was_no_slot(self, spider: str) -> bool:
        """Whether the last job of a spider that began was not a slot's."""
        begun = self.filter(spider=spider, started_at__isnull=False).exclude(claim="").order_by("-started_at")
        return list(begun.values_list("slot", flat=True)[:1]) == [None]

    def claim(self, node: str, spiders: Collection[str] | None = None) -> "CrawlRun | None":
        """Claim the next job whose spider is free, for a node; None where there is none.

        Where there are `spiders`, one of these. `claim` of the run is what the crawl must show to begin it.
        """
        if not self.filter(STALE | Q(pk__in=self.ready().order_by().values("pk"))).exists():
            return None  # without having written, which on SQLite would wait for a crawl
        try:
            with transaction.atomic(using=self.db):
                self.release_stale()
                # Of several nodes each takes another row: on SQLite because they write one after the other.
                ready = self.ready() if spiders is None else self.ready().filter(spider__in=spiders)
                job = ready.select_for_update(skip_locked=True).first()
                if job is None:
                    return None
                self.filter(pk=job.pk).update(claim=uuid.uuid4().hex, claimed_at=Now(), node=node)
        except IntegrityError:  # another node has just claimed another job of this spider
            return None
        job.refresh_from_db()
        return job

    def renew(self, claims: list[str]) -> None:
        """Keep claims fresh whose crawls have not begun yet."""
        self.filter(verdict=Verdict.PENDING, claim__in=claims).update(claimed_at=Now())

    def release(self, claim: str) -> None:
        """Give a claimed job back to the queue, where it has not begun."""
        self.filter(verdict=Verdict.PENDING, claim=claim).update(claim="", claimed_at=None, node="")

    def release_stale(self) -> None:
        """Give back what was claimed by nodes that have died since."""
        self.filter(STALE).update(claim="", claimed_at=None, node="")

    def settle(self, claim: str, death: Death) -> None:
        """Record that a claimed job's process has ended: nothing to do where its crawl has set a verdict itself.

        One that had begun, or was killed before it could, is lost; another that had not begun has failed, and its slot
        falls due once more.
        """
        lost = RUNNING | Q(verdict=Verdict.PENDING, stop_requested_at=None) if death.was_killed else RUNNING
        with transaction.atomic(using=self.db):
            self.filter(claim=claim).lock_schedules()
            self.mark_lost(lost & Q(claim=claim), f"its process ended before it had: {death.words}", death.log_tail)
            job = self.filter(verdict=Verdict.PENDING, claim=claim).select_for_update().first()
            if job:
                self._end_unbegun(job, death)

    def _end_unbegun(self, run: "CrawlRun", death: Death | None = None) -> None:
        if run.stop_requested_at or death is None:
            verdict, reason = Verdict.SKIPPED, STOPPED_BEFORE
        else:
            verdict, reason = Verdict.FAILED, f"the crawl could not begin: {death.words}"
        log_tail = death.log_tail if death else ""
        self.filter(pk=run.pk).update(verdict=verdict, reason=reason, finished_at=Now(), log_tail=log_tail)
        if verdict == Verdict.FAILED:
            make_up_for(run, TRY_AGAIN_AFTER)

    def lock_schedules(self) -> None:
        """Lock the schedules of these runs, before the runs are locked: the beat does so too, and else the two may end
        up waiting for each other.
        """
        schedules = apps.get_model("crawls", "CrawlSchedule")._default_manager.order_by("pk")
        list(schedules.filter(pk__in=self.order_by().values("schedule")).select_for_update())

    def mark_lost(self, which: Q, reason: str, log_tail: str = "", *, skip_locked: bool = False) -> None:
        """Mark runs lost; a slot whose run is lost falls due once more, unless somebody has asked it to stop."""
        with transaction.atomic(using=self.db):
            runs = self.filter(which)
            runs.lock_schedules()
            runs = runs.select_related("schedule").select_for_update(of=("self",), skip_locked=skip_locked)
            for run in runs:
                facts = {"log_tail": log_tail} if log_tail else {}
                self.filter(pk=run.pk).update(verdict=Verdict.LOST, reason=reason, finished_at=Now(), **facts)
                make_up_for(run)

    def mark_silent_lost(self, which: Q = EVERY) -> None:
        """Mark running runs lost that have not shown life for LOST_AFTER.

        Not one whose row is locked: somebody is writing it, or hangs while he does, and nobody is to hang with him.
        """
        silent = which & SILENT
        if self.filter(silent).exists():
            reason = f"no sign of life for {LOST_AFTER.seconds} s: killed, or cut off from the database"
            self.mark_lost(silent, reason, skip_locked=True)

    def stop(self, key: str) -> str:
        """Ask a run to stop, on whichever node; returns the verdict that it had, "" where there is no such run.

        A job that waits is skipped at once, one under way ends as interrupted at its next sign of life.
        """
        with transaction.atomic(using=self.db):
            run = self.filter(pk=key).select_for_update().first()
            if run is None:
                return ""
            if run.verdict == Verdict.PENDING and not run.claim:
                self._end_unbegun(run)
            if run.verdict in (Verdict.PENDING, Verdict.RUNNING):
                self.filter(pk=key, stop_requested_at=None).update(stop_requested_at=Now())
            return run.verdict
