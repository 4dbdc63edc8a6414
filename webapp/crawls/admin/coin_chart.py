"""The chart of a coin's price, market cap and volume, drawn as SVG. A script may draw it again with more to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from math import log10
from operator import itemgetter
from typing import Any

from django.http import HttpRequest

from webapp.coins.admin.formats import change, glance
from webapp.coins.admin.svg import Point, path
from webapp.coins.models import FullCoin
from webapp.coins.numbers import compact
from webapp.coins.prices.reading import PricePoint, chart
from webapp.coins.prices.tiers import Step
from webapp.crawls.gaps import Gap, Gaps

DAY = timedelta(days=1)
RANGES = {"24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "1y": 365 * DAY, "all": None}
HOURLY = ("24h", "7d", "30d")  # in which a missing hour shows
USUAL = "7d"
WIDTH = 1000  # of a drawing, in its own units: it is as wide as the page
HEIGHTS = {"price": 260, "market_cap": 70, "volume": 70}
TICKS = 5
DOT = 0.005  # of the width: a value by itself
DRAWN = 1_000  # points of a line at most

Plotted = tuple[datetime, float | None]  # None: a gap


@dataclass(frozen=True)
class CoinChart:
    """A coin's prices in one of the RANGES until `now`."""

    coin: FullCoin
    now: datetime
    range: str
    wants_log: bool

    @classmethod
    def asked_for(cls, request: HttpRequest, coin: FullCoin, now: datetime) -> "CoinChart":
        """What the address asks for. Other values than the possible ones count as none."""
        chosen = request.GET.get("range", USUAL)
        return cls(coin, now, chosen if chosen in RANGES else USUAL, request.GET.get("scale") == "log")

    @cached_property
    def points(self) -> list[PricePoint]:
        length = RANGES[self.range]
        return chart(self.coin.pk, self.now - length if length else None, self.now)

    @cached_property
    def since(self) -> datetime:
        """When the drawing begins."""
        length = RANGES[self.range]
        return self.now - length if length else self.points[0].time

    @cached_property
    def gaps(self) -> list[Gap]:
        """Missing hours, or in a long range missing days."""
        if not self.points:
            return []
        step = Step.HOUR if self.range in HOURLY else Step.DAY
        return Gaps(self.now, self.since).of(self.coin, step)

    @cached_property
    def is_log(self) -> bool:
        """Whether the scale is logarithmic: it cannot be if a price is 0 or less."""
        return self.wants_log and all(point.price > 0 for point in self.points)

    # What the page shows ------------------------------------------------------------------------
    @property
    def links(self) -> list[dict[str, Any]]:
        scale = "&scale=log" if self.wants_log else ""
        return [{"name": name, "query": f"?range={name}{scale}", "is_chosen": name == self.range} for name in RANGES]

    @property
    def other_scale(self) -> dict[str, str]:
        if self.wants_log:
            return {"name": "linear scale", "query": f"?range={self.range}"}
        return {"name": "logarithmic scale", "query": f"?range={self.range}&scale=log"}

    @property
    def summary(self) -> dict[str, str]:
        prices = [point.price for point in self.points]
        first, last = prices[0], prices[-1]
        return {
            "low": glance(min(prices)),
            "high": glance(max(prices)),
            "change": change((last / first - 1) * 100) if first > 0 else "",  # of a debt, the sign would be wrong
        }

    @property
    def drawings(self) -> Iterator[dict[str, Any]]:
        for name, height in HEIGHTS.items():
            values = self._values(name)
            known = [value for _, value in values if value is not None]
            if known:
                yield self._drawing(name, height, values, min(known), max(known))

    def _values(self, name: str) -> list[Plotted]:
        """The values of a line, with None in each gap, so that no line crosses it."""
        of_points = ((point.time, getattr(point, name)) for point in self.points)
        values: list[Plotted] = [(time, float(value)) for time, value in of_points if value is not None]
        starts: list[Plotted] = [(gap.since, None) for gap in self.gaps]
        return sorted([*values, *starts], key=itemgetter(0))

    def _drawing(
        self, name: str, height: int, values: Sequence[Plotted], least: float, greatest: float
    ) -> dict[str, Any]:
        is_log = self.is_log and name == "price"
        low, high = (log10(least), log10(greatest)) if is_log else (least, greatest)
        if low == high:
            low, high = low - abs(low) / 10 - 1e-30, high + abs(high) / 10 + 1e-30
        places = [(self._x(time), value if value is None or not is_log else log10(value)) for time, value in values]
        lines = [
            path([Point(x, (value - low) / (high - low)) for x, value in part], WIDTH, height)
            for part in parts(thinned(places))
        ]
        ticks = TICKS if name == "price" else 2
        levels = [low + (high - low) * place / (ticks - 1) for place in range(ticks)]
        return {
            "name": name.replace("_", " "),
            "height": height,
            "lines": lines,
            "grid": [height * place / (ticks - 1) for place in range(ticks)],
            "levels": [compact(Decimal(10**level if is_log else level)) for level in reversed(levels)],
            "gaps": [self._place(gap) for gap in self.gaps],
        }

    def _place(self, gap: Gap) -> dict[str, float]:
        begin, end = self._x(gap.since) * WIDTH, self._x(gap.until) * WIDTH
        return {"x": round(begin, 1), "width": round(end - begin, 1)}

    def _x(self, time: datetime) -> float:
        return min(max((time - self.since) / (self.now - self.since), 0), 1)  # all points are before `now`

    @property
    def times(self) -> list[str]:
        """Evenly spaced, in UTC."""
        span = self.now - self.since
        layout = "%H:%M" if span <= DAY else "%d %b" if span <= 366 * DAY else "%b %Y"
        return [f"{self.since + span * place / (TICKS - 1):{layout}}" for place in range(TICKS)]

    @property
    def gap_sentences(self) -> list[str]:
        return [f"{gap.since:%F %H:%M} to {gap.until:%F %H:%M} UTC" for gap in self.gaps]

    @property
    def data(self) -> dict[str, Any]:
        """For the script: columns of seconds since 1970 and of values; null in a gap."""
        rows: list[list[Any]] = [
            [point.time.timestamp(), *(None if value is None else float(value) for value in point[1:4])]
            for point in self.points
        ]
        rows += [[gap.since.timestamp(), None, None, None] for gap in self.gaps]
        columns = list(zip(*sorted(rows, key=itemgetter(0)), strict=True))
        return {
            "columns": columns,
            "limits": [self.since.timestamp(), self.now.timestamp()],
            "gaps": [[gap.since.timestamp(), gap.until.timestamp()] for gap in self.gaps],
            "is_log": self.is_log,
            "names": ["price", "market cap", "volume"],
        }


def parts(places: Sequence[tuple[float, float | None]]) -> Iterator[list[tuple[float, float]]]:
    """The lines between the gaps, each of at least two points: a single one is a short line."""
    part: list[tuple[float, float]] = []
    for x, value in [*places, (1.0, None)]:
        if value is not None:
            part.append((x, value))
        elif part:
            yield part if len(part) > 1 else [(part[0][0] - DOT, part[0][1]), part[0]]
            part = []


def thinned(places: Sequence[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    """At most DRAWN of them and the gaps: of each part of the line, the least and the greatest value."""
    if len(places) <= DRAWN:
        return list(places)
    kept: dict[int, list[tuple[float, float | None]]] = {}
    for x, value in places:
        kept.setdefault(int(x * DRAWN / 2), []).append((x, value))
    found: list[tuple[float, float | None]] = []
    for together in kept.values():
        known = sorted((value, x) for x, value in together if value is not None)
        gaps = [(x, value) for x, value in together if value is None]
        found += sorted({(x, value) for value, x in (known[0], known[-1])} if known else (), key=lambda place: place[0])
        found += gaps
    return found
