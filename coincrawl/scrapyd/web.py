"""scrapyd's site: who may ask it, and its pages. The web services are in services.py."""

from contextlib import suppress
from html import escape
from typing import Any
from urllib.parse import urlsplit

from scrapyd import website
from scrapyd.config import Config
from scrapyd.webservice import spider_list
from twisted.python.components import Componentized
from twisted.web import http
from twisted.web.pages import forbidden, notFound
from twisted.web.resource import Resource
from twisted.web.server import Request

from coincrawl.scrapyd import database
from coincrawl.scrapyd.jobs import AllNodes
from webapp.crawls.catalog import SPIDERS

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SCRAPYDS_EXAMPLE = "curl http://localhost:6800/schedule.json -d project=default -d spider=somespider"


class Root(website.Root):
    """scrapyd's own, closed to the pages of other sites. It knows the jobs of all nodes."""

    def __init__(self, config: Config, app: Componentized) -> None:
        super().__init__(config, app)
        self._hosts = None if config.get("password", "") else (*LOOPBACK, config.get("bind_address"))
        self._max_finished = config.getint("finished_to_keep")
        self.username = config.get("username", "")
        # From the catalog: scrapyd would block for the seconds that `scrapy list` takes.
        spider_list.cache[self.project] = dict.fromkeys((None, ""), sorted(SPIDERS))
        self.putChild(b"", Home(self))
        self.putChild(b"jobs", Jobs(self))

    @property
    def project(self) -> str:
        """The only one."""
        return next(iter(self.poller.queues))

    @property
    def launcher(self) -> AllNodes:
        return AllNodes(super().launcher.processes.values(), self.project, self._max_finished)

    def nodes_of_jobs(self) -> dict[str, str]:
        """By job under way or finished, the name of its node."""
        return self.launcher.nodes(self.node_name)

    def getChildWithDefault(self, path: bytes, request: Request) -> Resource:
        """Reject what a page of another site has a browser ask for: its user may be logged in, or on this machine.

        Without a password, the host must be a name of this machine: any other name can be made to lead here.
        """
        origin, host = request.getHeader("Origin"), request.getHeader("Host") or ""
        if (origin and origin.partition("://")[2] != host) or (self._hosts and _name(host) not in self._hosts):
            return forbidden(message="Not for pages of other sites.")
        if not all(map(_is_filename, request.postpath or ())):
            return notFound()
        return super().getChildWithDefault(path, request)


def _name(host: str) -> str:
    """The name in a Host header, without the port."""
    with suppress(ValueError):
        return urlsplit(f"//{host}").hostname or ""
    return ""


def _is_filename(name: bytes) -> bool:
    """Whether a file can have this name. Twisted logs a traceback for any other."""
    with suppress(UnicodeDecodeError):
        return "\0" not in name.decode()
    return False


class Home(website.Home):
    def render_GET(self, txrequest: Request) -> bytes:
        """scrapyd's own, with an example that works here."""
        user = f" --user {self.root.username}" if self.root.username else ""
        host = txrequest.getHeader("Host") or "localhost:6800"
        address = f"http://{host}{self.get_base_path(txrequest)}/schedule.json"
        spider = next(name for name, entry in SPIDERS.items() if "pages" in entry.arguments)
        call = f"curl{user} {address} -d project={self.root.project} -d spider={spider} -d pages=1"
        page = super().render_GET(txrequest).replace(SCRAPYDS_EXAMPLE.encode(), escape(call).encode())
        txrequest.setHeader("Content-Length", str(len(page)))
        return page


class Jobs(website.Jobs):
    """scrapyd's own with one more column. It is the last, for programs that read the page by a pattern."""

    def __init__(self, root: Root) -> None:
        super().__init__(root)
        self.headers.append("Node")
        self._nodes: dict[str, str] = {}

    def render_GET(self, txrequest: Request) -> bytes:
        try:
            self._nodes = self.root.nodes_of_jobs()
            return super().render_GET(txrequest)
        except database.Unavailable as error:
            txrequest.setResponseCode(http.SERVICE_UNAVAILABLE)
            txrequest.setHeader("Content-Type", "text/plain; charset=utf-8")
            return f"{error}\n".encode()

    def prepare_row(self, row: dict[str, Any]) -> str:
        return super().prepare_row({**row, "Node": escape(self._nodes.get(row["Job"], ""))})
