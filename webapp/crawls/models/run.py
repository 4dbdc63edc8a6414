"""CrawlRun: what a run asked for, what it got, and what it has proven.

A job is a run that has not begun: `webapp.crawls.queue` has its verbs, `webapp.crawls.recording` those of a run.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Coalesce, Now

from webapp.crawls.catalog import check_source, parse_arguments
from webapp.crawls.verdict import Verdict

CLAIM_HOLDS = timedelta(seconds=60)  # without being renewed; a node renews its claims every few seconds
LOST_AFTER = timedelta(seconds=180)  # without a heartbeat; there is one every 15 s
NOT_YET = datetime(9999, 12, 31, tzinfo=UTC)  # after all that has begun

VERDICTS = [(verdict.value, verdict.title()) for verdict in Verdict]

# Conditions of runs
WAITING = Q(verdict=Verdict.PENDING, claim="")
CLAIMED = Q(verdict=Verdict.PENDING) & ~Q(claim="")
STALE = CLAIMED & Q(claimed_at__lt=Now() - CLAIM_HOLDS)
RUNNING = Q(verdict=Verdict.RUNNING)
SILENT = RUNNING & Q(heartbeat_at__lt=Now() - LOST_AFTER)
BUSY = RUNNING | CLAIMED  # holds its spider's lock
BEGUN = Q(started_at__isnull=False)
# Not over: it holds the lock, or waits for it. The index `unfinished_runs` has the few runs that are without an end.
UNDER_WAY = Q(finished_at=None) & (RUNNING | Q(verdict=Verdict.PENDING))

# The counters of records: `seen` is the sum of all but `missing`, which is of the database.
RECORDS = ("seen", "created", "updated", "unchanged", "stale", "duplicates", "rejected", "missing")


def new_key() -> str:
    return uuid.uuid4().hex


def valid_arguments(spider: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of arguments that are given as texts or as values already.

    Raises ArgumentError if `scrapy crawl` would reject them too.
    """
    values = parse_arguments(spider, given)
    check_source(spider, values, lambda name: getattr(settings, name, ""))
    return values


def count(help_text: str) -> models.PositiveIntegerField:
    return models.PositiveIntegerField(default=0, help_text=help_text)


class CrawlRun(models.Model):
    """One run of a spider. From the claim of its job until its end the row is also the spider's lock."""

    id = models.CharField(
        "key", max_length=255, primary_key=True, default=new_key, help_text="It names the run, and its job in scrapyd."
    )
    spider = models.CharField(max_length=100)
    arguments = models.JSONField(
        default=dict, blank=True, help_text="As given to the spider. Without any, it crawls the whole source."
    )
    is_whole = models.BooleanField(default=False, help_text="Whether it asked for the whole source.")
    # how it came about
    schedule = models.ForeignKey(
        "crawls.CrawlSchedule",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        help_text="The schedule that it belongs to.",
    )
    slot = models.DateTimeField(null=True, blank=True, help_text="The slot of the schedule that this run is for.")
    due_again = models.BooleanField(
        "slot due again", default=False, help_text="Whether its slot is due once more, because the run failed."
    )
    queued_at = models.DateTimeField(db_default=Now())
    priority = models.FloatField(
        default=0, help_text="Of the jobs that wait, the one with the highest number starts first."
    )
    settings = models.JSONField(
        default=dict, blank=True, help_text="Scrapy's settings that were given for this run alone."
    )
    node = models.CharField(max_length=255, blank=True, help_text="The machine, or the scrapyd on it, that ran it.")
    claim = models.CharField(max_length=32, blank=True, editable=False)
    claimed_at = models.DateTimeField(null=True, blank=True, editable=False)
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    # how it ended
    verdict = models.CharField(max_length=20, choices=VERDICTS, default=Verdict.PENDING)
    reason = models.TextField(blank=True, help_text="Why the verdict is not complete.")
    messages = models.TextField(blank=True, help_text="What else is worth knowing, a line each.")
    log_tail = models.TextField(blank=True, help_text="The last lines of its log.")
    log_file = models.CharField(max_length=1_000, blank=True, help_text="Where the whole log is, on its node.")
    # when, by the database's clock
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True, help_text="The run's last sign that it is alive.")
    finished_at = models.DateTimeField(null=True, blank=True)
    # The order of lists. It is never null, because SQLite uses no index for nulls first.
    began_at = models.GeneratedField(
        expression=Coalesce("started_at", "finished_at", Value(NOT_YET)),
        output_field=models.DateTimeField(),
        db_persist=True,
        serialize=False,
        help_text="When it started, or else when it was cancelled; the year 9999 while it waits.",
    )
    not_before = models.DateTimeField(
        null=True, blank=True, help_text="The API asked for no requests before this time."
    )
    # what it asked for
    pages = count("Pages answered, including the list of ids and answers to requests by id.")
    requests = count("Requests sent, including those tried again.")
    credits = count("Successful answers: these are what the API's plan counts.")
    retries = count("Requests tried again.")
    throttled = count("Answers that asked to slow down.")
    # what it got: seen = created + updated + unchanged + stale + duplicates + rejected
    seen = count("Records in all answers.")
    created = count("Coins stored for the first time.")
    updated = count("Coins whose values changed.")
    unchanged = count("Coins stored already with these values.")
    stale = count("Records older than what was stored less than ten minutes ago: probably from a cache, so not stored.")
    duplicates = count("Records of coins that the run had already, and rejected records that it had already.")
    rejected = count("Records that could not be stored. A run keeps 1,000 of them as rejected records.")
    missing = count("Stored coins that the market no longer has, if the whole market was crawled.")
    listed = models.PositiveIntegerField(null=True, blank=True, help_text="Ids in the source's list of all ids.")
    went_back = count("Of those updated: coins whose record was older than what was stored.")
    rounded = models.JSONField(
        default=dict,
        blank=True,
        help_text="How many numbers of each field were stored rounded, because SQLite keeps no more digits.",
    )
    stores_prices = models.BooleanField(
        default=False, help_text="Whether it added each price that it changed to the price history."
    )
    newest_change = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The latest change in the source, by its clock. The next `only=changed` asks from 10 minutes before.",
    )
    newest_update = models.DateTimeField(
        null=True, blank=True, help_text="The newest `last_updated` of a coin, by the source's clock."
    )
    filled = models.JSONField(
        default=dict,
        blank=True,
        help_text="How many records had a value in each field; at coin_id, all records that could be stored.",
    )
    # the last batch that was stored: it may come again if the answer to its COMMIT was lost
    flushes = models.PositiveIntegerField(
        default=0, editable=False, help_text="How many batches of records it has stored."
    )
    rejected_rows = models.JSONField(
        default=dict, editable=False, help_text="The coins of the last batch that the database rejected, and why."
    )

    class Meta:
        verbose_name = "crawl run"
        indexes = [
            models.Index(fields=["-started_at"], name="runs_newest_first"),
            models.Index(fields=["verdict", "spider", "-started_at"], name="runs_by_verdict"),
            models.Index(fields=["schedule", "-queued_at"], name="runs_of_a_schedule"),
            models.Index(fields=["spider", "-began_at"], condition=Q(is_whole=True), name="whole_runs"),
            models.Index(fields=["spider"], condition=Q(finished_at=None), name="unfinished_runs"),
            # For the admin's list: each of its filters in its order, with the verdicts that it counts.
            models.Index(fields=["-began_at", "verdict"], name="runs_by_beginning"),
            models.Index(fields=["spider", "-began_at", "verdict"], name="runs_by_spider_and_beginning"),
            models.Index(fields=["schedule", "-began_at", "verdict", "spider"], name="runs_by_schedule_and_beginning"),
            models.Index(fields=["verdict", "-began_at"], name="runs_by_verdict_and_beginning"),
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
        """Different coins seen, including records that could not be stored."""
        return self.seen - self.duplicates

    def is_silent(self, now: datetime) -> bool:
        """Whether it is running and has had no heartbeat for so long that it will be marked as lost."""
        heartbeat = self.heartbeat_at
        return bool(self.verdict == Verdict.RUNNING and heartbeat and now - heartbeat > LOST_AFTER)

    @property
    def duration(self) -> timedelta | None:
        """Until the end, or the last heartbeat."""
        end = self.finished_at or self.heartbeat_at
        return end - self.started_at if self.started_at and end else None

    @property
    def age_of_data(self) -> timedelta | None:
        """How old the newest data was when the run ended."""
        return self.finished_at - self.newest_update if self.finished_at and self.newest_update else None

    @property
    def shares(self) -> dict[str, float]:
        """By field: the share of the records that had a value in it, from 0 to 1."""
        records = self.filled.get("coin_id")
        return {name: count / records for name, count in self.filled.items()} if records else {}
