"""How long the site takes to answer, page by page, in this process."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.bench.site import PACKED_THOUSAND, THOUSAND, UNCHANGED
from webapp.coins.models import FullCoin
from webapp.crawls.models import CrawlRun

ASKED = 7  # times, after a first one
PACKED = {"accept-encoding": "gzip"}
# The parts in braces depend on what the database has.
ADMIN = {
    "front page": "/admin/",
    "coins": "/admin/coins/fullcoin/",
    "coins, a late page": "/admin/coins/fullcoin/?p={coins_page}",
    "coins, the last page": "/admin/coins/fullcoin/?p={coins_end}",
    "coins by market cap": "/admin/coins/fullcoin/?o=-6",
    "coins by change": "/admin/coins/fullcoin/?o=-4",
    "search of a symbol": "/admin/coins/fullcoin/?q=sym100",
    "search without a match": "/admin/coins/fullcoin/?q=nothing",
    "missing": "/admin/coins/fullcoin/?market=missing",
    "new since yesterday": "/admin/coins/fullcoin/?data=new+since+yesterday",
    "changed by the last run": "/admin/coins/fullcoin/?data=changed+by+the+last+run",
    "not updated for a day": "/admin/coins/fullcoin/?data=not+updated+for+a+day",
    "without price": "/admin/coins/fullcoin/?data=without+price",
    "top 100": "/admin/coins/fullcoin/?rank=top+100",
    "hidden": "/admin/coins/fullcoin/?review=hidden",
    "a range": "/admin/coins/fullcoin/?market_cap_min=1e6&market_cap_max=1e9",
    "a coin, 24 hours": "/admin/coins/fullcoin/coin-00007/change/?range=24h",
    "a coin, 7 days": "/admin/coins/fullcoin/coin-00007/change/",
    "a coin, 30 days": "/admin/coins/fullcoin/coin-00007/change/?range=30d",
    "a coin, a year": "/admin/coins/fullcoin/coin-00007/change/?range=1y",
    "a coin, all": "/admin/coins/fullcoin/coin-00007/change/?range=all",
    "the smallest coin": "/admin/coins/fullcoin/{smallest}/change/",
    "runs": "/admin/crawls/crawlrun/",
    "runs, a late page": "/admin/crawls/crawlrun/?p={runs_page}",
    "failed runs": "/admin/crawls/crawlrun/?verdict=failed",
    "runs of a schedule": "/admin/crawls/crawlrun/?schedule=The+biggest+250+coins",
    "runs of a spider": "/admin/crawls/crawlrun/?spider=markets",
    "runs of 30 days": "/admin/crawls/crawlrun/?started_at_min=30d",
    "the last run": "/admin/crawls/crawlrun/{run}/change/",
    "rejected records": "/admin/crawls/rejectedrecord/",
    "rejected records, all": "/admin/crawls/rejectedrecord/?status=All",
    "schedules": "/admin/crawls/crawlschedule/",
}

THOUSAND_COINS = "/api/coins/?page_size=1000"
API = {
    THOUSAND: THOUSAND_COINS,
    PACKED_THOUSAND: THOUSAND_COINS,
    UNCHANGED: THOUSAND_COINS,
    "100 coins": "/api/coins/",
    "1,000 coins, a late page": f"{THOUSAND_COINS}&page={{api_page}}",
    "1,000 coins, after a coin": f"{THOUSAND_COINS}&after={{middle}}",
    "1,000 coins by market cap": f"{THOUSAND_COINS}&ordering=-market_cap",
    "1,000 coins in limits": f"{THOUSAND_COINS}&rank_max=5000&price_min=0.0001",
    "1,000 coins, two fields": f"{THOUSAND_COINS}&fields=coin_id,current_price",
    "coins of a search": "/api/coins/?search=number+100",
    "changed since a time": f"{THOUSAND_COINS}&changed_since={{since}}",
    "a coin": "/api/coins/coin-00007/",
    "bars of a coin, days": "/api/coins/coin-00007/prices/",
    "bars of a coin, hours": "/api/coins/coin-00007/prices/?step=hour&page_size=1000",
    "prices of a day": "/api/prices/?date={date}&page_size=1000",
    "days with prices": "/api/prices/days/",
    "runs of the API": "/api/runs/",
    "health": "/api/health/",
}


@dataclass(frozen=True)
class Timed:
    """A page, or a list of the API."""

    name: str
    address: str
    status: int
    bytes: int
    queries: int  # when it is asked for the first time
    milliseconds: list[float]  # each of the later times
    cpu: list[float]  # the milliseconds of CPU then, of this process

    @property
    def middle(self) -> float:
        return median(self.milliseconds)


def timed(pages: Mapping[str, str]) -> Iterator[Timed]:
    """Each page, as a superuser gets it."""
    user, _ = User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    parts = what_there_is()
    for name, pattern in pages.items():
        address = pattern.format(**parts)
        headers = PACKED if name == PACKED_THOUSAND else {}
        if name == UNCHANGED:
            headers = {"if-none-match": client.get(address)["ETag"]}
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(address, headers=headers)
        queries = len(captured)  # before the next request, which forgets them
        times, cpu = [], []
        for _ in range(ASKED):
            began, worked = perf_counter(), process_time()
            client.get(address, headers=headers)
            times.append(1000 * (perf_counter() - began))
            cpu.append(1000 * (process_time() - worked))
        yield Timed(name, address, answer.status_code, len(answer.content), queries, times, cpu)


def what_there_is() -> dict[str, Any]:
    coins = FullCoin.objects.count()
    last = CrawlRun.objects.latest("began_at")
    return {
        "smallest": FullCoin.objects.latest("pk").pk,
        "run": last.pk,
        "coins_page": coins * 3 // 400,  # of 100 rows each
        "coins_end": -(-FullCoin.objects.exclude(review__hidden=True).count() // 100),
        "runs_page": max(1, min(400, CrawlRun.objects.count() // 100)),
        "api_page": max(1, coins * 3 // 4_000),
        "middle": FullCoin.objects.order_by("pk")[coins // 2].pk,
        "since": f"{FullCoin.objects.latest('changed_at').changed_at:%FT%T}Z",
        "date": f"{last.began_at:%F}",
    }
