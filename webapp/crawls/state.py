"""How complete and how fresh the data is: one place for /api/health and for the front page of the admin."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Self

from django.db.models import Case, Count, Max, Q, When

from webapp.coins import clock
from webapp.coins.models import FullCoin
from webapp.coins.prices.observing import MAX_AHEAD
from webapp.crawls import monitoring, queue
from webapp.crawls.copy_age import Copy
from webapp.crawls.models import CrawlRun, RejectedRecord
from webapp.crawls.models.run import BEGUN, RUNNING, UNDER_WAY
from webapp.crawls.problem import Problem, joined
from webapp.crawls.verdict import Verdict

DAY = timedelta(days=1)
LAST_RUNS = 20
UNDER_WAY_SHOWN = 20  # a spider runs once at a time, so that none of those that run is left out
RUNNING_FIRST = (Case(When(RUNNING, then=0), default=1), *queue.IN_TURN)


@dataclass(frozen=True)
class State:
    """At the moment `now`, by the database's clock."""

    now: datetime
    coins: int
    missing: int  # of these: those that the market no longer has
    last_updated: datetime | None  # the newest of all coins, by the source's clock, without those of a wrong one
    changed_at: datetime | None
    new_since_yesterday: int
    changed_since_yesterday: int
    missing_since_yesterday: int
    rejected: int  # open records
    last_complete: CrawlRun | None  # of a whole source
    last_runs: list[CrawlRun]  # the LAST_RUNS that began last, the newest first
    under_way: list[CrawlRun]  # the running ones, and then the jobs that are next; at most UNDER_WAY_SHOWN
    fresh: bool | None
    failing: dict[str, list[Problem]]  # by check

    @classmethod
    def check(cls) -> Self:
        now = clock.database_clock()
        counts = FullCoin.objects.aggregate(
            # These three come first: after `changed_at=Max(...)`, the name in a filter would mean that maximum.
            new_since_yesterday=Count("pk", filter=Q(first_seen_at__gte=now - DAY)),
            changed_since_yesterday=Count("pk", filter=Q(changed_at__gte=now - DAY)),
            missing_since_yesterday=Count("pk", filter=Q(missing_since__gte=now - DAY)),
            coins=Count("pk"),
            missing=Count("missing_since"),
            last_updated=Max("last_updated", filter=Q(last_updated__lte=now + MAX_AHEAD)),
            changed_at=Max("changed_at"),
        )
        runs = CrawlRun.objects.defer("log_tail")
        copy = Copy(now)
        return cls(
            now=now,
            rejected=RejectedRecord.objects.open().count(),
            last_complete=copy.last_complete,
            last_runs=list(runs.filter(BEGUN).order_by("-started_at")[:LAST_RUNS]),
            under_way=list(runs.filter(UNDER_WAY).order_by(*RUNNING_FIRST)[:UNDER_WAY_SHOWN]),
            fresh=copy.is_fresh,
            failing=monitoring.failing(now, copy),
            **counts,
        )

    @property
    def problems(self) -> dict[str, str]:
        """What fails, as the watcher says it."""
        return {check: joined(found) for check, found in self.failing.items()}

    @property
    def last_run(self) -> CrawlRun | None:
        return self.last_runs[0] if self.last_runs else None

    @property
    def running(self) -> list[CrawlRun]:
        """The newest first."""
        running = (run for run in self.under_way if run.verdict == Verdict.RUNNING and run.started_at)
        return sorted(running, key=attrgetter("started_at"), reverse=True)
