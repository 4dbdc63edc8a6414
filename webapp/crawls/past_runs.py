"""The runs that are over: what is asked of them later, and how long they are kept."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Least, Now, TruncMonth

from webapp.crawls.catalog import SPIDERS
from webapp.crawls.models.rejected import A_CENTURY
from webapp.crawls.models.run import CrawlRun
from webapp.crawls.models.schedule import CrawlSchedule
from webapp.crawls.verdict import Verdict

RUNS_COMPARED = 1_000
RUNS_SEARCHED = 2_000
# Runs that are deleted in one transaction, each with at most a thousand rejected records: a crawl that writes meanwhile
# waits for a moment.
BATCH = 100
NEVER = datetime(1, 1, 1, tzinfo=UTC)


def last_complete(spider: str, arguments: Mapping[str, Any]) -> CrawlRun | None:
    """The newest complete run of the same scope."""
    return _complete(spider, arguments).first()


def complete_before(run: CrawlRun) -> CrawlRun | None:
    """The complete run of the same scope before this one, without its log.

    It is looked for among the last complete runs of the same schedule, and then of the same spider: to look at all runs
    of a year would take seconds.
    """
    earlier = CrawlRun.objects.filter(verdict=Verdict.COMPLETE, spider=run.spider, began_at__lt=run.began_at)
    earlier = earlier.exclude(pk=run.pk)  # SQLite compares dates as texts, and its own clock writes fewer digits
    of_schedule = [earlier.filter(schedule=run.schedule_id)] if run.schedule_id else []
    for runs in (*of_schedule, earlier):
        newest = runs.order_by("-began_at")
        # An index alone says where they begin.
        first = newest.values_list("began_at", flat=True)[RUNS_SEARCHED : RUNS_SEARCHED + 1]
        same = newest.filter(arguments=run.arguments, began_at__gte=next(iter(first), NEVER))
        if found := same.defer("log_tail").first():
            return found
    return None


def usual_shares(spider: str, arguments: Mapping[str, Any]) -> dict[str, float]:
    """By field: the greatest share of records with a value in it that two complete runs of this scope in a row had.

    Of many runs, because a field may also empty slowly; of two in a row, because one alone may be an exception.
    """
    shares = [run.shares for run in _complete(spider, arguments).only("filled")[:RUNS_COMPARED] if run.filled]
    usual: dict[str, float] = {}
    for later, earlier in zip(shares, shares[1:] or shares, strict=False):
        for name in later.keys() & earlier.keys():
            usual[name] = max(usual.get(name, 0), min(later[name], earlier[name]))
    return usual


def _complete(spider: str, arguments: Mapping[str, Any]) -> QuerySet[CrawlRun]:
    scope = CrawlRun.objects.filter(spider=spider, arguments=arguments, verdict=Verdict.COMPLETE)
    return scope.order_by("-began_at")  # as an index has them; runs of a spider end in the order of their beginnings


def is_whole(spider: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a run with these arguments asks for the whole source, not for a part of it.

    A query in the address narrows it too, unless that is the source's own.
    """
    entry = SPIDERS.get(spider)
    url = arguments.get("url", "")
    is_narrowed = entry is None or any(name in arguments for name in entry.narrowing)
    return not is_narrowed and ("?" not in url or url == settings.MIRROR_URL)


def whole_runs(spider: str) -> QuerySet[CrawlRun]:
    """The runs of a spider that asked for its whole source, the newest first."""
    return CrawlRun.objects.filter(spider=spider, is_whole=True).order_by("-began_at")


def newest_change(spider: str, url: str) -> datetime | None:
    """The newest change that the latest complete run on this address has seen."""
    last = _last_with_changes(spider, url)
    return last.newest_change if last else None


def _last_with_changes(spider: str, url: str) -> CrawlRun | None:
    complete = CrawlRun.objects.filter(spider=spider, arguments__url=url, verdict=Verdict.COMPLETE)
    return complete.filter(newest_change__isnull=False).order_by("-finished_at").first()


def forget_old() -> int:
    """Delete the runs that began more than RUN_HISTORY_DAYS ago, with their rejected records. Returns their number.

    Those that are asked for later stay: runs of this month, by which credits are counted, each schedule's last run, and
    what `last_complete` and `newest_change` answer with. Runs that are queued or under way stay anyway.
    """
    if not settings.RUN_HISTORY_DAYS:
        return 0
    kept = timedelta(days=min(settings.RUN_HISTORY_DAYS, A_CENTURY))
    began_before = Least(Now() - kept, TruncMonth(Now()))
    # An index finds them by their beginning. A run that was stopped while it waited has none.
    is_old = Q(started_at__lt=began_before) | Q(started_at=None, finished_at__lt=began_before)
    old = CrawlRun.objects.filter(is_old).exclude(verdict__in=(Verdict.PENDING, Verdict.RUNNING)).order_by("pk")
    forgotten, after = 0, ""
    while batch := list(old.filter(pk__gt=after).only("spider", "arguments", "verdict")[:BATCH]):
        after = batch[-1].pk
        with transaction.atomic():
            gone = {run.pk for run in batch} - _asked_for(batch)
            deleted = CrawlRun.objects.filter(pk__in=gone).only("pk").delete()[1]
            forgotten += deleted.get(CrawlRun._meta.label, 0)
    return forgotten


def _asked_for(runs: Iterable[CrawlRun]) -> set[str]:
    """The keys of a superset of the runs in this batch that must be kept."""
    last_runs = CrawlSchedule.objects.values_list("last_run", flat=True)
    complete = [run for run in runs if run.verdict == Verdict.COMPLETE]
    scopes = {repr((run.spider, run.arguments)): run for run in complete}
    sources = {(run.spider, run.arguments["url"]) for run in complete if "url" in run.arguments}
    kept = [
        *(last_complete(run.spider, run.arguments) for run in scopes.values()),
        *(_last_with_changes(*source) for source in sources),
    ]
    return {run.pk for run in kept if run} | {key for key in last_runs if key}
