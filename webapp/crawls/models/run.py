"""CrawlRun: what a run asked for, what it got, and what it has proven."""

import socket
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connections, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q, Sum
from django.db.models.functions import Now, TruncMonth

from webapp.coins.clock import database_clock
from webapp.coins.models.coin import FullCoin, TooManyMissing
from webapp.coins.old_database import START_OVER, is_old
from webapp.crawls.batch import Batch
from webapp.crawls.models.history import HistoryQuerySet
from webapp.crawls.models.pace import LONGEST_ABSENCE
from webapp.crawls.models.queue import (
    BUSY,
    LOST_AFTER,
    STOPPED_BEFORE,
    TRY_AGAIN_AFTER,
    JobError,
    Verdict,
    make_up_for,
    new_key,
)
from webapp.crawls.models.rejected import RejectedRecord


class NotMigrated(Exception):
    """The database has not the tables that the models describe."""


class RunLost(Exception):
    """The run's row no longer says `running`: another run has taken its place, so nothing more may be written."""


class NotStored(Exception):
    """What the run has written is not in the database. The message says what has happened, and what to do."""


GONE = (
    "the database no longer has this run as it was last written: its row was deleted, or the database was replaced or "
    "restored from a backup meanwhile. What the run has stored may be gone too: crawl again"
)


class CrawlRunQuerySet(HistoryQuerySet):
    def begin(
        self,
        spider: str,
        arguments: Mapping[str, Any],
        key: str | None = None,
        *,
        claim: str = "",
        log_file: str = "",
        leave_alone: float = 0.0,
        monthly_credits: int = 0,
        expected_credits: int = 1,
    ) -> "CrawlRun":
        """Start a run and take the spider's lock, or record why not: look at the verdict of the run that comes back.

        `running` has the lock; `skipped` found another run holding it, an API that wants no requests for `leave_alone`
        seconds, or fewer of the `monthly_credits` left (0: there is no limit) than the `expected_credits`, or was
        stopped while it waited; `failed` would have mixed currencies. A `key` may be that of a job in the queue, which
        begins then: with the `claim` of the node that has claimed it. JobError where the key is another run's.
        """
        self.mark_silent_lost(Q(spider=spider))
        self.release_stale()
        run = self._job(spider, arguments, key, claim) if key else None
        if run is None:
            run = self.model(id=key or new_key(), spider=spider)
        run.arguments, run.log_file, run.node = arguments, log_file, run.node or socket.gethostname()
        run.started_at = run.heartbeat_at = Now()
        if run.stop_requested_at:
            run._skip(STOPPED_BEFORE)
            return run
        if leave_alone:
            until = database_clock(self.db) + timedelta(seconds=leave_alone)
            run._skip(f"the API asked for no requests before {until:%F %T} UTC")
            return run
        if monthly_credits and (too_few := self._too_few(spider, monthly_credits, expected_credits)):
            run._skip(too_few)
            return run
        try:
            with transaction.atomic(using=self.db):
                run._take_up(Verdict.RUNNING)
        except IntegrityError:
            run._skip(self._who_runs(spider))
            return run
        if currency := FullCoin.objects.other_currency():
            run.finish(
                Verdict.FAILED,
                f"the database holds prices in {currency}, and VS_CURRENCY is {settings.VS_CURRENCY}: one database "
                f"holds one currency. Set VS_CURRENCY={currency}, or name another database in DATABASE_URL and run "
                "`python webapp/manage.py migrate` to start over",
            )
        return run

    def _job(self, spider: str, arguments: Mapping[str, Any], key: str, claim: str) -> "CrawlRun | None":
        """The job in the queue that has this key; None where no run has it."""
        run = self.filter(pk=key).first()
        if run is None:
            return None
        if run.verdict != Verdict.PENDING:
            raise JobError(f"There is a run with the key {key} already: a job id serves once.")
        if run.claim != claim:
            raise JobError(f"The job {key} waits for another process to begin it.")
        if run.spider != spider or not run.arguments.items() <= arguments.items():
            raise JobError(f"The job {key} is a run of {run.spider} with other arguments: begin it with its own.")
        return run

    def _who_runs(self, spider: str) -> str:
        holder = self.filter(BUSY, spider=spider).first()
        if holder is None:  # it has ended since
            return f"another run of {spider} was under way"
        if holder.verdict == Verdict.PENDING:
            return f"another run of {spider} is about to begin"
        return (
            f"another run of {spider} is under way; its last sign of life was at "
            f"{holder.heartbeat_at:%T} UTC, and if it was killed it gives way {LOST_AFTER.seconds} s after that"
        )

    def _too_few(self, spider: str, monthly: int, expected: int) -> str:
        """Why the month's credits do not suffice for a run; empty where they do."""
        spent = self.credits_spent(spider)
        if spent + expected <= monthly:
            return ""
        return (
            f"{spent:,} of {monthly:,} credits of this month (UTC) are spent, and such a run takes about {expected:,}"
        )

    def credits_spent(self, spider: str) -> int:
        """In this month (UTC), by all runs of the spider."""
        this_month = self.filter(spider=spider, started_at__gte=TruncMonth(Now()))
        return this_month.aggregate(spent=Sum("credits", default=0))["spent"]

    def check_migrated(self) -> None:
        """Raises NotMigrated where the tables are not what the models describe."""
        if is_old(self.db):
            raise NotMigrated(START_OVER)
        executor = MigrationExecutor(connections[self.db])
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise NotMigrated("The database is not migrated: run `python webapp/manage.py migrate` first.")


def count(help_text: str) -> models.PositiveIntegerField:
    return models.PositiveIntegerField(default=0, help_text=help_text)


class CrawlRun(models.Model):
    """One run of a spider; from the claim of its job until its end the row is also the lock that keeps others off."""

    id = models.CharField("key", max_length=255, primary_key=True, default=new_key, help_text="scrapyd's job id")
    spider = models.CharField(max_length=100)
    arguments = models.JSONField(default=dict, blank=True, help_text="As given; none: the whole source.")
    # how it came about
    schedule = models.ForeignKey(
        "crawls.CrawlSchedule", on_delete=models.SET_NULL, null=True, blank=True, help_text="What asked for it."
    )
    slot = models.DateTimeField(null=True, blank=True, help_text="The moment of the schedule that it is for.")
    due_again = models.BooleanField(
        "slot due again",
        default=False,
        help_text="Whether its slot falls due once more, because the run came to nothing.",
    )
    queued_at = models.DateTimeField(db_default=Now())
    priority = models.FloatField(default=0, help_text="Of what waits, the highest goes first.")
    settings = models.JSONField(default=dict, blank=True, help_text="Of Scrapy's, for this run alone.")
    node = models.CharField(max_length=255, blank=True, help_text="The scrapyd, or the machine, that ran it.")
    claim = models.CharField(max_length=32, blank=True, editable=False)
    claimed_at = models.DateTimeField(null=True, blank=True, editable=False)
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    # how it ended
    verdict = models.CharField(max_length=20, choices=Verdict, default=Verdict.PENDING)
    reason = models.TextField(blank=True, help_text="Why the verdict is not complete.")
    messages = models.TextField(blank=True, help_text="What else is worth knowing, a line each.")
    log_tail = models.TextField(blank=True, help_text="The last lines of its log.")
    log_file = models.CharField(max_length=1_000, blank=True, help_text="Where all of it lies, on its node.")
    # when, by the database's clock
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True, help_text="The run's last sign of life.")
    finished_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True, help_text="The API asked for no requests before this.")
    # what it asked for
    pages = count("Pages answered, chunks of coins asked for by id among them.")
    requests = count("Requests sent, those tried again among them.")
    credits = count("Answers with status 200, which are what a plan counts.")
    retries = count("Requests tried again.")
    throttled = count("Answers that asked to slow down.")
    # what it got: seen = created + updated + unchanged + stale + duplicates + rejected
    seen = count("Records in all answers.")
    created = count("Coins stored for the first time.")
    updated = count("Coins whose values changed.")
    unchanged = count("Coins stored already with these values.")
    stale = count("Records older than what was stored less than ten minutes ago: probably from a cache, so not stored.")
    duplicates = count("Later occurrences of a coin, or of a rejected record, in the same run.")
    rejected = count("Records that could not be stored and are kept as rejected records.")
    missing = count("Stored coins that the market no longer has, where the whole market was crawled.")
    listed = models.PositiveIntegerField(null=True, blank=True, help_text="Ids that the source's list of all names.")
    went_back = count("Of those updated: coins whose record was older than what was stored.")
    rounded = models.JSONField(
        default=dict, blank=True, help_text="By field: numbers with more digits than SQLite keeps, stored rounded."
    )
    newest_change = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The latest change that the source told of, by its clock; changes are asked for from then on.",
    )
    newest_update = models.DateTimeField(
        null=True, blank=True, help_text="The newest `last_updated` of a coin, by the source's clock."
    )
    filled = models.JSONField(
        default=dict,
        blank=True,
        help_text="By field: in how many records it had a value; coin_id: in all that could be stored.",
    )
    # the last batch that was stored: it may come again, where the answer to its COMMIT was lost
    flushes = models.PositiveIntegerField(default=0, editable=False, help_text="Batches stored, the last one's number.")
    refused = models.JSONField(
        default=dict, editable=False, help_text="By coin of that batch, why the database did not take it."
    )

    objects = CrawlRunQuerySet.as_manager()

    class Meta:
        verbose_name = "crawl run"
        indexes = [
            models.Index(fields=["-started_at"], name="runs_newest_first"),
            models.Index(fields=["verdict", "spider", "-started_at"], name="runs_by_verdict"),
            models.Index(fields=["schedule", "-queued_at"], name="runs_of_a_schedule"),
        ]
        constraints = [
            # The spider's lock: from the moment that a node claims a job until its run is over.
            models.UniqueConstraint(fields=["spider"], condition=BUSY, name="one_busy_run_per_spider"),
            models.UniqueConstraint(
                fields=["schedule", "slot"], condition=Q(due_again=False), name="one_run_per_slot_that_is_not_due_again"
            ),
        ]
        permissions = [("stop_crawlrun", "Can stop a crawl run")]

    def __str__(self) -> str:
        return f"{self.spider}, {self.verdict}" + (f", {self.started_at:%F %T}" if self.started_at else "")

    @property
    def coins(self) -> int:
        """Different coins seen: stored ones, and records that could not be."""
        return self.seen - self.duplicates

    @property
    def duration(self) -> timedelta | None:
        """To the end, or to the last sign of life."""
        end = self.finished_at or self.heartbeat_at
        return end - self.started_at if self.started_at and end else None

    @property
    def shares(self) -> dict[str, float]:
        """By field: the share of the records that had a value in it."""
        records = self.filled.get("coin_id")
        return {name: count / records for name, count in self.filled.items()} if records else {}

    def _skip(self, reason: str) -> None:
        self.reason, self.finished_at = reason, Now()
        self._take_up(Verdict.SKIPPED)

    def _take_up(self, verdict: Verdict) -> None:
        """Write what the run begins with; JobError where it is a job that has gone to another node meanwhile."""
        before = CrawlRun.objects.filter(pk=self.pk, verdict=Verdict.PENDING, claim=self.claim)
        self.verdict = verdict
        if self._state.adding:
            self.save(force_insert=True)
        else:
            names = ("verdict", "reason", "arguments", "log_file", "node", "started_at", "heartbeat_at", "finished_at")
            if not before.update(**{name: getattr(self, name) for name in names}):
                raise JobError(f"The job {self.pk} has gone to another process.")
        self.refresh_from_db()

    def beat(self, **facts: Any) -> None:
        """Show life, and write what there is to tell.

        Raises RunLost where the run is no longer running, NotStored where its row is gone, or lacks batches.
        """
        if not self._still_running().update(heartbeat_at=Now(), **facts):
            if not self._as_written().exists():
                raise NotStored(GONE)
            raise RunLost

    def is_to_stop(self) -> bool:
        """Whether somebody has asked for that."""
        return self._still_running().filter(stop_requested_at__isnull=False).exists()

    def store(self, batch: Batch, progress: Mapping[str, int]) -> set[str]:
        """Write a batch and count it, in one transaction: what is counted is stored, and nothing else.

        Returns the coins of the batch that are in the database, as they were sent or newer. `progress` are the run's
        other counters (pages, requests ...) as they stand. Raises what `beat` does, and OperationalError or
        InterfaceError where the database fails. The same call may then be made again: where its batch has been stored,
        and only the answer was lost, it is not stored or counted twice.
        """
        number = self.flushes + 1
        with transaction.atomic():
            self.beat()
            facts: Any = self._still_running().filter(flushes=number).values().first()
            if facts is None:
                facts = {**self._write(batch), **progress, "flushes": number}
                self._still_running().update(**facts)
        for name, value in facts.items():
            setattr(self, name, value)
        batch.remember(batch.refused(self.refused))
        return batch.rows.keys() - self.refused.keys()

    def _write(self, batch: Batch) -> dict[str, Any]:
        """Write a batch; by field of the run, what it has counted with it."""
        now = database_clock(FullCoin.objects.db)
        changed_at = FullCoin.objects.next_change(now)
        result = FullCoin.objects.upsert(batch.rows.values(), now, changed_at)
        refused = batch.refused(result.rejected)
        RejectedRecord.objects.keep(self, batch.kept(refused))
        RejectedRecord.objects.resolve(result.stored - batch.refused_last)
        FullCoin.objects.mark_seen({*batch.rows, *batch.seen} - batch.missing.keys(), changed_at)
        FullCoin.objects.mark_missing_since(batch.missing, changed_at)
        counts = batch.counts(result, refused)
        dates = [self.newest_update, *(row.get("last_updated") for row in batch.rows.values())]
        return {name: getattr(self, name) + number for name, number in counts.items()} | {
            "seen": self.seen + sum(counts.values()),
            "went_back": self.went_back + len(result.went_back - batch.repeated),
            "rounded": Counter(self.rounded) + result.rounded,
            # A date in the future, as one wrong clock makes it, tells nothing of how fresh the others are.
            "newest_update": max((date for date in dates if date and date <= now), default=None),
            "refused": result.rejected,
        }

    def finish(
        self,
        verdict: Verdict,
        reason: str = "",
        answered: Collection[str] | None = None,
        leave_alone: float | None = None,
        *,
        not_kept: int = 0,
        heard: bool = True,
        **facts: Any,
    ) -> None:
        """Set the verdict and give up the lock; raises what `beat` does.

        `answered` are the ids that a complete run of the whole market has answers for: every other stored coin is
        marked missing in the same transaction, or the run is partial where that would be too many to be believed; and
        rejected records that came no more are resolved, unless some were `not_kept`, because they may be among those.
        `leave_alone` is for how many seconds, a day at most, the API wants no requests. Where a run has failed and its
        source was not `heard`, its slot falls due once more. `facts` are further fields of the row.
        """
        with transaction.atomic():
            if not heard:
                CrawlRun.objects.filter(pk=self.pk).lock_schedules()
            try:
                self.beat()
            except RunLost:
                self.refresh_from_db()
                if self.verdict not in (verdict, Verdict.PARTIAL):  # as which a complete run may have ended
                    raise
                return  # an earlier call has succeeded, and its caller did not hear of it
            if leave_alone:
                facts["not_before"] = Now() + min(timedelta(seconds=leave_alone), LONGEST_ABSENCE)
            if answered is not None and verdict == Verdict.COMPLETE:
                try:
                    FullCoin.objects.mark_missing(answered)
                except TooManyMissing as too_many:
                    verdict, reason = Verdict.PARTIAL, str(too_many)
                else:
                    if not not_kept:
                        RejectedRecord.objects.resolve_gone(self, answered)
                    facts["missing"] = FullCoin.objects.filter(missing_since__isnull=False).count()
            if verdict == Verdict.FAILED and not heard:
                make_up_for(CrawlRun.objects.get(pk=self.pk), TRY_AGAIN_AFTER)
            self._still_running().update(verdict=verdict, reason=reason, finished_at=Now(), **facts)
        self.refresh_from_db()

    def check_over(self) -> None:
        """Raises NotStored unless the row says how the run has ended."""
        if not self._as_written().filter(verdict=self.verdict).exists():
            raise NotStored(GONE)

    def take_back(self, reason: str) -> None:
        """The run has failed, whatever its row says; nothing is written where there is no row."""
        CrawlRun.objects.filter(pk=self.pk).update(verdict=Verdict.FAILED, reason=reason, finished_at=Now())

    def _as_written(self) -> models.QuerySet["CrawlRun"]:
        """Its row, if it has all batches that are known to be stored: one from a backup lacks the last ones."""
        return CrawlRun.objects.filter(pk=self.pk, flushes__gte=self.flushes)

    def _still_running(self) -> models.QuerySet["CrawlRun"]:
        return self._as_written().filter(verdict=Verdict.RUNNING)
