"""What the admin shows of schedules: the next run, the last ones, the cost. Few queries for any number of schedules."""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Q, Subquery

from webapp.coins import clock
from webapp.crawls.costs import Cost, costs
from webapp.crawls.models import CrawlRun, CrawlSchedule
from webapp.crawls.models.run import UNDER_WAY
from webapp.crawls.models.schedule import Due

RUNS_SHOWN = 20
NEEDED = ("schedule", "verdict", "reason", "slot", "queued_at", "started_at", "heartbeat_at", "finished_at")  # of a run


@dataclass(frozen=True)
class Outlook:
    """A schedule at the moment `now`."""

    now: datetime
    fault: str  # why it cannot run; then there are no next slot and no cost
    next_slot: datetime | None  # a slot that has come already waits
    due_since: datetime | None  # the first slot that waits, if one does: the later ones have passed meanwhile
    is_busy: bool  # whether a run of its spider is queued or under way
    runs: list[CrawlRun]  # the last RUNS_SHOWN, the oldest first
    cost: Cost | None


def outlooks(schedules: Iterable[CrawlSchedule]) -> dict[int, Outlook]:
    """By the schedule's key. The number of queries is the same for any number of schedules."""
    now = clock.database_clock()
    shown = {schedule.pk: schedule for schedule in schedules}
    cost_of = costs(shown.values(), now)
    runs_of = _last_runs(shown)
    busy = set(CrawlRun.objects.filter(UNDER_WAY).values_list("spider", flat=True))
    found = {}
    for key, schedule in shown.items():
        fault, due = schedule.fault(), schedule.due(now, is_taken=True)
        slot = None if fault else due.next_run_at if due else schedule.next_run_at
        first = None if fault else _first_of(schedule, due)
        since = first if first and first <= now else None
        found[key] = Outlook(now, fault, slot, since, schedule.spider in busy, runs_of[key], cost_of.get(key))
    return found


def first_slot(schedule: CrawlSchedule, now: datetime) -> datetime | None:
    """The first slot that waits, or else the next one."""
    return _first_of(schedule, schedule.due(now, is_taken=True))


def _first_of(schedule: CrawlSchedule, due: Due | None) -> datetime | None:
    return due.next_run_at if due and due.is_new else schedule.next_run_at


def remember(schedules: Collection[CrawlSchedule]) -> None:
    """Keep the outlook of each beside its row: a list reads those of all rows at once."""
    found = outlooks(schedules)
    for schedule in schedules:
        vars(schedule)["outlook"] = found[schedule.pk]


def outlook_of(schedule: CrawlSchedule) -> Outlook:
    if "outlook" not in vars(schedule):
        remember([schedule])
    return vars(schedule)["outlook"]


def _last_runs(schedules: Collection[int]) -> dict[int, list[CrawlRun]]:
    """The last RUNS_SHOWN runs of each schedule, the oldest first.

    One query finds where they begin, another reads the rows from there on. A window function would be one query, and
    would read every run of a year.
    """
    own = CrawlRun.objects.filter(schedule=OuterRef("pk")).order_by("-queued_at")  # as an index has them
    oldest = Subquery(own.values("queued_at")[RUNS_SHOWN - 1 : RUNS_SHOWN])
    which = Q(pk__in=[])
    for key, begins in CrawlSchedule.objects.filter(pk__in=schedules).values_list("pk", oldest):
        which |= Q(schedule=key, queued_at__gte=begins) if begins else Q(schedule=key)
    runs: dict[int | None, deque[CrawlRun]] = defaultdict(lambda: deque(maxlen=RUNS_SHOWN))
    for run in CrawlRun.objects.filter(which).only(*NEEDED).order_by("queued_at", "slot"):
        runs[run.schedule_id].append(run)
    return {key: [*runs[key]] for key in schedules}
