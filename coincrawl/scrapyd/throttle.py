"""A limit on wrong passwords for scrapyd: ten a minute from one address."""

from http import HTTPStatus
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from twisted.web.pages import errorPage
from twisted.web.resource import Resource
from twisted.web.server import Request

MAX_WRONG = 10  # passwords from one sender in a minute
MINUTE = 60  # s
MAX_SENDERS = 10_000  # that are remembered; beyond it, the third seen longest ago is dropped


class PasswordThrottle(Resource):
    """Stands in front of the resource that asks for the password, and answers 429 after too many wrong ones.

    The address is the connection's, also behind a proxy: anybody can write a header.
    """

    def __init__(self, resource: Any) -> None:  # Twisted's type for it is an interface of zope's
        super().__init__()
        self._resource = resource
        self._wrong = LocMemCache("scrapyd", {"OPTIONS": {"MAX_ENTRIES": MAX_SENDERS}})

    def getChildWithDefault(self, path: bytes, request: Request) -> Any:
        if request.getHeader("Authorization"):
            sender = sender_of(getattr(request.getClientAddress(), "host", ""))
            if self._wrong.get(sender, 0) >= MAX_WRONG:
                request.setHeader("Retry-After", str(MINUTE))
                return errorPage(HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong passwords", "Try again in a minute.")
            request.notifyFinish().addBoth(lambda _: self._count(sender, request.code))
        return self._resource.getChildWithDefault(path, request)

    def _count(self, sender: str, status: int) -> None:
        if status == HTTPStatus.UNAUTHORIZED:
            self._wrong.add(sender, 0, MINUTE)
            self._wrong.incr(sender)


def sender_of(host: str) -> str:
    """The address, or with IPv6 its /64 network: one customer has a whole one. Empty for a Unix socket."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((int(address), 64), strict=False))
    return host
