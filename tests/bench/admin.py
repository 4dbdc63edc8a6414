"""`python -m tests.bench.admin`: how long the pages of the admin take with a large database.

Fills the database if it has no coins: 20,000 of them, a year of prices, a million runs, and rejected records. Then it
asks for each page as a browser does, in this process, and prints the times and the number of queries.
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
PAGES = {
    "front page": "/admin/",
    "coins": "/admin/coins/fullcoin/",
    "coins, page 150": "/admin/coins/fullcoin/?p=150",
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
    "a small coin": "/admin/coins/fullcoin/coin-15000/change/",
    "runs": "/admin/crawls/crawlrun/",
    "runs, page 400": "/admin/crawls/crawlrun/?p=400",
    "failed runs": "/admin/crawls/crawlrun/?verdict=failed",
    "runs of a schedule": "/admin/crawls/crawlrun/?schedule=The+biggest+250+coins",
    "runs of a spider": "/admin/crawls/crawlrun/?spider=markets",
    "runs of 30 days": "/admin/crawls/crawlrun/?started_at_min=30d",
    "a run": "/admin/crawls/crawlrun/run-0999999/change/",
    "rejected records": "/admin/crawls/rejectedrecord/",
    "rejected records, all": "/admin/crawls/rejectedrecord/?status=All",
    "schedules": "/admin/crawls/crawlschedule/",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.admin", description=__doc__)
    parser.add_argument("--database", metavar="URL", help="filled if it is empty (default: a SQLite file, deleted)")
    parser.add_argument("--coins", type=int, default=20_000, help="default: 20,000")
    parser.add_argument("--days", type=int, default=365, help="of prices (default: 365)")
    parser.add_argument("--runs", type=int, default=1_000_000, help="default: 1,000,000")
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

    call_command("migrate", verbosity=0)
    if not FullCoin.objects.exists():
        yield from fill(coins, days, runs)
    user, _ = User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    for name, address in PAGES.items():
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
