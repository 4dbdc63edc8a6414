"""Requests to the read API through Django's test client."""

from collections.abc import Iterator
from typing import Any

from django.test import Client

from tests.support.factories import HOUR, NOON, make_coin, make_run
from tests.support.prices import make_bar

COINS = "/api/coins/"
RUNS = "/api/runs/"
HEALTH = "/api/health/"
PRICES = ["/api/coins/bitcoin/prices/", "/api/prices/?date=2026-02-05", "/api/prices/days/"]
ADDRESSES = ["/api/", COINS, "/api/coins/bitcoin/", *PRICES, RUNS, "/api/runs/first/", HEALTH]


def make_rows() -> None:
    """The rows of ADDRESSES."""
    make_coin()
    make_bar(time=NOON - 12 * HOUR)
    make_run(id="first", finished_at=NOON)


def read(client: Client, address: str, **query: Any) -> Any:
    """The JSON of a successful answer."""
    response = client.get(address, query)
    assert response.status_code == 200, response.content
    return response.json()


def rejected(client: Client, address: str, status: int) -> str:
    """The sentence of an error with this status."""
    response = client.get(address)
    assert (response.status_code, response["Content-Type"]) == (status, "application/json")
    answer = response.json()
    assert list(answer) == ["detail"]
    return answer["detail"]


def ids(page: Any) -> list[str]:
    return [coin["coin_id"] for coin in page["results"]]


def walk(client: Client, address: str) -> Iterator[Any]:
    """The pages from this address on, by their `next` links."""
    following: str | None = address
    while following:
        page = read(client, following)
        yield page
        following = page["next"]
