"""Past prices: which coins a run asks for, and how it stores their history."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from typing import Any, cast

from django.db.models import F, Q

from webapp.coins import clock
from webapp.coins.models import CoveredSpan, FullCoin
from webapp.coins.models.coin import in_statements
from webapp.coins.prices import past
from webapp.coins.prices.points import Chart
from webapp.coins.prices.tiers import Step
from webapp.crawls.batch import Memory, Writable
from webapp.crawls.gaps import Gaps
from webapp.crawls.models import CrawlRun, RejectedRecord
from webapp.crawls.models.rejected import Occurrence
from webapp.crawls.verdict import Verdict

DAY = timedelta(days=1)
HOURLY, YEAR = 90, 365  # days: CoinGecko answers with a point for each hour, and for each day, without a paid plan
CONTINUED_FOR = timedelta(hours=12)  # a run goes on where an unfinished one ended, if that was not longer ago
UNFINISHED = (Verdict.RUNNING, Verdict.LOST, Verdict.INTERRUPTED, Verdict.FAILED)


@dataclass(frozen=True)
class Wanted:
    """The history of a coin that a run asks for, in days until now."""

    coin_id: str
    days: int


class Plan:
    """What a run of `history` asks for: `wanted`, the biggest coins first. `done` coins were asked for already."""

    def __init__(self, spider: str, arguments: Mapping[str, Any]) -> None:
        self.wanted: list[Wanted] = []
        self.done = 0
        self._spider, self._arguments = spider, arguments
        self._days: int = arguments.get("days", HOURLY)

    def steps(self) -> Iterator[Callable[[], None]]:
        """Functions that make the plan, one after the other, each with a few queries."""
        yield self._begin
        for coins in in_statements(self._coins):
            yield partial(self._add, coins)

    def _begin(self) -> None:
        self._now = clock.database_clock()
        self._since = self._unfinished_since()
        self._gaps = Gaps(self._now) if "only" in self._arguments else None
        biggest_first = FullCoin.objects.order_by(F("market_cap_rank").asc(nulls_last=True), "pk")
        on_the_market = biggest_first.filter(missing_since=None).values_list("pk", flat=True)
        self._coins: list[str] = self._arguments.get("ids") or list(on_the_market[: self._arguments.get("top")])
        if not self._coins:
            raise ValueError("the database has no coins: crawl them first, with `scrapy crawl markets`")

    def _unfinished_since(self) -> datetime | None:
        """When the first of the last runs with these arguments began that came to no end; None if there is none."""
        runs = CrawlRun.objects.filter(spider=self._spider, arguments=self._arguments, started_at__isnull=False)
        since = None
        for run in runs.exclude(verdict=Verdict.SKIPPED).order_by("-started_at").defer("log_tail"):
            end = run.finished_at or run.heartbeat_at
            is_recent = since or (end and self._now - end < CONTINUED_FOR)
            if run.verdict not in UNFINISHED or not is_recent:
                break
            since = run.started_at
        return since

    def _add(self, ids: Sequence[str]) -> None:
        wanted = [Wanted(coin_id, self._days) for coin_id in ids] if self._gaps is None else self._with_gaps(ids)
        done = self._asked_for_since(self._since, ids) if self._since else set()
        left = [one for one in wanted if one.coin_id not in done]
        self.wanted += left
        self.done += len(wanted) - len(left)

    def _with_gaps(self, ids: Sequence[str]) -> list[Wanted]:
        """Those of these coins that have gaps, and that schedules crawl."""
        gaps, coins = cast(Gaps, self._gaps), FullCoin.objects.in_bulk(ids)
        expected = [coins[coin_id] for coin_id in ids if coin_id in coins and gaps.is_expected(coins[coin_id])]
        days: dict[str, int] = {}
        # Bars of an hour last: they are more exact, and CoinGecko has them for the last 90 days only.
        for step, most in ((Step.DAY, YEAR), (Step.HOUR, HOURLY)):
            reach = self._now - timedelta(days=min(most, self._arguments.get("days", most)))
            for coin_id, found in gaps.of_each(expected, step).items():
                if within := [max(gap.since, reach) for gap in found if gap.until > reach]:
                    days[coin_id] = ceil((self._now - min(within)) / DAY)
        return [Wanted(coin_id, days[coin_id]) for coin_id in ids if coin_id in days]

    def _asked_for_since(self, since: datetime, ids: Sequence[str]) -> set[str]:
        """Those of these coins whose history was asked for since then, for as many days."""
        begin = self._now - self._days * DAY
        hours, days = (
            Q(step=step, since__lte=step.first(begin), until__gte=step.start(since)) for step in (Step.HOUR, Step.DAY)
        )
        spans = CoveredSpan.objects.filter(hours | days, series__coin_id__in=ids)
        return set(spans.values_list("series__coin_id", flat=True))


class ChartBatch(Writable):
    """The chart of a coin, which a run writes by itself."""

    def __init__(self, chart: Chart, memory: Memory) -> None:
        self.memory = memory
        self._chart = chart
        self._rejected: list[Occurrence] = []
        if rejection := chart.rejection:
            is_new = memory.count_rejected(rejection)
            self._rejected.append(Occurrence(rejection, chart.rejected, f"the chart of {chart.coin_id}", is_new))

    def write(self, run: CrawlRun) -> dict[str, Any]:
        """Write the bars and the rejected points. Returns the run's new counters, by field."""
        stored = past.store(self._chart)
        RejectedRecord.objects.keep(run, self.memory.kept_of(self._rejected))
        if not self._rejected:
            RejectedRecord.objects.resolve([self._chart.coin_id], run.spider)
        new = sum(one.is_new for one in self._rejected)
        counts = {
            "seen": self._chart.records,
            "created": stored.created,
            "updated": stored.updated,
            "unchanged": stored.unchanged,
            "duplicates": len(self._rejected) - new,
            "rejected": new,
        }
        return {name: getattr(run, name) + number for name, number in counts.items()} | {
            "rounded": Counter(run.rounded) + stored.rounded,
            "rejected_rows": {},
        }

    def remember(self, errors: Mapping[str, str]) -> None:
        self.memory.note_stored(self._rejected)
