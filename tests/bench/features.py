"""What two features cost a crawl: each is switched off by itself."""

import sys
from collections import defaultdict

from tests.bench.api import Api
from tests.bench.crawling import beside
from tests.bench.databases import Database
from tests.bench.processes import Usage, environment
from tests.bench.report import Report
from tests.bench.results import Spread, Table, in_turn, ratios
from tests.bench.scale import Scale

ALL, NO_HISTORY, NO_CHECKS = "as it is", "without price history", "without checking"
EXPLANATION = """
`scrapy crawl markets` of {coins:,} coins, of which each has changed. *Without price history* it runs with
`PRICE_HISTORY=false`; *without checking*, values go to the database as they came, and only become dates and whole
numbers (`tests/bench/unchecked.py`). What a feature costs is what is missing to 1.
"""


def run(report: Report, databases: list[Database], scale: Scale) -> None:
    columns = ["crawl", "CPU, s", "to it as it is", "server's CPU, s"]
    with Api(scale.coins) as api:
        for database in databases:
            taken = crawls(report, api, database, scale)
            cpu = {name: {number: usage.cpu for number, usage in usages.items()} for name, usages in taken.items()}
            text = EXPLANATION.format(coins=scale.coins)
            table = Table(f"What price history and checking cost, on {database.name}", text, columns)
            for name, usages in taken.items():
                ratio = "" if name == ALL else ratios(cpu[name], cpu[ALL]).text(2)
                server = Spread.of(usage.server for usage in usages.values())
                table.rows.append([name, Spread.of(cpu[name].values()).text(2), ratio, server.text(2)])
            report.add(table)


def crawls(report: Report, api: Api, database: Database, scale: Scale) -> dict[str, dict[int, Usage]]:
    scrapy = [sys.executable, "-m", "scrapy", "crawl", "markets"]
    ways = {
        ALL: (scrapy, {}),
        NO_HISTORY: (scrapy, {"PRICE_HISTORY": "false"}),
        NO_CHECKS: ([sys.executable, "-m", "tests.bench.unchecked", "crawl", "markets"], {}),
    }
    url = database.new("features", migrated=True)
    beside(api, database, scrapy, environment(BASE_API_URL=api.url, DATABASE_URL=url))
    taken: dict[str, dict[int, Usage]] = defaultdict(dict)
    for number in range(scale.feature_rounds):
        for name in in_turn([*ways], number):
            report.say(f"{database.name}, {name}, round {number + 1}")
            command, variables = ways[name]
            api.advance()
            these = environment(BASE_API_URL=api.url, DATABASE_URL=url, **variables)
            taken[name][number] = beside(api, database, command, these)
    return {name: taken[name] for name in ways}
