"""Jobs: how tests queue, claim and begin one."""

from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from webapp.crawls import queue, recording
from webapp.crawls.models import CrawlRun
from webapp.crawls.queue import Death

jobs = CrawlRun.objects
DEATH = Death("signal 9 (Killed)", "the last line")


def enqueue(key: str = "job", spider: str = "markets", **values: Any) -> CrawlRun:
    return queue.enqueue(spider, {}, key, **values)


def claim(key: str = "job", **values: Any) -> CrawlRun:
    """A job that a node has claimed."""
    enqueue(key, **values)
    claimed = queue.claim("node")
    assert claimed
    return claimed


def begin(job: CrawlRun, **values: Any) -> CrawlRun:
    return recording.begin(job.spider, job.arguments, job.pk, claim=job.claim, **values)


def let_pass(seconds: float) -> None:
    """For the claims."""
    jobs.exclude(claimed_at=None).update(claimed_at=Now() - timedelta(seconds=seconds))


def again(run: CrawlRun) -> CrawlRun:
    return jobs.get(pk=run.pk)
