"""Requests to a fake of CoinGecko's API, and its answers."""

import contextlib
import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from fake_api import FakeAPI

AGENT = {"user-agent": "tests/1.0"}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def ids(self) -> list[str]:
        return [record["id"] for record in self.json]


@contextlib.contextmanager
def connected(api: FakeAPI, trusted: Path | None = None) -> Iterator[http.client.HTTPConnection]:
    address = urlsplit(api.url)
    if address.scheme == "https":
        context = ssl.create_default_context(cafile=trusted)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            address.netloc, timeout=10, context=context
        )
    else:
        connection = http.client.HTTPConnection(address.netloc, timeout=10)
    with contextlib.closing(connection):
        yield connection


def ask_on(
    connection: http.client.HTTPConnection,
    path: str = "/coins/markets",
    headers: dict[str, str] = AGENT,
    **params: object,
) -> Reply:
    query = urlencode({"vs_currency": "usd"} | params)
    connection.request("GET", f"/api/v3{path}?{query}", headers=headers)
    response = connection.getresponse()
    return Reply(response.status, {k.lower(): response.headers[k] for k in response.headers}, response.read())


def ask(api: FakeAPI, path: str = "/coins/markets", *, headers: dict[str, str] = AGENT, **params: object) -> Reply:
    """One request on a connection of its own, in US dollars."""
    with connected(api) as connection:
        return ask_on(connection, path, headers, **params)
