"""scrapyd's web services and page: https://scrapyd.readthedocs.io/en/latest/api.html"""

from collections.abc import Mapping
from contextlib import suppress
from signal import Signals
from typing import Any
from urllib.parse import urlsplit

from scrapyd import webservice, website
from scrapyd.config import Config
from twisted.python.components import Componentized
from twisted.web import error, http
from twisted.web.pages import forbidden
from twisted.web.resource import Resource
from twisted.web.server import Request

from webapp.coins.catalog import SPIDERS, ArgumentError
from webapp.coins.models import CrawlRun
from webapp.coins.models.queue import JobError

from . import database

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# What schedule.json takes besides a spider's arguments.
OF_SCRAPYD = ("project", "spider", "_version", "jobid", "priority", "setting")


class Root(website.Root):
    """scrapyd's own, for nobody but people and programs that mean it."""

    def __init__(self, config: Config, app: Componentized) -> None:
        super().__init__(config, app)
        self._hosts = None if config.get("password", "") else (*LOOPBACK, config.get("bind_address"))

    def getChildWithDefault(self, path: bytes, request: Request) -> Resource:
        """No page of another site may have a browser ask: its reader may be logged in here, or sit at this machine.

        Without a password it is asked by a name of this machine alone, because any other may be made to lead here.
        """
        origin, host = request.getHeader("Origin"), request.getHeader("Host") or ""
        if (origin and origin.partition("://")[2] != host) or (self._hosts and _name(host) not in self._hosts):
            return forbidden(message="Not for pages of other sites.")
        return super().getChildWithDefault(path, request)


def _name(host: str) -> str:
    """Of a Host header, without its port."""
    with suppress(ValueError):
        return urlsplit(f"//{host}").hostname or ""
    return ""


class Schedule(webservice.Schedule):
    """Refuses what the catalog refuses, with its sentence."""

    def render_POST(self, txrequest: Request) -> dict[str, Any]:
        try:
            self._check(txrequest.args)
            return super().render_POST(txrequest)
        except UnicodeDecodeError:
            raise _refusal("Names and values must be UTF-8.") from None
        except (ArgumentError, JobError) as refusal:
            raise _refusal(str(refusal)) from None

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


class Cancel(webservice.Cancel):
    """Cancels a job on whichever node it is: elsewhere the run hears of it at its next sign of life."""

    @webservice.param("project")
    @webservice.param("job")
    @webservice.param("signal", required=False, default="INT")
    def render_POST(self, txrequest: Request, project: str, job: str, signal: str) -> dict[str, Any]:
        if project not in self.root.poller.queues:
            raise _refusal(f"project '{project}' not found")
        try:
            number = Signals(int(signal)) if signal.isdecimal() else Signals[f"SIG{signal}"]
        except (ValueError, KeyError):
            raise _refusal(f"There is no signal {signal}: INT, TERM and KILL are some.") from None
        before = database.now(lambda: CrawlRun.objects.stop(job))
        for process in self.root.launcher.processes.values():
            if process.job == job:
                process.signalProcess(number)
        return {"prevstate": before if before in ("pending", "running") else None}


def _refusal(sentence: str) -> error.Error:
    """As scrapyd words its own."""
    return error.Error(http.OK, sentence.encode())
