"""What the admin says of schedules: when they run next, how they went, what they cost. Of many in few queries."""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache

from django.conf import settings
from django.db.models import OuterRef, Q, QuerySet, Subquery

from webapp.coins.numbers import exact
from webapp.crawls.catalog import SPIDERS, as_texts, parse_arguments, typical_calls
from webapp.crawls.crontab import Crontab
from webapp.crawls.models import CrawlRun, CrawlSchedule, Verdict
from webapp.crawls.models.queue import UNDER_WAY

RUNS_SHOWN = 20
NEEDED = ("schedule", "verdict", "reason", "slot", "queued_at", "started_at", "heartbeat_at", "finished_at")  # of a run


@dataclass(frozen=True)
class Cost:
    """What a schedule costs; a month is 30 days."""

    calls_a_run: int
    is_measured: bool  # by its last complete run; else it is about what such a run takes
    runs_a_month: int
    counts_credits: bool

    @property
    def calls_a_month(self) -> int:
        return self.calls_a_run * self.runs_a_month

    @property
    def credits_a_month(self) -> int:
        return self.calls_a_month if self.counts_credits else 0


@dataclass(frozen=True)
class Outlook:
    """A schedule as it looks at the moment `now`."""

    now: datetime
    fault: str  # why it cannot run; then there are no next slot and no cost
    next_slot: datetime | None  # one that has come already waits
    is_busy: bool  # whether a run of its spider is queued or under way
    runs: list[CrawlRun]  # the last RUNS_SHOWN, the oldest first
    cost: Cost | None


def look(schedules: Iterable[CrawlSchedule]) -> dict[int, Outlook]:
    """By the schedule's key; few queries, whatever their number."""
    now = CrawlSchedule.objects.clock()
    shown = {schedule.pk: schedule for schedule in schedules}
    cost_of = costs(shown.values(), now)
    runs_of = _last_runs(shown)
    busy = set(CrawlRun.objects.filter(UNDER_WAY).values_list("spider", flat=True))
    outlooks = {}
    for key, schedule in shown.items():
        fault = schedule.fault()
        slot = None if fault else _next_slot(schedule, now)
        outlooks[key] = Outlook(now, fault, slot, schedule.spider in busy, runs_of[key], cost_of.get(key))
    return outlooks


def costs(schedules: Iterable[CrawlSchedule], now: datetime) -> dict[int, Cost]:
    """By the schedule's key; without those that cannot run. One query."""
    same = {"spider": OuterRef("spider"), "arguments": OuterRef("arguments")}  # it may have been edited since
    complete = _newest_first(CrawlRun.objects.filter(schedule=OuterRef("pk"), verdict=Verdict.COMPLETE, **same))
    sound = {schedule.pk: schedule for schedule in schedules if not schedule.fault()}
    measured = CrawlSchedule.objects.filter(pk__in=sound).values_list("pk", Subquery(complete.values("credits")[:1]))
    return {
        key: Cost(
            calls_a_run=_typical_calls(sound[key]) if calls is None else calls,
            is_measured=calls is not None,
            runs_a_month=_runs_a_month(sound[key].crontab, sound[key].time_zone, now.date()),
            counts_credits=SPIDERS[sound[key].spider].counts_credits,
        )
        for key, calls in measured
    }


def _typical_calls(schedule: CrawlSchedule) -> int:
    """Of what its arguments mean, which were perhaps written into the table by hand."""
    return typical_calls(schedule.spider, parse_arguments(schedule.spider, as_texts(schedule.arguments)))


@dataclass(frozen=True)
class Bill:
    """What all enabled schedules together cost in a month, and what the plan has."""

    calls: int
    credits: int

    @classmethod
    def of_all(cls) -> "Bill":
        each = costs(CrawlSchedule.objects.filter(enabled=True), CrawlSchedule.objects.clock()).values()
        return cls(sum(cost.calls_a_month for cost in each), sum(cost.credits_a_month for cost in each))

    @property
    def sentence(self) -> str:
        return (
            f"All enabled schedules together take about {exact(self.calls)} calls a month (30 days) "
            f"and {exact(self.credits)} credits of CoinGecko's; {plan()}."
        )

    @property
    def warning(self) -> str:
        """That it is more than the plan has; empty where it is not."""
        if not 0 < settings.COINGECKO_MONTHLY_CREDITS < self.credits:
            return ""
        return (
            f"All enabled schedules together take about {exact(self.credits)} credits a month, and {plan()}: "
            "when those are spent, runs are skipped until the next month. Have some run more rarely, or disable them."
        )


def plan() -> str:
    most = settings.COINGECKO_MONTHLY_CREDITS
    return f"the plan {settings.COINGECKO_PLAN} has " + (
        f"{exact(most)} credits a month" if most else "no limit on them"
    )


def _next_slot(schedule: CrawlSchedule, now: datetime) -> datetime | None:
    due = schedule.due(now, busy=True)
    return due.next_run_at if due else schedule.next_run_at


@lru_cache(maxsize=1_000)
def _runs_a_month(crontab: str, time_zone: str, day: date) -> int:
    """From `day` on. Kept, because a list counts for each row and counting takes some 10 ms."""
    return Crontab(crontab, time_zone).a_month(datetime.combine(day, time(), UTC))


def _newest_first(runs: QuerySet[CrawlRun]) -> QuerySet[CrawlRun]:
    """In the order of an index, where they are of one schedule."""
    return runs.order_by("-queued_at")


def _last_runs(schedules: Collection[int]) -> dict[int, list[CrawlRun]]:
    """The last RUNS_SHOWN of each schedule: first where they begin, then what is from there on.

    Numbering them in a window would be one query, and would read every run of a year.
    """
    own = _newest_first(CrawlRun.objects.filter(schedule=OuterRef("pk")))
    oldest = Subquery(own.values("queued_at")[RUNS_SHOWN - 1 : RUNS_SHOWN])
    which = Q(pk__in=[])
    for key, begins in CrawlSchedule.objects.filter(pk__in=schedules).values_list("pk", oldest):
        which |= Q(schedule=key, queued_at__gte=begins) if begins else Q(schedule=key)
    runs: dict[int | None, deque[CrawlRun]] = defaultdict(lambda: deque(maxlen=RUNS_SHOWN))
    for run in CrawlRun.objects.filter(which).only(*NEEDED).order_by("queued_at", "slot"):
        runs[run.schedule_id].append(run)
    return {key: [*runs[key]] for key in schedules}
