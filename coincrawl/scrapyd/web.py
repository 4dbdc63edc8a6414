"""scrapyd's web services and pages: https://scrapyd.readthedocs.io/en/latest/api.html"""

from collections.abc import Mapping
from contextlib import suppress
from html import escape
from signal import Signals
from typing import Any
from urllib.parse import urlsplit

from scrapyd import webservice, website
from scrapyd.config import Config
from scrapyd.exceptions import ScrapydError
from twisted.python.components import Componentized
from twisted.web import error, http
from twisted.web.error import UnsupportedMethod
from twisted.web.pages import forbidden, notFound
from twisted.web.resource import Resource
from twisted.web.server import Request

from coincrawl.scrapyd import database
from coincrawl.scrapyd.jobs import AllNodes, Known
from coincrawl.scrapyd.log import Log
from webapp.coins.texts import one_line
from webapp.coins.upsert import DATABASE_ERRORS
from webapp.crawls import queue
from webapp.crawls.catalog import SPIDERS, ArgumentError
from webapp.crawls.models import CrawlRun, Verdict
from webapp.crawls.queue import JobError

log = Log()

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# What schedule.json takes besides a spider's arguments.
OF_SCRAPYD = ("project", "spider", "_version", "jobid", "priority", "setting")
NOT_NOW = (*DATABASE_ERRORS, TimeoutError)
SCRAPYDS_EXAMPLE = "curl http://localhost:6800/schedule.json -d project=default -d spider=somespider"


class Root(website.Root):
    """scrapyd's own, for nobody but people and programs that mean it. It knows the jobs of all nodes."""

    def __init__(self, config: Config, app: Componentized) -> None:
        super().__init__(config, app)
        self._hosts = None if config.get("password", "") else (*LOOPBACK, config.get("bind_address"))
        self._most = config.getint("finished_to_keep")
        self.username = config.get("username", "")
        self.putChild(b"", Home(self))
        self.putChild(b"jobs", Jobs(self))

    @property
    def project(self) -> str:
        """The one that there is."""
        return next(iter(self.poller.queues))

    @property
    def launcher(self) -> AllNodes:
        return AllNodes(super().launcher.processes.values(), self.project, self._most)

    def getChildWithDefault(self, path: bytes, request: Request) -> Resource:
        """No page of another site may have a browser ask: its reader may be logged in here, or sit at this machine.

        Without a password it is asked by a name of this machine alone, because any other may be made to lead here.
        """
        origin, host = request.getHeader("Origin"), request.getHeader("Host") or ""
        if (origin and origin.partition("://")[2] != host) or (self._hosts and _name(host) not in self._hosts):
            return forbidden(message="Not for pages of other sites.")
        if not all(map(_can_be_a_files, request.postpath or ())):
            return notFound()
        return super().getChildWithDefault(path, request)


def _name(host: str) -> str:
    """Of a Host header, without its port."""
    with suppress(ValueError):
        return urlsplit(f"//{host}").hostname or ""
    return ""


def _can_be_a_files(name: bytes) -> bool:
    """Twisted logs a traceback where a file is asked for by another name."""
    with suppress(UnicodeDecodeError):
        return "\0" not in name.decode()
    return False


# Pages -----------------------------------------------------------------------------------------------
class Home(website.Home):
    def render_GET(self, txrequest: Request) -> bytes:
        """scrapyd's own, with a call that works here."""
        user = f" --user {self.root.username}" if self.root.username else ""
        host = txrequest.getHeader("Host") or "localhost:6800"
        address = f"http://{host}{self.get_base_path(txrequest)}/schedule.json"
        spider = next(name for name, entry in SPIDERS.items() if "pages" in entry.arguments)
        call = f"curl{user} {address} -d project={self.root.project} -d spider={spider} -d pages=1"
        page = super().render_GET(txrequest).replace(SCRAPYDS_EXAMPLE.encode(), escape(call).encode())
        txrequest.setHeader("Content-Length", str(len(page)))
        return page


class Jobs(website.Jobs):
    """scrapyd's own with a column more, the last, so that who reads the page by a pattern still can."""

    def __init__(self, root: Root) -> None:
        super().__init__(root)
        self.headers.append("Node")
        self._nodes: dict[str, str] = {}

    def render_GET(self, txrequest: Request) -> bytes:
        try:
            self._nodes = _nodes(self.root)
            return super().render_GET(txrequest)
        except NOT_NOW as fault:
            txrequest.setResponseCode(http.SERVICE_UNAVAILABLE)
            txrequest.setHeader("Content-Type", "text/plain; charset=utf-8")
            return f"{_not_now(fault)}\n".encode()

    def prepare_row(self, row: dict[str, Any]) -> str:
        return super().prepare_row({**row, "Node": escape(self._nodes.get(row["Job"], ""))})


def _nodes(root: Root) -> dict[str, str]:
    """By job, the node that it is run on, or was."""
    jobs, here = root.launcher, str(root.node_name)
    nodes = dict.fromkeys(jobs.own, here)
    return nodes | {job.job: job.node for job in (*jobs.processes.values(), *jobs.finished) if isinstance(job, Known)}


def _not_now(fault: Exception) -> str:
    log.warn("The database cannot be asked: {words}", words=one_line(fault))
    return f"The database cannot be asked: {one_line(fault)}"


# Web services ----------------------------------------------------------------------------------------
class Service(webservice.WsResource):
    """Whatever it refuses it answers with a sentence; a traceback in the log is for what nobody expected."""

    def render(self, txrequest: Request) -> bytes:
        try:
            data = self._ask(txrequest)
        except error.Error as refusal:
            txrequest.setResponseCode(int(refusal.status))
            data = {"status": "error", "message": (refusal.message or b"").decode()}
        except Exception as fault:
            log.failure("{service} fails", service=type(self).__name__)
            data = {"status": "error", "message": f"{type(fault).__name__}: {fault}"}
        content = b""
        if data is not None:  # to OPTIONS
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

    def _ask(self, txrequest: Request) -> dict[str, Any] | None:
        """The answer; error.Error where something in the request, or the database, cannot be."""
        try:
            if txrequest.method == b"HEAD" and not hasattr(self, "render_GET"):
                raise UnsupportedMethod(())
            data = Resource.render(self, txrequest)
        except UnsupportedMethod:
            raise _refusal(f"This service takes {self.methods.replace('HEAD, POST', 'POST')}.") from None
        except UnicodeDecodeError:
            raise _refusal("Names and values must be UTF-8.") from None
        except (ArgumentError, JobError) as refusal:
            raise _refusal(str(refusal)) from None
        except ScrapydError as refusal:
            raise _refusal(f"{type(refusal).__name__}: {refusal}") from None
        except NOT_NOW as fault:
            raise _refusal(_not_now(fault)) from None
        return None if data is None else {**data, "status": "ok"}

    def check_project(self, project: str | None) -> None:
        if project is not None and project not in self.root.poller.queues:
            raise _refusal(f"project '{project}' not found")


class DaemonStatus(Service, webservice.DaemonStatus):
    """Of all nodes."""


class ListProjects(Service, webservice.ListProjects):
    pass


class ListVersions(Service, webservice.ListVersions):
    pass


class ListSpiders(Service, webservice.ListSpiders):
    pass


class AddVersion(Service, webservice.AddVersion):
    """Refused: see eggs.py."""


class DeleteProject(Service, webservice.DeleteProject):
    """Refused."""


class DeleteVersion(Service, webservice.DeleteVersion):
    """Refused."""


class ListJobs(Service, webservice.ListJobs):
    def render_GET(self, txrequest: Request) -> dict[str, Any]:
        """scrapyd's own, and on which node a job is run, or was."""
        data, nodes = super().render_GET(txrequest), _nodes(self.root)
        for job in (*data["running"], *data["finished"]):
            job["node_name"] = nodes.get(job["id"])
        return data


class Status(Service):
    """Of a job on any node, however long ago."""

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
        return "running" if run.claim else "pending"  # scrapyd's word from when there is a process
    return "running" if run.verdict == Verdict.RUNNING else "finished"


class Schedule(Service, webservice.Schedule):
    """Refuses what `scrapy crawl` refuses, with its sentence."""

    def render_POST(self, txrequest: Request) -> dict[str, Any]:
        self._check(txrequest.args)
        return super().render_POST(txrequest)

    @staticmethod
    def _check(given: Mapping[bytes, list[bytes]]) -> None:
        for key, values in given.items():
            name = key.decode()
            known = {name for entry in SPIDERS.values() for name in entry.arguments}
            if name not in (*OF_SCRAPYD, *known):
                raise ArgumentError(f"There is no argument {name!r}. Arguments: {', '.join(sorted(known))}.")
            if name == "setting" and any(b"=" not in value for value in values):
                raise ArgumentError("A setting is given as setting=NAME=value.")
            if name != "setting" and len(values) > 1:
                raise ArgumentError(f"{name} is given more than once.")


class Cancel(Service):
    """Cancels a job on whichever node it is: elsewhere the run hears of it at its next sign of life."""

    @webservice.param("project")
    @webservice.param("job")
    @webservice.param("signal", required=False, default="INT")
    def render_POST(self, txrequest: Request, project: str, job: str, signal: str) -> dict[str, Any]:
        self.check_project(project)
        try:
            number = Signals(int(signal)) if signal.isdecimal() else Signals[f"SIG{signal}"]
        except (ValueError, KeyError):
            raise _refusal(f"There is no signal {signal}: INT, TERM and KILL are some.") from None
        before = "" if "\0" in job else database.now(lambda: queue.stop(job))
        if process := self.root.launcher.own.get(job):
            process.signalProcess(number)
        return {"prevstate": before if before in ("pending", "running") else None}


def _refusal(sentence: str) -> error.Error:
    """As scrapyd words its own."""
    return error.Error(http.OK, sentence.encode())
