"""What a coin costs, in markets of three sizes, and how much memory."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack

from coincrawl.listing import MAX_LISTED
from tests.bench.api import Api
from tests.bench.crawling import OURS, crawl
from tests.bench.databases import Database
from tests.bench.processes import Usage
from tests.bench.report import Report
from tests.bench.results import Spread, Table, Target, in_turn, megabytes, ratios
from tests.bench.scale import Scale

PARTIAL = 3  # the exit status
EXPLANATION = """
`scrapy crawl markets`, for which every coin has changed, in turn at each size. The cost of a coin is the CPU without
start-up, divided by the coins; start-up is a crawl of a market of one coin. It should be the same at each size, and
memory should hardly grow. A run believes a list of at most {listed:,} ids. So the run of a larger market stores all of
it and is *partial*.
"""

Taken = dict[int, dict[int, Usage]]  # by coins: the usage in each round


def run(report: Report, databases: list[Database], scale: Scale) -> None:
    columns = ["coins", "CPU, s", "CPU of a coin, µs", "server's CPU of a coin, µs", "memory, MB", "time, s"]
    with ExitStack() as stack:
        report.say(f"Making markets of {', '.join(f'{size:,}' for size in scale.sizes)} coins")
        apis = {size: stack.enter_context(Api(size)) for size in (1, *scale.sizes)}
        for database in databases:
            url = database.new("start", migrated=True)
            start = Spread.of(crawl(apis[1], database, OURS, url).cpu for _ in range(scale.starts))
            taken = crawls(report, apis, database, scale)
            table = Table(f"What a coin costs, on {database.name}", EXPLANATION.format(listed=MAX_LISTED), columns)
            table.rows.append(["1 (start-up)", start.text(2), "", "", "", ""])
            for size, usages in taken.items():
                table.rows.append(
                    [
                        f"{size:,}",
                        Spread.of(usage.cpu for usage in usages.values()).text(2),
                        Spread.of(costs(usages, size, start).values()).text(0),
                        Spread.of(1e6 * usage.server / size for usage in usages.values()).text(0),
                        Spread.of(megabytes(usage.memory) for usage in usages.values()).text(0),
                        Spread.of(usage.wall for usage in usages.values()).text(1),
                    ]
                )
            report.add(table, [*targets(database, taken, start, scale)])


def crawls(report: Report, apis: dict[int, Api], database: Database, scale: Scale) -> Taken:
    """A first crawl of each market, which is not counted, and then one in each round."""
    taken: Taken = defaultdict(dict)
    urls = {}
    for size in scale.sizes:
        report.say(f"{database.name}, {size:,} coins, first crawl")
        urls[size] = database.new(f"size_{size}", migrated=True)
        crawl(apis[size], database, OURS, urls[size], status=PARTIAL if size > MAX_LISTED else 0)
    for number in range(scale.size_rounds):
        for size in in_turn(scale.sizes, number):
            report.say(f"{database.name}, {size:,} coins, round {number + 1}")
            apis[size].advance()
            taken[size][number] = crawl(
                apis[size], database, OURS, urls[size], status=PARTIAL if size > MAX_LISTED else 0
            )
    return {size: taken[size] for size in scale.sizes}


def costs(usages: dict[int, Usage], size: int, start: Spread) -> dict[int, float]:
    """The microseconds of CPU of a coin, in each round."""
    return {number: 1e6 * (usage.cpu - start.middle) / size for number, usage in usages.items()}


def targets(database: Database, taken: Taken, start: Spread, scale: Scale) -> Iterator[Target]:
    _, middle, large = scale.sizes
    cost = {size: costs(taken[size], size, start) for size in (middle, large)}
    what = f"CPU of a coin of {large:,} to that of {middle:,}, on {database.name}"
    yield Target(what, ratios(cost[large], cost[middle]), 1.15)
    memory = Spread.of(megabytes(usage.memory) for usage in taken[middle].values())
    yield Target(f"peak memory at {middle:,} coins, on {database.name}", memory, 110, " MB", 0)
    more = Spread.of(
        (taken[large][number].memory - taken[middle][number].memory) / (large - middle) for number in taken[large]
    )
    yield Target(f"peak memory of each coin above {middle:,}, on {database.name}", more, 600, " bytes", 0)
