"""`python -m tests.bench.admin`: how long the server takes for each page of the admin, with a large database.

The lists of the read API come after them. Fills the database if it has no coins. Then it asks for each page eight times
in this process, as a superuser. It prints the median and the longest time of the last seven, and the number of queries
of the first. A page that takes more than 200 ms is marked. Filling takes minutes, and gigabytes of disk.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from tests.bench.pages import Timed

LIMIT = 200  # ms


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.admin", description=__doc__)
    parser.add_argument(
        "--database",
        metavar="URL",
        help="migrated, filled if it has no coins, and kept (default: a SQLite file, deleted)",
    )
    parser.add_argument("--json", action="store_true", help="print pages as lines of JSON, and nothing else")
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
            "API_CALLS_PER_MINUTE": "0",
        }
        django.setup()
        for each in measure(options.coins, options.days, options.runs):
            if options.json:
                line = "" if isinstance(each, str) else f"{json.dumps(asdict(each))}\n"
            else:
                line = f"{each if isinstance(each, str) else words(each)}\n"
            sys.stdout.write(line)
            sys.stdout.flush()


def measure(coins: int, days: int, runs: int) -> Iterator["str | Timed"]:
    """What is filled, in words, and then each page."""
    from django.core.management import call_command

    from tests.bench.filling_admin import fill
    from tests.bench.pages import ADMIN, API, timed
    from webapp.coins.models import FullCoin

    call_command("migrate", verbosity=0)
    if not FullCoin.objects.exists():
        yield from fill(coins, days, runs)
    yield from timed(ADMIN | API)


def words(page: "Timed") -> str:
    if page.status not in {200, 304}:
        return f"{page.name}: {page.address} answered {page.status}"
    mark = "" if page.middle <= LIMIT else f"  more than {LIMIT} ms"
    times = f"{page.middle:6.1f} ms (at most {max(page.milliseconds):.1f})"
    return f"{page.name:26} {times}, {page.queries} queries{mark}"


if __name__ == "__main__":
    main()
