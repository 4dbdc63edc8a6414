"""CrawlSchedule: when a spider is to run; its beat turns slots that have come into jobs. Node: a scrapyd that beats."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.db.models.functions import Least, Now

from webapp.coins.clock import database_clock
from webapp.crawls.catalog import SPIDERS, ArgumentError, as_texts
from webapp.crawls.crontab import Crontab, CrontabError
from webapp.crawls.models.queue import UNDER_WAY, JobError, Verdict, checked
from webapp.crawls.models.run import CrawlRun

MOST_PASSED = 100  # slots that passed without a run, and are recorded one by one; more than that is told in words
CLOCK_JUMP = timedelta(minutes=5)  # a slot had that lies further in the future was had by a clock that was wrong
LONGEST_OUTAGE = timedelta(days=3650)  # a slot that has waited longer is a mistake in the table


@dataclass(frozen=True)
class Due:
    """What a beat has to do for a schedule."""

    passed: Sequence[datetime] = ()  # slots that will have no run of their own, the earliest first
    slot: datetime | None = None  # to be run now
    next_run_at: datetime | None = None
    anew: bool = False  # whether next_run_at was unknown, or no slot that can be the next


class CrawlScheduleQuerySet(models.QuerySet["CrawlSchedule"]):
    def beat(self, now: datetime | None = None) -> None:
        """Turn what is due into jobs: at most one for a spider, of several schedules the rarest one's.

        Any number of nodes may beat, in any order. `now` is the database's clock where it is not given.
        """
        CrawlRun.objects.mark_silent_lost()
        now = now or self.clock()
        if not self._due(now):
            return  # without having written, which on SQLite would keep a crawl waiting
        with transaction.atomic(using=self.db):
            for schedule in sorted(self._due(now, lock=True), key=lambda schedule: schedule.rank(now)):
                # Asked anew: the one before may have taken the spider.
                if due := schedule.due(now, CrawlRun.objects.turns().is_taken(schedule.spider, schedule.next_run_at)):
                    schedule._take(due, now)

    def _due(self, now: datetime, *, lock: bool = False) -> list["CrawlSchedule"]:
        """Those for which there is something to do."""
        schedules = self.order_by("pk")  # also the order in which all lock them
        turns = CrawlRun.objects.turns()
        found = schedules.select_for_update() if lock else schedules
        return [one for one in found if one.due(now, turns.is_taken(one.spider, one.next_run_at))]

    def clock(self) -> datetime:
        return database_clock(self.db)

    def make_defaults(self) -> bool:
        """Make two schedules that fit the plan, where there is none at all; whether it did."""
        if self.exists():
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
    """A spider with its arguments, and the slots at which it is to run."""

    name = models.CharField(max_length=100, unique=True)
    spider = models.CharField(max_length=100)
    arguments = models.JSONField(default=dict, blank=True)
    crontab = models.CharField(
        max_length=100, help_text="Minute, hour, day of month, month, day of week; a sixth field is seconds."
    )
    time_zone = models.CharField(max_length=64, default="UTC", help_text="Whose clocks the crontab means.")
    enabled = models.BooleanField(default=True)
    changed_at = models.DateTimeField(auto_now=True, help_text="When it was last edited, enabled or disabled.")
    next_run_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="The slot that is next, or that waits for its spider."
    )
    not_before = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When a slot that waits is run again, because its run failed."
    )
    last_run = models.ForeignKey(
        "crawls.CrawlRun", on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    objects = CrawlScheduleQuerySet.as_manager()

    class Meta:
        verbose_name = "schedule"
        ordering = ["name"]
        permissions = [("run_crawlschedule", "Can run a schedule now")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """ValidationError, by field, where it could not run."""
        faults = {}
        try:
            self.timetable()
        except CrontabError as error:
            faults["time_zone" if "time zone" in str(error) else "crontab"] = str(error)
        try:
            checked(self.spider, as_texts(self.arguments))
        except ArgumentError as error:
            faults["arguments" if self.spider in SPIDERS else "spider"] = str(error)
        except (AttributeError, TypeError):  # no object, or lists of something else than texts
            faults["arguments"] = "The arguments must be names with their values."
        if faults:
            raise ValidationError(faults)

    def fault(self) -> str:
        """Why it cannot run, however that got into the table; empty where it can."""
        try:
            self.clean()
        except ValidationError as error:
            return " ".join(error.messages)
        return ""

    def timetable(self) -> Crontab:
        return _timetable(self.crontab, self.time_zone)

    # When it runs --------------------------------------------------------------------------------

    def is_busy(self) -> bool:
        """Whether a run of its spider is queued or under way."""
        return CrawlRun.objects.filter(UNDER_WAY, spider=self.spider).exists()

    def due_at(self, slot: datetime) -> datetime:
        """From when on the slot that is next may run."""
        return max(slot, self.not_before or slot)

    def due(self, now: datetime, busy: bool) -> Due | None:
        """What is to be done at `now`; None where there is nothing. `busy`: it is not its turn.

        The slot that waits is dropped where the schedule is disabled, or edited so that it is none any more.
        """
        known = self.next_run_at
        if not self.enabled:
            return Due() if known else None
        if self.fault():
            return None
        slots = self.timetable()
        following = next(slots.after(now))
        # Later than the next slot it is where the schedule has been edited, or the clock set back.
        if not (known and now - LONGEST_OUTAGE < known <= following and next(slots.since(known)) == known):
            return Due(next_run_at=following, anew=True)
        if self.due_at(known) > now:
            return None
        *passed, slot = slots.latest(known, now, MOST_PASSED + 1)
        if not busy:
            return Due(passed, slot, following)
        return Due(passed, None, slot) if passed else None

    def rank(self, now: datetime) -> tuple[float, float]:
        """Of several that are due, the lowest goes first: the rarest, and of those the one that has waited longest."""
        rarity = self.timetable().a_month(now) if self.enabled else 0
        return rarity, self.last_run.queued_at.timestamp() if self.last_run else 0

    def _take(self, due: Due, now: datetime) -> None:
        """In the beat's transaction."""
        if due.anew:
            # A clock that was ahead has had slots that are still to come; they are free for that, and the runs keep
            # their times. Those just ahead are not: a clock that is set back by seconds gives no slot a second run.
            self.crawlrun_set.filter(slot__gt=now + CLOCK_JUMP).update(slot=None)
        self._record_passed(due.passed, due.slot or due.next_run_at or now, now)
        facts: dict[str, Any] = {"next_run_at": due.next_run_at, "not_before": None}
        if due.slot and (run := self._new_run(due.slot)):
            facts["last_run"] = run
        CrawlSchedule.objects.filter(pk=self.pk).update(**facts)

    def _new_run(self, slot: datetime) -> CrawlRun | None:
        """A job for the slot; None where that has had its run."""
        try:
            with transaction.atomic():
                return CrawlRun.objects.enqueue(self.spider, as_texts(self.arguments), schedule=self, slot=slot)
        except IntegrityError:
            return None

    def _record_passed(self, passed: Sequence[datetime], following: datetime, now: datetime) -> None:
        """A skipped run for each slot that passed without one before the `following` one, with the reason."""
        if not passed:
            return
        of_spider = CrawlRun.objects.filter(spider=self.spider, started_at__lte=now)
        overlapping = of_spider.filter(Q(finished_at=None) | Q(finished_at__gte=passed[0]))
        times = overlapping.exclude(verdict=Verdict.SKIPPED).values_list(
            Least("queued_at", "started_at"), "finished_at"
        )
        under_way = [(start, end or now) for start, end in times]
        runs = []
        for slot, until in pairwise((*passed, following)):
            was_busy = any(start < until and end >= slot for start, end in under_way)
            reason = f"another run of {self.spider} was under way until the next slot came" if was_busy else MISSED
            runs.append(
                CrawlRun(
                    spider=self.spider,
                    arguments=self.arguments,
                    schedule=self,
                    slot=slot,
                    verdict=Verdict.SKIPPED,
                    reason=reason,
                    started_at=slot,
                    finished_at=now,
                )
            )
        if self.next_run_at and passed[0] > self.next_run_at:
            runs[0].reason += f"; so it was with all slots from {self.next_run_at:%F %T} UTC on"
        CrawlRun.objects.bulk_create(runs, ignore_conflicts=True)

    def make_up_for(self, run: CrawlRun, wait: timedelta) -> None:
        """Have the slot of this run fall due once more after `wait`, unless a later one is due by then, or it has been
        twice.
        """
        if self.crawlrun_set.filter(slot=run.slot, due_again=True).exists():
            return
        waiting = CrawlSchedule.objects.filter(pk=self.pk, enabled=True, next_run_at__gt=Now() + wait)
        if waiting.update(next_run_at=run.slot, not_before=Now() + wait if wait else None):
            CrawlRun.objects.filter(pk=run.pk).update(due_again=True)

    def run_now(self) -> CrawlRun:
        """Queue a run besides its slots; JobError says why not."""
        if fault := self.fault():
            raise JobError(f"It cannot run: {fault}")
        with transaction.atomic():
            # All of its spider, so that of two that are run in the same moment one is refused.
            list(CrawlSchedule.objects.filter(spider=self.spider).order_by("pk").select_for_update())
            if self.is_busy():
                raise JobError(f"A run of {self.spider} is queued or under way: wait for its end, or stop it.")
            run = CrawlRun.objects.enqueue(self.spider, as_texts(self.arguments), schedule=self)
            CrawlSchedule.objects.filter(pk=self.pk).update(last_run=run)
        return run


@lru_cache(maxsize=1_000)  # each beat asks for each of them
def _timetable(crontab: str, time_zone: str) -> Crontab:
    return Crontab(crontab, time_zone)


MISSED = (
    "nothing could run it until the next slot had come: no scrapyd was up, none had room, or the schedule was wrong"
)


class NodeQuerySet(models.QuerySet["Node"]):
    def beat(self, name: str, **facts: Any) -> None:
        """Show that the node's schedule beats."""
        self.update_or_create(name=name, defaults={"beat_at": Now(), **facts})

    def forget_old(self) -> None:
        """Delete those that have been gone for a week: each container has a name of its own."""
        self.filter(beat_at__lt=Now() - timedelta(days=7)).delete()


class Node(models.Model):
    """A scrapyd that shares the queue; the schedule beats in each of them."""

    name = models.CharField(max_length=255, primary_key=True)
    beat_at = models.DateTimeField(help_text="The last time that it looked after the schedules.")
    capacity = models.PositiveIntegerField(default=0, help_text="Crawls that it runs at a time.")

    objects = NodeQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name
