"""How many wrong passwords scrapyd checks."""

from collections.abc import Callable, Iterator
from time import time
from typing import Any

import pytest
import time_machine
from twisted.internet.address import IPv4Address
from twisted.web.resource import Resource
from twisted.web.test.requesthelper import DummyRequest

from coincrawl.scrapyd.throttle import MAX_SENDERS, MAX_WRONG, MINUTE, PasswordThrottle, sender_of

Ask = Callable[..., int]


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Ask with a password, which is wrong where the status is 401; returns the status of the answer."""
    asks_for_password: Any = Resource()
    throttle = PasswordThrottle(asks_for_password)
    asks_for_password.putChild(b"page", page := Resource())

    def ask(host: str = "192.0.2.1", status: int = 401) -> int:
        request: Any = DummyRequest([])
        request.client = IPv4Address("TCP", host, 1)
        request.requestHeaders.setRawHeaders("Authorization", ["Basic Og=="])
        found = throttle.getChildWithDefault(b"page", request)
        if found is page:
            request.code = status
            request.finish()
            return status
        found.render(request)
        assert request.responseHeaders.getRawHeaders("Retry-After") == ["60"]
        return int(request.responseCode)

    yield ask
    throttle._wrong.clear()


def test_ten_wrong_passwords_a_minute_are_checked(ask: Ask) -> None:
    with time_machine.travel(time(), tick=False) as clock:
        first = [ask() for _ in range(MAX_WRONG)]
        clock.shift(MINUTE - 1)
        meanwhile = ask(status=200)
        clock.shift(1)
        afterwards = ask(status=200)

    assert (first, meanwhile, afterwards) == ([401] * MAX_WRONG, 429, 200)


def test_right_passwords_are_not_counted(ask: Ask) -> None:
    assert [ask(status=200) for _ in range(MAX_WRONG * 2)] == [200] * MAX_WRONG * 2


def test_wrong_passwords_from_one_address_do_not_lock_out_another(ask: Ask) -> None:
    for _ in range(MAX_WRONG):
        ask("192.0.2.1")

    assert (ask("192.0.2.1"), ask("192.0.2.2")) == (429, 401)


def test_of_many_addresses_those_seen_last_are_remembered(ask: Ask) -> None:
    for _ in range(MAX_WRONG):
        for host in ("192.0.2.1", "192.0.2.2"):
            ask(host)

    for number in range(MAX_SENDERS - 2):
        ask(f"10.0.{number >> 8}.{number & 255}")
    ask("192.0.2.2")
    ask("192.0.2.3")

    assert (ask("192.0.2.1"), ask("192.0.2.2")) == (401, 429)


@pytest.mark.parametrize(
    ("host", "sender"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:0:0:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_network_of_ipv6_counts_as_one_sender(host: str, sender: str) -> None:
    assert sender_of(host) == sender
