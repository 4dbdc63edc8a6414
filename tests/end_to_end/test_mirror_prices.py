"""Two installations: one copies the prices of days of the other, which the tests' own site serves."""

import json
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from rest_framework.authtoken.models import Token

from fake_api import LinkedAPI, Market
from tests.support.crawls import Crawl, last_run, run_crawl
from tests.support.databases import migrated
from tests.support.factories import DAY, HOUR, NOON, make_coin
from tests.support.prices import make_bar
from webapp.coins.models import FullCoin, PriceDay
from webapp.coins.prices.imported import VALUES

MIDNIGHT = NOON - 12 * HOUR
BARS = f"""
    SELECT coin_id, {", ".join(VALUES)} FROM coins_pricebar
    JOIN coins_priceseries ON coins_priceseries.id = series_id ORDER BY coin_id, time
"""
COINS = [f"coin-{number:04}" for number in range(1_200)]


class Copy:
    """The other installation, which mirrors this one."""

    def __init__(self, path: Path, source: str) -> None:
        self.path, self.source = migrated(path), source
        self.token = Token.objects.create(user=User.objects.create_user("mirror")).key

    def crawl(self, *arguments: str) -> CompletedProcess[str]:
        environment = {"API_TOKEN": self.token, "PRICE_HISTORY": "off"}
        url = f"sqlite:///{self.path}"
        return run_crawl(self.source, url, "-a", "prices=day", *arguments, spider="mirror", **environment)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as database:
            return database.execute(statement).fetchall()

    def last_run(self, *names: str) -> tuple[Any, ...]:
        statement = f"SELECT {', '.join(names)} FROM crawls_crawlrun ORDER BY started_at DESC LIMIT 1"
        return self.query(statement)[0]


@pytest.fixture
def copy(tmp_path: Path, live_server: Any) -> Copy:
    return Copy(tmp_path / "copy.sqlite3", f"{live_server.url}/api/coins/")


def make_day(number: int, *coin_ids: str, **values: Any) -> None:
    """Bars of coins on the day that is so many days after the first."""
    time = MIDNIGHT + number * DAY
    with transaction.atomic():
        for coin_id in coin_ids:
            make_bar(coin_id, time=time, **values)
        PriceDay.objects.note([time.date()])


def source_bars() -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(BARS)
        return cursor.fetchall()


def test_the_prices_of_all_days_are_copied_once_and_then_those_of_days_that_have_changed(
    copy: Copy, tmp_path: Path
) -> None:
    make_coin("bitcoin", current_price=Decimal(1))
    make_day(0, *COINS, market_cap=Decimal("12345678901.5"), rank=3)
    make_day(1, "bitcoin", "left the market", close=Decimal("0.000000001"), observations=0)

    first = copy.crawl()
    run, bars = copy.last_run("verdict", "seen", "pages", "messages"), copy.query(BARS)
    copy.crawl()
    nothing_new = copy.last_run("verdict", "pages", "messages")
    make_day(1, "ethereum", volume=7)
    feed = tmp_path / "coins.jsonl"
    last = copy.crawl("-a", "only=changed", "-O", str(feed))

    assert (first.returncode, last.returncode) == (0, 0), first.stderr + last.stderr
    assert len(bars) == 1_202
    assert run[:3] == ("complete", 1, 5)  # of coins, of the list of days, three of two days
    assert "; 2 of 2 days with prices had changed, and all their bars came" in run[3]
    assert "prices of 2 days were copied: 1,202 new bars, 0 changed, 0 left as they were" in run[3]
    assert nothing_new[:2] == ("complete", 2)
    assert "0 of 2 days with prices had changed" in nothing_new[2]
    assert copy.query(BARS) == source_bars()
    assert "prices of 1 day were copied: 1 new bar, 0 changed, 2 left as they were" in copy.last_run("messages")[0]
    assert [json.loads(line)["coin_id"] for line in feed.read_text().splitlines()] == ["bitcoin"]


def test_a_source_without_prices_is_copied_partly_and_the_run_says_what_to_do(crawl: Crawl) -> None:
    with LinkedAPI(Market(coins=60)) as api:
        done = crawl(api, "-a", "prices=day", spider="mirror")

    assert (done.returncode, last_run().verdict, FullCoin.objects.count()) == (3, "partial", 60)
    assert last_run().reason == (
        "the list of days with prices was refused: the API answered 404 and said 'Not found.': if the source has no "
        f"prices at {api.url.removesuffix('coins/')}prices/days/, leave prices=day out"
    )
    assert len(api.requests) == 2
