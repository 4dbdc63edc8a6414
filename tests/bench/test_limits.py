"""What is computed from the requests that the API saw."""

from tests.bench.api import Arrival
from tests.bench.limits import refused, shortest, span

ARRIVALS = [
    Arrival(100.5, "/coins/list", 200),
    Arrival(100.0, "/coins/markets", 200),
    Arrival(102.0, "/coins/markets", 429),
]


def test_the_time_is_from_the_first_to_the_last_arrival() -> None:
    assert span(ARRIVALS) == 2


def test_the_shortest_time_is_that_of_the_calls_after_the_first() -> None:
    assert shortest(ARRIVALS, rate=30) == 4


def test_refused_calls_are_counted() -> None:
    assert refused(ARRIVALS) == 1
