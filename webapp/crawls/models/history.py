"""The runs that are over: what is asked of them later, and for how long they are kept."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Least, Now, TruncMonth

from webapp.crawls.models.queue import UNDER_WAY, QueueQuerySet, Verdict

if TYPE_CHECKING:
    from webapp.crawls.models.run import CrawlRun

RUNS_COMPARED = 1_000
# Runs that are deleted in one transaction, each with at most a thousand rejected records: a crawl that writes meanwhile
# waits for a moment.
BATCH = 100
A_CENTURY = 36_500  # days; beyond that are dates that a database does not know


class HistoryQuerySet(QueueQuerySet["CrawlRun"]):
    def last_complete(self, spider: str, arguments: Mapping[str, Any]) -> "CrawlRun | None":
        """The newest run of the same scope that proved itself complete."""
        return self._complete(spider, arguments).first()

    def usual_shares(self, spider: str, arguments: Mapping[str, Any]) -> dict[str, float]:
        """By field: the greatest share of records with a value in it that two complete runs of this scope in a row had.

        Of many runs, because a field may also empty by degrees; in two of them, because one alone may be odd.
        """
        shares = [run.shares for run in self._complete(spider, arguments).only("filled")[:RUNS_COMPARED] if run.filled]
        usual: dict[str, float] = {}
        for later, earlier in zip(shares, shares[1:] or shares, strict=False):
            for name in later.keys() & earlier.keys():
                usual[name] = max(usual.get(name, 0), min(later[name], earlier[name]))
        return usual

    def _complete(self, spider: str, arguments: Mapping[str, Any]) -> "models.QuerySet[CrawlRun]":
        scope = self.filter(spider=spider, arguments=arguments, verdict=Verdict.COMPLETE)
        return scope.order_by("-finished_at")

    def whole(self, spider: str, narrowing: Iterable[str]) -> "models.QuerySet[CrawlRun]":
        """The runs of a spider that none of these arguments has narrowed to a part of its source.

        Nor has a query in the address, unless that is the source's own.
        """
        is_without_query = ~Q(arguments__has_key="url") | ~Q(arguments__url__icontains="?")
        is_whole_url = is_without_query | Q(arguments__url=settings.MIRROR_URL)
        return self.filter(is_whole_url, *(~Q(arguments__has_key=name) for name in narrowing), spider=spider)

    def newest_change(self, spider: str, url: str) -> datetime | None:
        """The newest change that the latest complete run on this address has heard of."""
        last = self._last_with_news(spider, url)
        return last.newest_change if last else None

    def _last_with_news(self, spider: str, url: str) -> "CrawlRun | None":
        complete = self.filter(spider=spider, arguments__url=url, verdict=Verdict.COMPLETE, newest_change__isnull=False)
        return complete.order_by("-finished_at").first()

    def forget_old(self) -> int:
        """Delete the runs that began more than RUN_HISTORY_DAYS ago, with their rejected records; how many they were.

        Those that are asked for later stay: what has begun this month, by which credits are counted, each schedule's
        last run, and what `last_complete` and `newest_change` answer with. What is queued or under way stays anyway.
        """
        if not settings.RUN_HISTORY_DAYS:
            return 0
        kept = timedelta(days=min(settings.RUN_HISTORY_DAYS, A_CENTURY))
        began_before = Least(Now() - kept, TruncMonth(Now()))
        # An index has them by their beginning. What was stopped while it waited has had none.
        old = self.filter(Q(started_at__lt=began_before) | Q(started_at=None, finished_at__lt=began_before))
        old = old.exclude(UNDER_WAY).order_by("pk")
        forgotten, after = 0, ""
        while batch := list(old.filter(pk__gt=after).only("spider", "arguments", "verdict")[:BATCH]):
            after = batch[-1].pk
            with transaction.atomic(using=self.db):
                gone = {run.pk for run in batch} - self._kept(batch)
                forgotten += self.filter(pk__in=gone).only("pk").delete()[1].get(self.model._meta.label, 0)
        return forgotten

    def _kept(self, runs: Iterable["CrawlRun"]) -> set[str]:
        """The keys of those that are still asked for; and of others."""
        last_runs = apps.get_model("crawls", "CrawlSchedule")._default_manager.values_list("last_run", flat=True)
        complete = [run for run in runs if run.verdict == Verdict.COMPLETE]
        scopes = {repr((run.spider, run.arguments)): run for run in complete}
        sources = {(run.spider, run.arguments["url"]) for run in complete if "url" in run.arguments}
        asked_for = [
            *(self.last_complete(run.spider, run.arguments) for run in scopes.values()),
            *(self._last_with_news(*source) for source in sources),
        ]
        return {run.pk for run in asked_for if run} | set(last_runs)
