"""Who guesses scrapyd's password is slowed down: ten wrong ones a minute from an address, and no more are looked at."""

from collections.abc import Callable
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from time import monotonic
from typing import Any

from twisted.web.pages import errorPage
from twisted.web.resource import Resource
from twisted.web.server import Request

MOST_GUESSES = 10  # from an address in a minute
MINUTE = 60.0  # s
MOST_ADDRESSES = 10_000  # that are remembered, in about 2 MB


class Guesses:
    """Wrong passwords by who has sent them: an address, or with IPv6 a network, of which a customer has a whole one."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._wrong: dict[str, tuple[float, int]] = {}  # since when how many; who guessed last comes last

    def wait(self, host: str) -> float:
        """For how many seconds no password from there is looked at; 0: it is."""
        since, count = self._wrong.get(sender(host), (0.0, 0))
        left = since + MINUTE - self._clock()
        return max(left, 0.0) if count >= MOST_GUESSES else 0.0

    def count(self, host: str) -> None:
        now, who = self._clock(), sender(host)
        since, count = self._wrong.pop(who, (now, 0))
        self._wrong[who] = (since, count + 1) if now < since + MINUTE else (now, 1)
        if len(self._wrong) > MOST_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]


def sender(host: str) -> str:
    """Whom an address stands for; '' for a Unix socket."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((int(address), 64), strict=False))
    return host


class Doorkeeper(Resource):
    """In front of the resource that asks for the password: answers 429 instead where there were too many wrong ones.

    An address is the one that a connection comes from, also behind a proxy: what a header says anybody can write.
    """

    def __init__(self, resource: Any) -> None:  # of no type, because Twisted's interfaces are zope's
        super().__init__()
        self._resource = resource
        self._guesses = Guesses()

    def getChildWithDefault(self, path: bytes, request: Request) -> Any:
        if request.getHeader("Authorization"):
            host = getattr(request.getClientAddress(), "host", "")
            if seconds := self._guesses.wait(host):
                request.setHeader("Retry-After", str(ceil(seconds)))
                return errorPage(HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong passwords", "Try again in a minute.")
            request.notifyFinish().addBoth(lambda _: self._look_at(request, host))
        return self._resource.getChildWithDefault(path, request)

    def _look_at(self, request: Request, host: str) -> None:
        if request.code == HTTPStatus.UNAUTHORIZED:
            self._guesses.count(host)
