"""Schedules that tick: how tests make a schedule, let time pass and read what became of its slots."""

from datetime import UTC, datetime, timedelta
from typing import Any

from webapp.crawls import queue, recording, ticker
from webapp.crawls.crontab import Crontab
from webapp.crawls.models import CrawlRun, CrawlSchedule
from webapp.crawls.queue import Death
from webapp.crawls.verdict import Verdict

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)  # a Sunday
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DEATH = Death("signal 9 (Killed)")

schedules, runs = CrawlSchedule.objects, CrawlRun.objects


def schedule(crontab: str = "*/5 * * * *", name: str = "one", spider: str = "markets", **values: Any) -> CrawlSchedule:
    """One that has ticked already, at five to noon, unless it says otherwise."""
    values = {"next_run_at": next(Crontab(crontab, values.get("time_zone", "UTC")).since(NOON))} | values
    return schedules.create(name=name, spider=spider, crontab=crontab, **values)


def tick(*moments: datetime) -> None:
    for moment in moments:
        ticker.tick(moment)


def end(verdict: Verdict = Verdict.COMPLETE, *, has_answered: bool = True) -> CrawlRun:
    """Begin the job that waits, and end it; where its source is not `has_answered`, without an answer."""
    job = queue.claim("node")
    assert job
    run = recording.begin(job.spider, job.arguments, job.pk, claim=job.claim)
    if verdict == Verdict.LOST:
        queue.settle(job.claim, DEATH)
    else:
        recording.finish(run, verdict, has_answered=has_answered)
    return runs.get(pk=run.pk)


def seen(which: CrawlSchedule | None = None) -> list[tuple[datetime | None, str]]:
    """Slots with their verdicts, in their order."""
    of = runs.filter(schedule=which) if which else runs.all()
    return list(of.order_by("slot", "queued_at").values_list("slot", "verdict"))


def next_of(which: CrawlSchedule) -> datetime | None:
    return schedules.get(pk=which.pk).next_run_at
