"""How complete and how fresh the data is: one place for /api/health and for the front page of the admin."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Self

from django.db.models import Count, Max, Q

from webapp.coins import clock
from webapp.coins.models import FullCoin
from webapp.crawls import monitoring
from webapp.crawls.models import CrawlRun, RejectedRecord
from webapp.crawls.models.run import BEGUN, UNDER_WAY
from webapp.crawls.verdict import Verdict

DAY = timedelta(days=1)


@dataclass(frozen=True)
class State:
    """At the moment `now`, by the database's clock."""

    now: datetime
    coins: int
    missing: int  # of these: those that the market no longer has
    last_updated: datetime | None  # the newest of all coins, by the source's clock
    changed_at: datetime | None
    new_since_yesterday: int
    changed_since_yesterday: int
    missing_since_yesterday: int
    rejected: int  # open records
    last_complete: CrawlRun | None  # of a whole source
    last_run: CrawlRun | None  # that has begun
    running: list[CrawlRun]
    fresh: bool | None
    problems: dict[str, str]

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
            last_updated=Max("last_updated"),
            changed_at=Max("changed_at"),
        )
        begun = CrawlRun.objects.filter(BEGUN).defer("log_tail").order_by("-started_at")
        # Sorted here: for an order by the database, SQLite would read the index of all runs.
        running = CrawlRun.objects.filter(UNDER_WAY, BEGUN, verdict=Verdict.RUNNING).defer("log_tail")
        return cls(
            now=now,
            rejected=RejectedRecord.objects.open().count(),
            last_complete=monitoring.last_complete(),
            last_run=begun.first(),
            running=sorted(running, key=attrgetter("started_at"), reverse=True),
            fresh=monitoring.is_fresh(now),
            problems=monitoring.problems(now),
            **counts,
        )
