"""The jobs of all nodes, as scrapyd's web services and pages read them. The database has them all."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Self

from django.db.models import Q

from coincrawl.scrapyd import database
from coincrawl.scrapyd.job import Job
from webapp.crawls.models import CrawlRun
from webapp.crawls.models.run import BUSY, UNDER_WAY
from webapp.crawls.verdict import Verdict

FIELDS = ("spider", "node", "queued_at", "claimed_at", "started_at", "finished_at")
# Slots that were skipped because they were missed: nothing was queued for them.
MISSED = Q(verdict=Verdict.SKIPPED, slot__isnull=False, claim="", stop_requested_at=None)


@dataclass(frozen=True)
class StoredJob:
    """A job without a process here. Its times have no zone, as scrapyd's own."""

    project: str
    spider: str
    job: str
    node: str
    start_time: datetime
    end_time: datetime | None
    pid: None = None

    @classmethod
    def of(cls, run: CrawlRun, project: str) -> Self:
        began = run.started_at or run.claimed_at or run.finished_at or run.queued_at
        ended = _without_zone(run.finished_at) if run.finished_at else None
        return cls(project, run.spider, run.pk, run.node, _without_zone(began), ended)


def _without_zone(moment: datetime) -> datetime:
    return moment.astimezone().replace(tzinfo=None)


class AllNodes:
    """Stands for the launcher in scrapyd's site: `processes` are the jobs under way, on all nodes.

    `own` are those of this node, by job.
    """

    def __init__(self, processes: Iterable[Job], project: str, max_finished: int) -> None:
        self.own = {job.job: job for job in processes}
        self._project, self._max_finished = project, max_finished

    @cached_property
    def processes(self) -> Mapping[str, Job | StoredJob]:
        runs = database.now(lambda: list(CrawlRun.objects.filter(BUSY).only(*FIELDS)))
        return {**{run.pk: StoredJob.of(run, self._project) for run in runs}, **self.own}

    @cached_property
    def finished(self) -> list[StoredJob]:
        """The last `max_finished`, the newest first. A job whose process has not ended is not among them."""
        runs = [run for run in database.now(self._last) if run.pk not in self.own]
        jobs = [StoredJob.of(run, self._project) for run in runs]
        return sorted(jobs, key=lambda job: job.end_time or job.start_time, reverse=True)[: self._max_finished]

    def nodes(self, here: str) -> dict[str, str]:
        """By job, the name of its node; `here` is this node's."""
        stored = {job.job: job.node for job in (*self.processes.values(), *self.finished) if isinstance(job, StoredJob)}
        return dict.fromkeys(self.own, here) | stored

    def _last(self) -> list[CrawlRun]:
        """Two queries, each in the order of an index: runs that began, and runs that never did."""
        over = CrawlRun.objects.exclude(UNDER_WAY).exclude(MISSED).exclude(finished_at=None).only(*FIELDS)
        began = over.exclude(started_at=None).order_by("-started_at")[: self._max_finished]
        never_began = over.filter(started_at=None).order_by("-finished_at")[: self._max_finished]
        return [*began, *never_began]
