"""CrawlSchedule: a spider with its arguments, and when it runs. `webapp.crawls.ticker` makes jobs of its slots."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from webapp.crawls.catalog import SPIDERS, ArgumentError
from webapp.crawls.crontab import Crontab, CrontabError
from webapp.crawls.models.run import CrawlRun, valid_arguments

MAX_PASSED = 100  # slots without a run that are recorded one by one; the reason of the first sums up the others
MAX_OUTAGE = timedelta(days=3650)  # a slot that has waited longer is a mistake in the table


@dataclass(frozen=True)
class Due:
    """What a tick has to do for a schedule."""

    passed: Sequence[datetime] = ()  # slots that will have no run of their own, the earliest first
    slot: datetime | None = None  # to be run now
    next_run_at: datetime | None = None
    is_new: bool = False  # whether next_run_at was unknown, or not a possible slot


class CrawlScheduleQuerySet(models.QuerySet["CrawlSchedule"]):
    def make_defaults(self) -> bool:
        """Make two schedules of CoinGecko's market, which fit the plan, if there is none. Returns whether it did.

        A database of another source gets none: one database is the copy of one source.
        """
        of_coingecko = [name for name, entry in SPIDERS.items() if entry.counts_credits]
        if self.exists() or settings.MIRROR_URL or CrawlRun.objects.exclude(spider__in=of_coingecko).exists():
            return False
        minutes, hours = (10, 12) if settings.COINGECKO_PLAN == "demo" else (3, 6)
        self.create(
            name="The biggest 250 coins",
            spider="markets",
            arguments={"order": "market_cap_desc", "pages": 1},
            crontab=f"*/{minutes} * * * *",
        )
        self.create(name="The whole market", spider="markets", crontab=f"0 */{hours} * * *")
        return True


class CrawlSchedule(models.Model):
    name = models.CharField(max_length=100, unique=True)
    spider = models.CharField(max_length=100)
    arguments = models.JSONField(default=dict, blank=True)
    crontab = models.CharField(
        max_length=100, help_text="Minute, hour, day of month, month, day of week; a sixth field is seconds."
    )
    time_zone = models.CharField(max_length=64, default="UTC", help_text="The time zone of the crontab.")
    enabled = models.BooleanField(default=True)
    changed_at = models.DateTimeField(auto_now=True, help_text="When it was last edited, enabled or disabled.")
    next_run_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="If this is past, it waits until another run of its spider is over.",
    )
    not_before = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the slot of the run that failed is run again."
    )
    last_run = models.ForeignKey(
        CrawlRun, on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    objects = CrawlScheduleQuerySet.as_manager()

    class Meta:
        verbose_name = "schedule"
        ordering = ["name"]
        permissions = [("run_crawlschedule", "Can run a schedule now")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raises ValidationError, by field, if it cannot run."""
        faults = {}
        try:
            self.timetable()
        except CrontabError as error:
            faults["time_zone" if "time zone" in str(error) else "crontab"] = str(error)
        try:
            valid_arguments(self.spider, self.arguments)
        except ArgumentError as error:
            faults["arguments" if self.spider in SPIDERS else "spider"] = str(error)
        if faults:
            raise ValidationError(faults)

    def fault(self) -> str:
        """Why it cannot run, also if the row was written by hand; empty if it can."""
        try:
            self.clean()
        except ValidationError as error:
            return " ".join(error.messages)
        return ""

    def timetable(self) -> Crontab:
        """Raises CrontabError if the crontab or the time zone is invalid."""
        return _timetable(self.crontab, self.time_zone)

    def due_at(self, slot: datetime) -> datetime:
        """From when on the slot that is next may run."""
        return max(slot, self.not_before or slot)

    def due(self, now: datetime, *, is_taken: bool) -> Due | None:
        """What is to be done at `now`; None if there is nothing. `is_taken`: its spider has something else to do.

        The slot that waits is dropped if the schedule was disabled, or edited so that it is not a slot any more.
        """
        known = self.next_run_at
        if not self.enabled:
            return Due() if known else None
        if self.fault():
            return None
        slots = self.timetable()
        following = next(slots.after(now))
        # It is later than the next slot if the schedule was edited, or the clock set back.
        if not (known and now - MAX_OUTAGE < known <= following and next(slots.since(known)) == known):
            return Due(next_run_at=following, is_new=True)
        if self.due_at(known) > now:
            return None
        *passed, slot = slots.latest(known, now, MAX_PASSED + 1)
        if not is_taken:
            return Due(passed, slot, following)
        return Due(passed, None, slot) if passed else None

    def rank(self, now: datetime) -> tuple[float, float]:
        """The sort key of due schedules. The rarest comes first, then the one whose last run is oldest."""
        rarity = self.timetable().a_month(now) if self.enabled else 0
        return rarity, self.last_run.queued_at.timestamp() if self.last_run else 0


@lru_cache(maxsize=1_000)  # each tick asks for each of them
def _timetable(crontab: str, time_zone: str) -> Crontab:
    return Crontab(crontab, time_zone)
