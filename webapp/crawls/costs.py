"""What runs and schedules cost in calls and credits, and what the plan has. A month is 30 days, unless it says UTC."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from django.conf import settings
from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Now, TruncMonth
from django.utils.formats import date_format

from webapp.coins import clock
from webapp.coins.numbers import exact
from webapp.coins.texts import counted
from webapp.crawls.catalog import SPIDERS, parse_arguments, typical_calls
from webapp.crawls.crontab import Crontab
from webapp.crawls.models.run import CrawlRun
from webapp.crawls.models.schedule import CrawlSchedule
from webapp.crawls.verdict import Verdict


def credits_spent(spider: str) -> int:
    """In this calendar month (UTC), by all runs of the spider. The spiders of CoinGecko share one key."""
    sharing = [name for name, entry in SPIDERS.items() if entry.counts_credits]
    spiders = sharing if spider in sharing else [spider]
    this_month = CrawlRun.objects.filter(spider__in=spiders, started_at__gte=TruncMonth(Now()))
    return this_month.aggregate(spent=Sum("credits", default=0))["spent"]


def too_few_credits(spider: str, monthly: int, expected: int) -> str:
    """Why the month's credits are not enough for a run that takes `expected` ones; empty if they are."""
    spent = credits_spent(spider)
    if spent + expected <= monthly:
        return ""
    return f"{spent:,} of {monthly:,} credits of this month (UTC) are spent, and such a run takes about {expected:,}"


@dataclass(frozen=True)
class Cost:
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


def costs(schedules: Iterable[CrawlSchedule], now: datetime) -> dict[int, Cost]:
    """By the schedule's key, without those that cannot run. One query."""
    same = {"spider": OuterRef("spider"), "arguments": OuterRef("arguments")}  # it may have been edited since
    complete = CrawlRun.objects.filter(schedule=OuterRef("pk"), verdict=Verdict.COMPLETE, **same).order_by("-queued_at")
    able = {schedule.pk: schedule for schedule in schedules if not schedule.fault()}
    measured = CrawlSchedule.objects.filter(pk__in=able).values_list("pk", Subquery(complete.values("credits")[:1]))
    return {key: _cost(able[key], calls, now) for key, calls in measured}


def _cost(schedule: CrawlSchedule, measured: int | None, now: datetime) -> Cost:
    calls = measured
    if calls is None:
        calls = typical_calls(schedule.spider, parse_arguments(schedule.spider, schedule.arguments))
    runs = _runs_a_month(schedule.crontab, schedule.time_zone, now.date())
    return Cost(calls, measured is not None, runs, SPIDERS[schedule.spider].counts_credits)


@lru_cache(maxsize=1_000)  # counting takes some 10 ms, and a list counts for each row
def _runs_a_month(crontab: str, time_zone: str, day: date) -> int:
    """From `day` on."""
    return Crontab(crontab, time_zone).a_month(datetime.combine(day, time(), UTC))


@dataclass(frozen=True)
class Bill:
    """What all enabled schedules together cost in a month."""

    calls: int
    credits: int

    @classmethod
    def of_all(cls) -> "Bill":
        each = costs(CrawlSchedule.objects.filter(enabled=True), clock.database_clock()).values()
        return cls(sum(cost.calls_a_month for cost in each), sum(cost.credits_a_month for cost in each))

    @property
    def sentence(self) -> str:
        return (
            f"All enabled schedules together take about {counted(self.calls, 'request')} a month (30 days) "
            f"and {exact(self.credits)} of CoinGecko's credits; {_plan()}."
        )

    @property
    def warning(self) -> str:
        """That it is more than the plan has; empty if it is not."""
        if not 0 < settings.COINGECKO_MONTHLY_CREDITS < self.credits:
            return ""
        return (
            f"All enabled schedules together take about {exact(self.credits)} credits a month, and {_plan()}: "
            "when those are spent, runs are skipped until the next month. Run some less often, or disable them."
        )


@dataclass(frozen=True)
class Budget:
    """The credits of this calendar month (UTC): what is spent, and what the enabled schedules will spend."""

    now: datetime
    monthly: int
    spent: int
    a_day: float  # by the enabled schedules

    @classmethod
    def of(cls, schedules: Iterable[CrawlSchedule], now: datetime) -> "Budget":
        """With these schedules. Two queries."""
        a_month = sum(cost.credits_a_month for cost in costs(schedules, now).values())
        return cls(now, settings.COINGECKO_MONTHLY_CREDITS, credits_spent("markets"), a_month / 30)

    @property
    def high(self) -> float:
        return self.monthly * 0.9

    @property
    def sentence(self) -> str:
        return f"{exact(self.spent)} of {exact(self.monthly)} credits of this month (UTC) are spent."

    @property
    def forecast(self) -> str:
        """What is to be expected by the end of the month. Runs that people start are not in it."""
        next_month = (self.now.replace(day=1) + timedelta(days=31)).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0
        )
        days_left, left = (next_month - self.now) / timedelta(days=1), self.monthly - self.spent
        if left <= 0:
            return f"Runs are skipped until {date_format(next_month, 'j F')}."
        if not self.a_day:
            return "No enabled schedule takes any."
        expected = self.a_day * days_left
        if expected <= left:
            last = date_format(next_month - timedelta(days=1), "j F")
            return f"The enabled schedules will bring that to about {rounded(self.spent + expected)} by {last}."
        day = date_format(self.now + timedelta(days=left / self.a_day), "j F")
        return (
            f"The enabled schedules will have spent all about {day}. Then runs are skipped until "
            f"{date_format(next_month, 'j F')}: run some schedules less often, or disable them."
        )


def rounded(number: float) -> str:
    """To three digits, as an estimate is no more exact."""
    return f"{float(f'{number:.3g}'):,.0f}"


def _plan() -> str:
    most = settings.COINGECKO_MONTHLY_CREDITS
    limit = f"{exact(most)} credits a month" if most else "no limit on them"
    return f"the plan {settings.COINGECKO_PLAN} has {limit}"
