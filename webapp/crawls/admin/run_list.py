"""The list of runs: its filters, its chart, and how many runs were complete lately."""

from collections import Counter
from datetime import datetime
from functools import cached_property
from math import floor
from typing import Any, cast

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from webapp.coins import clock
from webapp.coins.admin.filters import TableFilter
from webapp.coins.admin.formats import mark, table
from webapp.coins.admin.paging import BoundedList, BoundedPaginator
from webapp.coins.admin.time_filter import CHOICES, TimeFilter
from webapp.coins.numbers import NOTHING, exact
from webapp.crawls.admin import run_chart
from webapp.crawls.admin.run_progress import remember_moment
from webapp.crawls.catalog import SPIDERS
from webapp.crawls.models import CrawlRun, CrawlSchedule
from webapp.crawls.verdict import Verdict

ORDER = "-began_at"  # what has not started yet is the newest
PERIODS = ("1d", "7d", "30d")  # of CHOICES
HAS_RUN = (Verdict.COMPLETE, Verdict.PARTIAL, Verdict.FAILED, Verdict.INTERRUPTED, Verdict.LOST)
ENDS = (*HAS_RUN, Verdict.SKIPPED)


class VerdictFilter(TableFilter):
    title = parameter_name = "verdict"
    conditions = {verdict.value: Q(verdict=verdict) for verdict in Verdict}


class SpiderFilter(TableFilter):
    title = parameter_name = "spider"
    conditions = {spider: Q(spider=spider) for spider in SPIDERS}


class ScheduleFilter(TableFilter):
    title = parameter_name = "schedule"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        keys = CrawlSchedule.objects.order_by("name").values_list("name", "pk")
        self.conditions = {"(none)": Q(schedule=None)} | {name: Q(schedule=key) for name, key in keys}
        super().__init__(*args, **kwargs)


class StartedFilter(TimeFilter):
    title, name, column = "start", "started_at", "began_at"


class RunPaginator(BoundedPaginator):
    column = "began_at"


class RunList(BoundedList):
    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self._request = request

    @cached_property
    def now(self) -> datetime:
        return clock.database_clock()

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        remember_moment(self.result_list, self.now)

    def apply_select_related(self, qs: QuerySet) -> QuerySet:
        """With the schedules, by a query of their own: if they were joined, SQLite would sort all runs."""
        return qs.prefetch_related("schedule")

    def chart(self) -> str:
        """Of the last runs of this list, however it is sorted, and whatever page it shows."""
        last = self.queryset.order_by(ORDER).prefetch_related(None).only(*run_chart.NEEDED)
        return run_chart.chart(last[: run_chart.RUNS_SHOWN], self.now)

    def success(self) -> str:
        """By period: how many runs of this list's spider and schedule were complete, and how the others ended."""
        counts = self._counts()
        rows = [["Success", *(_share(counts[period]) for period in PERIODS)]]
        for verdict in ENDS:
            rows.append(
                [mark(verdict), *(self._number(counts[period][verdict], period, verdict) for period in PERIODS)]
            )
        return table(["", *(self._link(CHOICES[period][0], period) for period in PERIODS)], rows)

    def _counts(self) -> dict[str, Counter[str]]:
        """By period and verdict."""
        since = {period: CHOICES[period][1](self.now) for period in PERIODS}
        # Named, so that SQLite reads each from an index and need not sort them.
        runs: QuerySet = CrawlRun.objects.filter(began_at__gte=min(since.values()), verdict__in=ENDS)
        for spec in self.filter_specs:
            if not isinstance(spec, VerdictFilter | StartedFilter):
                runs = cast(QuerySet, spec.queryset(self._request, runs))
        numbers = {period: Count("began_at", filter=Q(began_at__gte=moment)) for period, moment in since.items()}
        found = {period: Counter[str]() for period in PERIODS}
        for row in runs.order_by().values("verdict").annotate(**{f"in_{period}": n for period, n in numbers.items()}):
            for period in PERIODS:
                found[period][row["verdict"]] = row[f"in_{period}"]
        return found

    def _number(self, number: int, period: str, verdict: str) -> str:
        return self._link(exact(number), period, verdict) if number else "0"

    def _link(self, text: str, period: str, verdict: str | None = None) -> str:
        first, last = StartedFilter.parameters()
        address = self.get_query_string({first: period, last: None, "verdict": verdict})
        return format_html('<a href="{}">{}</a>', address, text)


def _share(of_verdict: Counter[str]) -> str:
    """Of the runs that have run, how many were complete. Rounded down: 100 % means all of them."""
    ended = sum(of_verdict[verdict] for verdict in HAS_RUN)
    return f"{floor(1000 * of_verdict[Verdict.COMPLETE] / ended) / 10:g} %" if ended else NOTHING
