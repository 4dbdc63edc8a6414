"""How many wrong passwords scrapyd looks at."""

import pytest

from coincrawl.scrapyd.guesses import MINUTE, MOST_ADDRESSES, MOST_GUESSES, Guesses, sender


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_ten_wrong_passwords_a_minute_are_looked_at() -> None:
    clock = Clock()
    guesses = Guesses(clock)

    waits = []
    for _ in range(MOST_GUESSES):
        waits.append(guesses.wait("192.0.2.1"))
        guesses.count("192.0.2.1")
        clock.now += 1
    waits.append(guesses.wait("192.0.2.1"))
    clock.now += MINUTE - MOST_GUESSES
    waits.append(guesses.wait("192.0.2.1"))
    guesses.count("192.0.2.1")
    waits.append(guesses.wait("192.0.2.1"))

    assert waits == [0.0] * MOST_GUESSES + [MINUTE - MOST_GUESSES, 0.0, 0.0]


def test_nobody_waits_for_the_guesses_of_another_address() -> None:
    guesses = Guesses(Clock())
    for _ in range(MOST_GUESSES):
        guesses.count("192.0.2.1")

    assert (guesses.wait("192.0.2.1"), guesses.wait("192.0.2.2")) == (MINUTE, 0.0)


def test_of_many_addresses_those_that_guessed_last_are_remembered() -> None:
    guesses = Guesses(Clock())
    for _ in range(MOST_GUESSES):
        for host in ("192.0.2.1", "192.0.2.2"):
            guesses.count(host)
    for number in range(MOST_ADDRESSES - 2):
        guesses.count(f"10.0.{number >> 8}.{number & 255}")
    guesses.count("192.0.2.2")
    guesses.count("192.0.2.3")

    assert (guesses.wait("192.0.2.1"), guesses.wait("192.0.2.2")) == (0.0, MINUTE)
    assert len(guesses._wrong) == MOST_ADDRESSES


@pytest.mark.parametrize(
    ("host", "who"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:0:0:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_with_ipv6_a_network_counts_as_one(host: str, who: str) -> None:
    assert sender(host) == who
