"""scrapyd's web services: https://scrapyd.readthedocs.io/en/latest/api.html"""

from collections.abc import Mapping
from signal import Signals
from typing import Any, NoReturn

from scrapyd import webservice
from scrapyd.exceptions import ScrapydError
from twisted.web import error, http
from twisted.web.error import UnsupportedMethod
from twisted.web.resource import Resource
from twisted.web.server import Request

from coincrawl.scrapyd import database
from coincrawl.scrapyd.log import Log
from webapp.crawls import queue
from webapp.crawls.catalog import ArgumentError
from webapp.crawls.models import CrawlRun
from webapp.crawls.queue import JobError
from webapp.crawls.verdict import Verdict

log = Log()


class Service(webservice.WsResource):
    """Rejects an invalid request with a sentence. Only an unexpected error has a traceback in the log."""

    def render(self, txrequest: Request) -> bytes:
        try:
            data = self._answer(txrequest)
        except error.Error as rejection:
            txrequest.setResponseCode(int(rejection.status))
            data = {"status": "error", "message": (rejection.message or b"").decode()}
        except Exception as unexpected:
            log.failure("{service} fails", service=type(self).__name__)
            data = {"status": "error", "message": f"{type(unexpected).__name__}: {unexpected}"}
        content = b""
        if data is not None:
            content = self.json_encoder.encode({**data, "node_name": self.root.node_name}).encode() + b"\n"
            txrequest.setHeader("Content-Type", "application/json")
        for name, value in {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": self.methods,
            "Access-Control-Allow-Headers": "X-Requested-With",
            "Content-Length": str(len(content)),
        }.items():
            txrequest.setHeader(name, value)
        return content

    def _answer(self, txrequest: Request) -> dict[str, Any] | None:
        """The answer; None to OPTIONS. Raises error.Error if the request is invalid or the database is unavailable."""
        try:
            if txrequest.method == b"HEAD" and not hasattr(self, "render_GET"):
                raise UnsupportedMethod(())
            data = Resource.render(self, txrequest)
        except UnsupportedMethod:
            raise _rejection(f"This service takes {self.methods.replace('HEAD, POST', 'POST')}.") from None
        except UnicodeDecodeError:
            raise _rejection("Names and values must be UTF-8.") from None
        except (ArgumentError, JobError, database.Unavailable) as reason:
            raise _rejection(str(reason)) from None
        except ScrapydError as reason:
            raise _rejection(f"{type(reason).__name__}: {reason}") from None
        return None if data is None else {**data, "status": "ok"}

    def check_project(self, project: str | None) -> None:
        if project is not None and project not in self.root.poller.queues:
            raise _rejection(f"project '{project}' not found")


def _rejection(sentence: str) -> error.Error:
    """With the status that scrapyd's own have."""
    return error.Error(http.OK, sentence.encode())


class DaemonStatus(Service, webservice.DaemonStatus):
    """Counts the jobs of all nodes."""


class ListProjects(Service, webservice.ListProjects):
    pass


class ListVersions(Service, webservice.ListVersions):
    pass


class ListSpiders(Service, webservice.ListSpiders):
    pass


class NotSupported(Service):
    """addversion.json, delproject.json and delversion.json: the code is this project's."""

    def render_POST(self, txrequest: Request) -> NoReturn:
        raise _rejection(
            "Code is neither uploaded to this scrapyd nor deleted from it: it runs the project in its own folder. "
            "To upgrade, update that folder (git pull) and restart scrapyd."
        )


class ListJobs(Service, webservice.ListJobs):
    def render_GET(self, txrequest: Request) -> dict[str, Any]:
        """scrapyd's own, with the node of each job."""
        data, nodes = super().render_GET(txrequest), self.root.nodes_of_jobs()
        for job in (*data["running"], *data["finished"]):
            job["node_name"] = nodes.get(job["id"])
        return data


class Status(Service):
    """The state of a job on any node, however long ago it ran."""

    @webservice.param("job")
    @webservice.param("project", required=False)
    def render_GET(self, txrequest: Request, job: str, project: str | None) -> dict[str, Any]:
        self.check_project(project)
        return {"currstate": "running" if job in self.root.launcher.own else database.now(lambda: _state(job))}


def _state(key: str) -> str | None:
    run = None if "\0" in key else CrawlRun.objects.only("verdict", "claim").filter(pk=key).first()
    if run is None:
        return None
    if run.verdict == Verdict.PENDING:
        return "running" if run.claim else "pending"  # for scrapyd a job runs as soon as it has a process
    return "running" if run.verdict == Verdict.RUNNING else "finished"


class Schedule(Service, webservice.Schedule):
    """Rejects what `scrapy crawl` rejects, with the same sentence."""

    def render_POST(self, txrequest: Request) -> dict[str, Any]:
        self._check(txrequest.args)
        return super().render_POST(txrequest)

    @staticmethod
    def _check(given: Mapping[bytes, list[bytes]]) -> None:
        for key, values in given.items():
            name = key.decode()
            if name == "_job":
                raise ArgumentError("There is no argument '_job'. The id of a job is given as jobid.")
            if name == "setting" and any(b"=" not in value for value in values):
                raise ArgumentError("A setting is given as setting=NAME=value.")
            if name != "setting" and len(values) > 1:
                raise ArgumentError(f"{name} is given more than once.")


class Cancel(Service):
    """Cancels a job on any node. A run on another one stops at its next heartbeat."""

    @webservice.param("project")
    @webservice.param("job")
    @webservice.param("signal", required=False, default="INT")
    def render_POST(self, txrequest: Request, project: str, job: str, signal: str) -> dict[str, Any]:
        self.check_project(project)
        try:
            number = Signals(int(signal)) if signal.isdecimal() else Signals[f"SIG{signal}"]
        except (ValueError, KeyError):
            raise _rejection(f"There is no signal {signal}: use INT, TERM or KILL.") from None
        before = "" if "\0" in job else database.now(lambda: queue.stop(job))
        if process := self.root.launcher.own.get(job):
            process.signalProcess(number)
        return {"prevstate": before if before in ("pending", "running") else None}
