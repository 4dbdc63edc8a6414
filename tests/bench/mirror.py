"""The mirror of a large installation."""

import sys

from tests.bench.api import Api
from tests.bench.crawling import beside
from tests.bench.databases import Database
from tests.bench.processes import environment
from tests.bench.report import Report
from tests.bench.results import Table, megabytes
from tests.bench.scale import Scale

EXPLANATION = """
`scrapy crawl mirror` of {coins:,} coins, 1,000 on a page. The source is the fake API's list with links, which answers
as our own read API does. The fake API makes each answer when it is first asked for it, and that is in the time of the
very first crawl.
"""


def run(report: Report, databases: list[Database], scale: Scale) -> None:
    coins = scale.sizes[-1]
    columns = ["crawl", "CPU, s", "CPU of a coin, µs", "memory, MB", "time, s", "server's CPU, s", "API's CPU, s"]
    table = Table("A mirror", EXPLANATION.format(coins=coins), columns)
    report.say(f"Making a list of {coins:,} coins")
    with Api(coins, linked=True) as api:
        for database in databases:
            url = database.new("mirror", migrated=True)
            for what in ("first crawl", "no coin changed"):
                report.say(f"Mirror, {database.name}, {what}")
                command = [sys.executable, "-m", "scrapy", "crawl", "mirror"]
                usage = beside(api, database, command, environment(MIRROR_URL=api.url, DATABASE_URL=url))
                numbers = (usage.cpu, 1e6 * usage.cpu / coins, megabytes(usage.memory), usage.wall)
                cells = [f"{number:,.{digits}f}" for number, digits in zip(numbers, (2, 0, 0, 1), strict=True)]
                others = [f"{usage.server:.2f}", f"{usage.api:.2f}"]
                table.rows.append([f"{database.name}, {what}", *cells, *others])
    report.add(table)
