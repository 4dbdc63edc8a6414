"""The whole market by each method: a first crawl, one for which every coin has changed, and one for which none has."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from operator import attrgetter
from tempfile import TemporaryDirectory

from tests.bench.api import Api
from tests.bench.crawling import ARTICLE, DLT, FLOOR, OURS, PYTHON_OF_DLT, crawl
from tests.bench.databases import Database
from tests.bench.processes import Usage
from tests.bench.report import Report
from tests.bench.results import Spread, Table, Target, in_turn, megabytes, ratios
from tests.bench.scale import Scale

FIRST, CHANGED, UNCHANGED = STATES = ("first crawl", "every coin changed", "no coin changed")
START, STARTS = "start-up", 3  # a market of one coin, and how often it is crawled in a round
CPU_OF_DLT = {"PostgreSQL": 0.8, "SQLite": 0.12}
# What is to be less than others', besides what has a target of its own.
LESS = (
    (DLT, "wall", "time"),
    (DLT, "memory", "peak memory"),
    (ARTICLE, "cpu", "CPU"),
    (ARTICLE, "memory", "peak memory"),
)
METHODS = """
All ask for the same pages of 250 coins in the order of ids. A module of `tests/bench/methods` has each of the others.

*ours* is `scrapy crawl markets`. It proves that no coin is missing. It stores each record, or rejects it with a reason.
On PostgreSQL it keeps every digit; on SQLite those that a 64-bit number has, and it counts what it rounds. It also
keeps a record of the run, and the prices over time.

*floor* is the least that a correct copy costs in Python: one connection, exact numbers, one prepared statement that
writes what differs. It keeps every digit. It proves nothing, and a bad record or a broken answer ends it.

*dlt* is dlt's source of REST APIs, which merges by the id: by an upsert on PostgreSQL, by deleting and inserting on
SQLite. It proves nothing. Numbers become floats, and so lose digits; whole numbers over 64 bits make it fail. So the
fake API writes these with an exponent here, and columns of numbers are declared as doubles.

*article* is the method of the article that coincrawl began with, written anew: `requests`, one page after the other
without its pauses, batches of 100, `bulk_create` for new coins and `bulk_update` for known ones. It proves nothing. It
keeps cents, and null where a column cannot hold the value. In the article's own order of pages it would also miss
coins.

On SQLite, *ours* and *floor* use a write-ahead log, so a commit waits for no disk. *dlt* and *article* use their
libraries' defaults.
"""
EXPLANATION = """
{coins:,} coins by each method. *Ours to it* are ratios: below 1, ours takes less. The API's CPU is what the fake API
took meanwhile; it shows that the methods do not wait for it. {article}
"""

Taken = Mapping[tuple[str, str, str], dict[int, Usage]]  # by database, state and method: the usage in each round


def run(report: Report, databases: list[Database], scale: Scale) -> None:
    methods = [OURS, FLOOR, DLT, ARTICLE]
    if not PYTHON_OF_DLT.exists():
        methods.remove(DLT)
        report.say("dlt is left out: `make bench-setup` installs it")
    taken: Taken = defaultdict(dict)
    with Api(scale.coins) as api, Api(1) as one_coin:
        for database in databases:
            for number in range(scale.rounds):
                those = [one for one in methods if one != ARTICLE or number < scale.article_rounds]
                for state, method, usage in one_round(report, (api, one_coin), database, those, number):
                    taken[database.name, state, method][number] = usage
    report.add(Table("The methods", METHODS))
    for database in databases:
        report.add(table(database, taken, methods, scale), [*targets(database, taken, methods)])


def one_round(
    report: Report, apis: tuple[Api, Api], database: Database, methods: list[str], number: int
) -> Iterator[tuple[str, str, Usage]]:
    """Each state, and in it each method. `apis` are of the whole market, and of one coin.

    START comes just before the crawl that it is taken off: after long work, a machine is slower.
    """
    api, one_coin = apis
    with TemporaryDirectory() as folder:
        urls = {method: database.new(method, migrated=method == OURS) for method in methods}
        for state in STATES:
            if state == CHANGED:
                api.advance()
            for method in in_turn(methods, number):
                report.say(f"{database.name}, round {number + 1}, {state}: {method}")
                if state == CHANGED and method in (OURS, FLOOR):
                    yield START, method, start(one_coin, database, method)
                yield state, method, crawl(api, database, method, urls[method], DLT_DATA_DIR=folder)


def start(one_coin: Api, database: Database, method: str) -> Usage:
    """A crawl of one coin: of several, the one with the middle CPU."""
    url = database.new("one_coin", migrated=method == OURS)
    usages = sorted((crawl(one_coin, database, method, url) for _ in range(STARTS)), key=attrgetter("cpu"))
    return usages[STARTS // 2]


def table(database: Database, taken: Taken, methods: list[str], scale: Scale) -> Table:
    rounds = f"The article's method has {scale.article_rounds} of {scale.rounds} rounds, because it is slow."
    explanation = EXPLANATION.format(coins=scale.coins, article=rounds if scale.article_rounds < scale.rounds else "")
    columns = ["crawl", "method", "CPU, s", "ours to it", "time, s", "ours to it", "memory, MB", "ours to it"]
    made = Table(f"The whole market, on {database.name}", explanation, [*columns, "server's CPU, s", "API's CPU, s"])
    for state in STATES:
        ours = taken[database.name, state, OURS]
        for method in methods:
            usages = taken[database.name, state, method]
            cells = [state, method]
            for name, digits in (("cpu", 2), ("wall", 2), ("memory", 0)):
                values = by_round(usages, name)
                shown = Spread.of(megabytes(v) if name == "memory" else v for v in values.values())
                cells += [shown.text(digits), "" if method == OURS else ratios(by_round(ours, name), values).text(2)]
            others = (Spread.of(by_round(usages, name).values()).text(2) for name in ("server", "api"))
            made.rows.append([*cells, *others])
    return made


def targets(database: Database, taken: Taken, methods: list[str]) -> Iterator[Target]:
    """Where every coin has changed."""
    of = {method: taken[database.name, CHANGED, method] for method in methods}
    ours, where = of[OURS], f"on {database.name}, every coin changed"
    if DLT in of:
        ratio = ratios(by_round(ours, "cpu"), by_round(of[DLT], "cpu"))
        yield Target(f"CPU of ours to dlt's, {where}", ratio, CPU_OF_DLT[database.name])
    cpu = {}
    for method in (OURS, FLOOR):
        starts = taken[database.name, START, method]
        cpu[method] = {number: usage.cpu - starts[number].cpu for number, usage in of[method].items()}
    yield Target(f"CPU of ours to the floor's, start-up taken off both, {where}", ratios(cpu[OURS], cpu[FLOOR]), 4)
    time = ratios(by_round(ours, "wall"), by_round(of[ARTICLE], "wall"))
    yield Target(f"time of ours to the article's, {where}", time, 1 / 15, digits=3)
    for method, name, what in LESS:
        if method in of:
            ratio = ratios(by_round(ours, name), by_round(of[method], name))
            yield Target(f"{what} of ours to {method}'s, {where}", ratio, 1)


def by_round(usages: Mapping[int, Usage], name: str) -> dict[int, float]:
    return {number: float(getattr(usage, name)) for number, usage in usages.items()}
