"""How near crawls come to the shortest possible time under a limit of calls, and how long latency takes."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import product

from tests.bench.api import Api, Arrival
from tests.bench.crawling import FLOOR, OURS, crawl
from tests.bench.databases import Database
from tests.bench.report import Report
from tests.bench.results import Spread, Table, Target, ratios
from tests.bench.scale import Scale

CALLS = 30  # in a window
LATENCY = 0.3  # seconds
TOO_MANY = 429
LIMITED = """
Crawls of {coins:,} coins to SQLite while the API allows {calls} calls in a sliding window of {window:.0f} s, and
refuses others with 429. The window is shorter than the real one of 60 s, so `COINGECKO_CALLS_PER_MINUTE` is {rate:.0f}.
The time is from the first to the last arrival, as the API sees them, all calls counted. The shortest possible one at an
even pace is that of the calls after the first. A *later* crawl knows from earlier ones how long the market is, a
*first* one does not, unless the API says the total.
"""
WAITING = """
Crawls of {coins:,} coins to SQLite without a limit, of which each answer takes {latency:.0f} ms. One page at a time is
the time of the floor, which asks for a page when it has stored the one before: {pages} answers of {latency:.0f} ms.
"""


def run(report: Report, databases: list[Database], scale: Scale) -> None:
    database = databases[0]
    with Api(scale.coins) as api:
        under_a_limit(report, api, database, scale)
        with_latency(report, api, database, scale)


def cases(scale: Scale) -> Iterator[tuple[int, bool, bool, str]]:
    """Round, whether there is a total, whether the crawl is the first one, and the case in words."""
    for number, total, first in product(range(scale.limit_rounds), (True, False), (True, False)):
        yield number, total, first, f"{'first' if first else 'later'} crawl, {'with' if total else 'without'} total"


def under_a_limit(report: Report, api: Api, database: Database, scale: Scale) -> None:
    rate = CALLS * 60 / scale.window  # calls a minute
    taken: dict[str, list[list[Arrival]]] = defaultdict(list)
    url = ""
    for delay in (0.0, LATENCY):
        for _, total, first, case in cases(scale):
            words = f"{case}, {1000 * delay:.0f} ms of latency" if delay else case
            report.say(f"Limit of {CALLS} calls in {scale.window:.0f} s: {words}")
            url = database.new("limit", migrated=True) if first else url
            api.set_rules(delay=delay, total=total, calls=CALLS, window=scale.window)
            api.forget()
            crawl(api, database, OURS, url, COINGECKO_CALLS_PER_MINUTE=f"{rate:g}")
            taken[words].append(api.arrivals)
    text = LIMITED.format(coins=scale.coins, calls=CALLS, window=scale.window, rate=rate)
    table = Table("Under a limit of calls", text, ["crawl", "calls", "refused", "time, s", "shortest, s", "to it"])
    targets = []
    for words, each in taken.items():
        to_it = Spread.of(span(arrivals) / shortest(arrivals, rate) for arrivals in each)
        table.rows.append(
            [
                words,
                Spread.of(len(arrivals) for arrivals in each).text(0),
                Spread.of(refused(arrivals) for arrivals in each).text(0),
                Spread.of(span(arrivals) for arrivals in each).text(2),
                Spread.of(shortest(arrivals, rate) for arrivals in each).text(2),
                to_it.text(3),
            ]
        )
        targets.append(Target(f"time under a limit to the shortest possible, {words}", to_it, 1.05, digits=3))
    most = max(refused(arrivals) for each in taken.values() for arrivals in each)
    targets.append(Target("refused calls in a crawl under a limit, at most", Spread.of([most]), 0, digits=0))
    report.add(table, targets)


def span(arrivals: list[Arrival]) -> float:
    times = [arrival.time for arrival in arrivals]
    return max(times) - min(times)


def shortest(arrivals: list[Arrival], rate: float) -> float:
    return (len(arrivals) - 1) * 60 / rate


def refused(arrivals: list[Arrival]) -> int:
    return sum(arrival.status == TOO_MANY for arrival in arrivals)


def with_latency(report: Report, api: Api, database: Database, scale: Scale) -> None:
    ours: dict[str, dict[int, float]] = defaultdict(dict)
    calls: dict[str, list[int]] = defaultdict(list)
    floor: dict[int, float] = {}
    url = ""
    for number, total, first, case in cases(scale):
        api.set_rules(delay=LATENCY, total=total)
        if number not in floor:
            report.say(f"{1000 * LATENCY:.0f} ms of latency: one page at a time")
            api.forget()
            floor[number] = crawl(api, database, FLOOR, database.new("floor", migrated=False)).wall
            pages = len(api.arrivals)
        report.say(f"{1000 * LATENCY:.0f} ms of latency: {case}")
        url = database.new("latency", migrated=True) if first else url
        api.forget()
        ours[case][number] = crawl(api, database, OURS, url).wall
        calls[case].append(len(api.arrivals))
    text = WAITING.format(coins=scale.coins, latency=1000 * LATENCY, pages=pages)
    table = Table("With latency", text, ["crawl", "calls", "time, s", "to one page at a time"])
    table.rows.append(["one page at a time", str(pages), Spread.of(floor.values()).text(2), ""])
    for case, times in ours.items():
        cells = [Spread.of(calls[case]).text(0), Spread.of(times.values()).text(2), ratios(times, floor).text(3)]
        table.rows.append([case, *cells])
    what = f"time with {1000 * LATENCY:.0f} ms of latency to one page at a time"
    report.add(table, [Target(f"{what}, {case}", ratios(times, floor), 0.2, digits=3) for case, times in ours.items()])
