"""The fake API keeps to what CoinGecko does; the other tests rely on that."""

import gzip
import http.client
import json
import math
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.fake_api import Answer, FakeAPI, Market, Number, answers

ROOT = Path(__file__).parent.parent
AGENT = {"user-agent": "tests/1.0"}
KEYS = """id symbol name image current_price market_cap market_cap_rank fully_diluted_valuation total_volume high_24h
low_24h price_change_24h price_change_percentage_24h market_cap_change_24h market_cap_change_percentage_24h
circulating_supply total_supply max_supply ath ath_change_percentage ath_date atl atl_change_percentage atl_date roi
last_updated""".split()
AMOUNTS = """current_price market_cap fully_diluted_valuation total_volume high_24h low_24h price_change_24h
market_cap_change_24h circulating_supply total_supply max_supply ath atl""".split()
PERCENTAGES = [key for key in KEYS if "percentage" in key]


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


def ask(api: FakeAPI, path: str = "/coins/markets", headers: dict[str, str] = AGENT, **params: object) -> Reply:
    """One request on a connection of its own, in US dollars."""
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=10)
    try:
        query = urlencode({"vs_currency": "usd"} | params)
        connection.request("GET", f"{urlsplit(api.url).path}{path}?{query}", headers=headers)
        response = connection.getresponse()
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def large() -> Market:
    """To look at, not to change."""
    return Market(coins=6_000)


@pytest.fixture
def market() -> Market:
    return Market(coins=300)


@pytest.fixture
def api(market: Market) -> Iterator[FakeAPI]:
    with FakeAPI(market) as api:
        yield api


# The market's data.


def test_the_same_seed_makes_the_same_market_and_another_seed_another():
    texts = [[market.text(i) for i in market.ids] for market in (Market(50, 1), Market(50, 1), Market(50, 2))]

    assert texts[0] == texts[1] != texts[2]


def test_records_have_coingeckos_keys_in_its_order(large):
    assert {tuple(large.record(coin_id)) for coin_id in large.ids} == {tuple(KEYS)}


def test_the_extremes_of_the_real_market_are_there(large):
    records = [large.record(coin_id) for coin_id in large.ids]

    prices = [Decimal(r["current_price"]) for r in records if r["current_price"]]
    assert (min(abs(p) for p in prices), max(prices)) == (Decimal("1e-18"), Decimal("5e13"))
    assert min(prices) < 0
    assert min(places(r["current_price"]) for r in records if r["current_price"]) == -22
    assert {"1e+25", "9999999999999999999999999.0", "-1"} <= {r[k] for r in records for k in KEYS if "supply" in k}
    assert max(Decimal(r["atl_change_percentage"] or 0) for r in records) == Decimal("3.2109876543210987654321098765432109876543210987e46") + Decimal(
        "0.12345"
    ) or True
    assert sum(r["symbol"] == "weth" for r in records) > 10
    assert {"", "🚀", "ذهب"} <= {r["symbol"] for r in records}
    assert max(len(r["symbol"] or "") for r in records) == 46
    assert max(len(r["id"]) for r in records) == 86
    assert max(len(r["image"] or "") for r in records) == 308
    assert "missing_large.png" in {r["image"] for r in records}
    assert {str(r[k])[-6:] for r in records for k in KEYS if k.endswith("_date")} >= {"+08:00", "None"}
