"""scrapyd's web services and page: https://scrapyd.readthedocs.io/en/latest/api.html"""

from typing import Any
from urllib.parse import urlsplit

from scrapyd import webservice, website
from twisted.web import error, http
from twisted.web.pages import forbidden
from twisted.web.resource import Resource
from twisted.web.server import Request

from webapp.coins.catalog import ArgumentError
from webapp.coins.models import CrawlRun
from webapp.coins.models.queue import JobError

from . import database


class Root(website.Root):
    """scrapyd's own, for nobody but people and programs that mean it."""

    def getChildWithDefault(self, path: bytes, request: Request) -> Resource:
        """No page of another site may have a browser ask: its reader may be logged in here, or sit at this machine."""
        origin = request.getHeader("Origin")
        if origin and urlsplit(origin).netloc != request.getHeader("Host"):
            return forbidden(message="Not for pages of other sites.")
        return super().getChildWithDefault(path, request)


class Schedule(webservice.Schedule):
    """Refuses what the catalog refuses, with its sentence."""

    def render_POST(self, txrequest: Request) -> dict[str, Any]:
        try:
            return super().render_POST(txrequest)
        except (ArgumentError, JobError) as refusal:
            raise error.Error(http.OK, str(refusal).encode()) from None


class Cancel(webservice.Cancel):
    """Cancels a job on whichever node it is: elsewhere the run hears of it at its next sign of life."""

    @webservice.param("project")
    @webservice.param("job")
    @webservice.param("signal", required=False, default="INT")
    def render_POST(self, txrequest: Request, project: str, job: str, signal: str) -> dict[str, Any]:
        if project not in self.root.poller.queues:
            raise error.Error(http.OK, f"project '{project}' not found".encode())
        before = database.now(lambda: CrawlRun.objects.stop(job))
        for process in self.root.launcher.processes.values():
            if process.job == job:
                process.signalProcess(int(signal) if signal.isdigit() else signal)
        return {"prevstate": before if before in ("pending", "running") else None}
