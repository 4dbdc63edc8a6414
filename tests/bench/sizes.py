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
START = "start-up"
FIRST, CHANGED = STATES = ("first crawl", "every coin changed")
EXPLANATION = """
`scrapy crawl markets` into a new database, and again when every coin has changed, in turn at each size. The cost of a
coin is the CPU without start-up, divided by the coins; start-up is a crawl of a market of one coin. It should be the
same at each size, and memory should hardly grow. A run believes a list of at most {listed:,} ids. So the run of a
larger market stores all of it and is *partial*.
"""

Starts = dict[int, float]  # by round: seconds of CPU
Taken = dict[tuple[str, int], dict[int, Usage]]  # by state and coins: the usage in each round


def run(report: Report, databases: list[Database], scale: Scale) -> None:
    columns = ["crawl", "coins", "CPU, s", "CPU of a coin, µs", "server's CPU of a coin, µs", "memory, MB", "time, s"]
    with ExitStack() as stack:
        report.say(f"Making markets of {', '.join(f'{size:,}' for size in scale.sizes)} coins")
        apis = {size: stack.enter_context(Api(size)) for size in (1, *scale.sizes)}
        for database in databases:
            starts, taken = crawls(report, apis, database, scale)
            table = Table(f"What a coin costs, on {database.name}", EXPLANATION.format(listed=MAX_LISTED), columns)
            table.rows.append([START, "1", Spread.of(starts.values()).text(2), "", "", "", ""])
            for (state, size), usages in taken.items():
                table.rows.append(
                    [
                        state,
                        f"{size:,}",
                        Spread.of(usage.cpu for usage in usages.values()).text(2),
                        Spread.of(costs(usages, size, starts).values()).text(0),
                        Spread.of(1e6 * usage.server / size for usage in usages.values()).text(0),
                        Spread.of(megabytes(usage.memory) for usage in usages.values()).text(0),
                        Spread.of(usage.wall for usage in usages.values()).text(1),
                    ]
                )
            report.add(table, [*targets(database, taken, starts, scale)])


def crawls(report: Report, apis: dict[int, Api], database: Database, scale: Scale) -> tuple[Starts, Taken]:
    starts: Starts = {}
    taken: Taken = defaultdict(dict)
    for number in range(scale.size_rounds):
        report.say(f"{database.name}, round {number + 1}, {START}")
        url = database.new("start", migrated=True)
        starts[number] = Spread.of(crawl(apis[1], database, OURS, url).cpu for _ in range(scale.starts)).middle
        urls = {size: database.new(f"size_{size}", migrated=True) for size in scale.sizes}
        for state in STATES:
            for size in in_turn(scale.sizes, number):
                report.say(f"{database.name}, round {number + 1}, {state}: {size:,} coins")
                if state == CHANGED:
                    apis[size].advance()
                taken[state, size][number] = crawl(
                    apis[size], database, OURS, urls[size], status=PARTIAL if size > MAX_LISTED else 0
                )
    return starts, {(state, size): taken[state, size] for state in STATES for size in scale.sizes}


def costs(usages: dict[int, Usage], size: int, starts: Starts) -> dict[int, float]:
    """The microseconds of CPU of a coin, in each round."""
    return {number: 1e6 * (usage.cpu - starts[number]) / size for number, usage in usages.items()}


def targets(database: Database, taken: Taken, starts: Starts, scale: Scale) -> Iterator[Target]:
    _, middle, large = scale.sizes
    for state in STATES:
        where = f"on {database.name}, {state}"
        usages = {size: taken[state, size] for size in (middle, large)}
        cost = {size: costs(usages[size], size, starts) for size in usages}
        what = f"CPU of a coin of {large:,} to that of {middle:,}, {where}"
        yield Target(what, ratios(cost[large], cost[middle]), 1.15)
        memory = Spread.of(megabytes(usage.memory) for usage in usages[middle].values())
        yield Target(f"peak memory at {middle:,} coins, {where}", memory, 110, " MB", 0)
        more = Spread.of(
            (usages[large][number].memory - usages[middle][number].memory) / (large - middle)
            for number in usages[large]
        )
        yield Target(f"peak memory of each coin above {middle:,}, {where}", more, 600, " bytes", 0)
