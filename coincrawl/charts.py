"""A coin's chart: three lists of points, each a time and a number. And what a run has seen of charts."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any

from scrapy.http import Request

from coincrawl.coverage import Coverage
from coincrawl.pagination import Pagination
from coincrawl.seen import MAX_NAMED
from webapp.coins.cleaning import LABEL_LENGTH, Rejection, Unfit
from webapp.coins.prices.points import Chart, ChartPoint, bars_of, clean, step_of
from webapp.coins.texts import counted, printable

MAX_NAMED_COINS = 10  # in a note
ENOUGH_UNKNOWN = 10  # coins, of which none was known; a run does not ask for more
MAX_AHEAD = timedelta(days=1)  # of this machine's clock; a later point is rejected


def read_chart(coin_id: str, days: int, prices: Sequence[Any], others: Mapping[str, Any], now: datetime) -> Chart:
    """The chart in an answer of `now` to a request for `days`. A bar that is not over yet is left out."""
    found: dict[datetime, ChartPoint] = {}
    rejected: list[Any] = []
    reasons: set[str] = set()
    for row in _rows(prices, others):
        try:
            point = clean(row, now + MAX_AHEAD)
        except Unfit as unfit:
            rejected.append(row)
            reasons.add(str(unfit))
        else:
            if point:
                found[point.time] = point
    points = sorted(found.values(), key=attrgetter("time"))
    step = step_of(points, days)
    until = step.start(now)
    rejection = Rejection(coin_id, printable(coin_id, LABEL_LENGTH), tuple(sorted(reasons))) if rejected else None
    since = now - timedelta(days=days)
    bars = bars_of(points, step, since, until)
    return Chart(coin_id, step, bars, since, until, len(prices), rejected, rejection)


def _rows(prices: Sequence[Any], others: Mapping[str, Any]) -> Iterator[Any]:
    """Each time with its price, market cap and volume. What is not a point comes in a list of its own."""
    caps, volumes = (_by_time(others.get(name)) for name in ("market_caps", "total_volumes"))
    for point in prices:
        yield [*point, caps.get(point[0]), volumes.get(point[0])] if _is_point(point) else [point]


def _by_time(points: Any) -> dict[Decimal, Any]:
    return {point[0]: point[1] for point in points if _is_point(point)} if isinstance(points, list) else {}


def _is_point(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], Decimal)


class ChartCoverage(Coverage):
    """Which coins' charts were answered. A coin that fails is no reason not to ask for the others."""

    def __init__(self, pagination: Pagination) -> None:
        super().__init__(pagination, is_whole=False)
        self._failed: list[str] = []  # requests that failed for good, and why
        self._unknown: list[str] = []  # coins that the API does not know
        self._empty: list[str] = []  # coins without prices in that time

    def add_chart(self, chart: Chart) -> None:
        self.pages += 1
        self.records += chart.records
        self.note_answered([chart.coin_id])
        if not chart.points:
            self._empty.append(chart.coin_id)

    def add_unknown(self, coin_id: str) -> None:
        """The API does not know this coin."""
        self.pages += 1
        self._unknown.append(coin_id)

    @property
    def is_hopeless(self) -> bool:
        """Whether the API knows none of the first coins: the address or the ids are wrong."""
        return len(self._unknown) >= ENOUGH_UNKNOWN and not self.answered

    def give_up(self, request: Request, words: str) -> list[Request]:
        self._failed.append(words)
        return []

    def doubts(self) -> list[str]:
        doubts = self._failed[:MAX_NAMED]
        if (others := len(self._failed) - MAX_NAMED) > 0:
            doubts.append(f"{counted(others, 'more chart')} stayed broken")
        if self._unknown and not self.answered:
            doubts.append("the API knows none of these coins")
        return doubts

    def notes(self) -> list[str]:
        notes = []
        if self._unknown:
            notes.append(f"not known to the API: {_named(self._unknown)}")
        if self._empty:
            notes.append(f"without prices in this time: {_named(self._empty)}")
        return notes + self._notes

    def proof(self) -> str:
        return f"each of {counted(self.expected, 'coin')} was answered" if self.expected else "nothing was missing"


def _named(coins: Sequence[str]) -> str:
    first = ", ".join(printable(coin_id, 100) for coin_id in coins[:MAX_NAMED_COINS])
    others = len(coins) - MAX_NAMED_COINS
    return f"{first} and {others:,} more" if others > 0 else first
