"""The jobs of all nodes, as scrapyd's web services and pages want to see them. The database remembers them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Self

from django.db.models import Q

from coincrawl.scrapyd import database
from coincrawl.scrapyd.job import Job
from webapp.crawls.models import CrawlRun, Verdict
from webapp.crawls.models.run import BUSY, UNDER_WAY

FIELDS = ("spider", "node", "queued_at", "claimed_at", "started_at", "finished_at")
# Slots that passed: nothing was queued for them.
PASSED = Q(verdict=Verdict.SKIPPED, slot__isnull=False, claim="", stop_requested_at=None)


@dataclass(frozen=True)
class Known:
    """A job that has no process here, for all that is known."""

    project: str
    spider: str
    job: str
    node: str
    start_time: datetime
    end_time: datetime | None
    pid: None = None

    @classmethod
    def of(cls, run: CrawlRun, project: str) -> Self:
        begun = run.started_at or run.claimed_at or run.finished_at or run.queued_at
        end = _for_scrapyd(run.finished_at) if run.finished_at else None
        return cls(project, run.spider, run.pk, run.node, _for_scrapyd(begun), end)


def _for_scrapyd(moment: datetime) -> datetime:
    """As it shows its own, without a zone."""
    return moment.astimezone().replace(tzinfo=None)


class AllNodes:
    """What the web services ask the launcher for: `processes` under way, and those `finished`, the newest first.

    `own` are the processes of this node, by job.
    """

    def __init__(self, processes: Iterable[Job], project: str, most: int) -> None:
        self.own = {job.job: job for job in processes}
        self._project, self._most = project, most

    @cached_property
    def processes(self) -> Mapping[str, Job | Known]:
        elsewhere = database.now(lambda: list(CrawlRun.objects.filter(BUSY).only(*FIELDS)))
        return {**{run.pk: Known.of(run, self._project) for run in elsewhere}, **self.own}

    @cached_property
    def finished(self) -> list[Known]:
        """The last `most` of them. One whose process has still to end is not among them."""
        runs = [run for run in database.now(self._last) if run.pk not in self.own]
        jobs = sorted((Known.of(run, self._project) for run in runs), key=lambda job: job.end_time or job.start_time)
        return jobs[: -self._most - 1 : -1]

    def _last(self) -> list[CrawlRun]:
        """In the order of an index, which has by itself those that never began."""
        over = CrawlRun.objects.exclude(UNDER_WAY).exclude(PASSED).exclude(finished_at=None).only(*FIELDS)
        begun = over.exclude(started_at=None).order_by("-started_at")[: self._most]
        never_begun = over.filter(started_at=None).order_by("-finished_at")[: self._most]
        return [*begun, *never_begun]
