"""`python -m tests.bench.admin`: how long the server takes for each page of the admin, with a large database.

Fills the database if it has no coins. Then it asks for each page eight times in this process, as a superuser. It prints
the median and the longest time of the last seven, and the number of queries of the first. A page that takes more than
200 ms is marked. Filling takes minutes, and gigabytes of disk.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import django

ASKED = 7  # times, after a first one
LIMIT = 200  # ms
# The parts in braces depend on what the database has.
PAGES = {
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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.admin", description=__doc__)
    parser.add_argument(
        "--database",
        metavar="URL",
        help="migrated, filled if it has no coins, and kept (default: a SQLite file, deleted)",
    )
    numbers = parser.add_argument_group("what an empty database is filled with")
    numbers.add_argument("--coins", type=int, default=20_000, help="coins, at least 500 (default: 20,000)")
    numbers.add_argument("--days", type=int, default=365, help="days of prices (default: 365)")
    numbers.add_argument(
        "--runs", type=int, default=1_000_000, help="runs, one each three minutes (default: 1,000,000)"
    )
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        os.environ |= {
            "DATABASE_URL": options.database or f"sqlite:///{folder}/bench.sqlite3",
            "DJANGO_SETTINGS_MODULE": "webapp.settings",
            "DJANGO_ALLOWED_HOSTS": "localhost",
        }
        django.setup()
        for line in measure(options.coins, options.days, options.runs):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


def measure(coins: int, days: int, runs: int) -> Iterator[str]:
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from tests.bench.filling_admin import fill
    from webapp.coins.models import FullCoin
    from webapp.crawls.models import CrawlRun

    call_command("migrate", verbosity=0)
    if not FullCoin.objects.exists():
        yield from fill(coins, days, runs)
    user, _ = User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    parts = {
        "smallest": FullCoin.objects.latest("pk").pk,
        "run": CrawlRun.objects.latest("began_at").pk,
        "coins_page": FullCoin.objects.count() * 3 // 400,  # of 100 rows each
        "coins_end": -(-FullCoin.objects.exclude(review__hidden=True).count() // 100),
        "runs_page": min(400, CrawlRun.objects.count() // 100),
    }
    for name, address in ((name, address.format(**parts)) for name, address in PAGES.items()):
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(address)
        queries = len(captured)
        if answer.status_code != 200:
            yield f"{name}: {address} answered {answer.status_code}"
            continue
        times = []
        for _ in range(ASKED):
            began = perf_counter()
            client.get(address)
            times.append(1000 * (perf_counter() - began))
        mark = "" if median(times) <= LIMIT else f"  more than {LIMIT} ms"
        yield f"{name:26} {median(times):6.0f} ms (at most {max(times):.0f}), {queries} queries{mark}"


if __name__ == "__main__":
    main()
