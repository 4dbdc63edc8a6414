"""`python -m tests.bench.history_cost`: what prices over time cost a crawl.

Whole processes of `scrapy crawl markets` take all coins of a fake API, of which each has another price each time, with
PRICE_HISTORY on and off in turn. Prints the CPU time of the crawls (user and system; not the database server's), and
the bytes of an observation.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import django

from fake_api import FakeAPI, Market

SQLITE_BYTES = "SELECT sum(pgsize) FROM dbstat WHERE name = 'coins_price'"
POSTGRESQL_BYTES = "SELECT pg_total_relation_size('coins_price')"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.history_cost", description=__doc__)
    parser.add_argument("--database", metavar="URL", help="migrated; it is written to (default: a new SQLite file)")
    parser.add_argument("--coins", type=int, default=18_000, help="default: 18,000")
    parser.add_argument("--crawls", type=int, default=6, help="pairs of crawls (default: 6)")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        os.environ |= {
            "DATABASE_URL": options.database or f"sqlite:///{folder}/bench.sqlite3",
            "DJANGO_SETTINGS_MODULE": "webapp.settings",
            "COINGECKO_PLAN": "keyless",
            "COINGECKO_CALLS_PER_MINUTE": "0",
        }
        django.setup()
        for line in measure(options.coins, options.crawls):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


def measure(coins: int, crawls: int) -> Iterator[str]:
    from django.core.management import call_command
    from django.db import connection

    from webapp.coins.models import Price

    call_command("migrate", verbosity=0)
    market = Market(coins=coins)
    taken: dict[str, list[tuple[float, float]]] = {"on": [], "off": []}
    with FakeAPI(market) as api:
        crawl(api.url, "on")  # the first one makes all coins
        for number in range(crawls):
            for history in ("on", "off") if number % 2 else ("off", "on"):
                market.advance()
                market.texts()  # so that the API answers at once
                taken[history].append(crawl(api.url, history))
    for history, each in taken.items():
        cpu, wall = zip(*each, strict=True)
        yield f"PRICE_HISTORY={history}: CPU {spread(cpu)}, time {spread(wall)}"
    ratios = [on[0] / off[0] for on, off in zip(taken["on"], taken["off"], strict=True)]
    yield f"CPU with history to without, by pair: {median(ratios):.3f} (from {min(ratios):.3f} to {max(ratios):.3f})"
    with connection.cursor() as cursor:
        cursor.execute(SQLITE_BYTES if connection.vendor == "sqlite" else POSTGRESQL_BYTES)
        [size] = cursor.fetchone()
    rows = Price.objects.count()
    yield f"{rows:,} observations, {size / rows:.1f} bytes each"


def crawl(url: str, history: str) -> tuple[float, float]:
    """The seconds of CPU, and of time, that a crawl takes."""
    began = perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "scrapy", "crawl", "markets"],
        cwd=Path(__file__).parent.parent.parent,
        env=os.environ | {"BASE_API_URL": url, "PRICE_HISTORY": history},
        stderr=subprocess.DEVNULL,
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"The crawl has ended with the exit status {process.returncode}, without a complete copy.")
    return used.ru_utime + used.ru_stime, perf_counter() - began


def spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.2f} s (from {min(seconds):.2f} to {max(seconds):.2f})"


if __name__ == "__main__":
    main()
