"""The chart of a coin's price, market cap and volume, drawn as SVG. A script may draw it again with more to do."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any

from django.http import HttpRequest

from webapp.coins.admin.formats import address_of, change, glance
from webapp.coins.models import FullCoin
from webapp.coins.prices.reading import PricePoint, even_chart
from webapp.coins.prices.tiers import Step
from webapp.crawls.admin.chart_drawing import Drawing
from webapp.crawls.admin.chart_lines import BUCKETS, LINES, Row, Span, pauses, rows, thinned
from webapp.crawls.gaps import Gap, Gaps

DAY = timedelta(days=1)
RANGES = {"24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "1y": 365 * DAY, "all": None}
IN_HOURS = 31 * DAY  # at most, for a missing hour to show
USUAL = "7d"
HEIGHTS = {"price": 260, "market_cap": 70, "volume": 70}
TICKS = 5  # of the price, and of the times
FEW_TICKS = 3
IN_DAYS = 100 * DAY  # a longer range has ticks of months
BAR = 0.8  # of the space of a point
LONG = 3  # so many hours or days without a price, and the line is dashed


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
    def prices(self) -> list[PricePoint]:
        length = RANGES[self.range]
        return even_chart(self.coin.pk, self.now - length if length else None, self.now)

    @cached_property
    def since(self) -> datetime:
        """When the drawing begins."""
        length = RANGES[self.range]
        return self.now - length if length else self.prices[0].time

    @property
    def step(self) -> Step:
        """What a gap is made of."""
        return Step.HOUR if self.now - self.since <= IN_HOURS else Step.DAY

    @cached_property
    def _finder(self) -> Gaps:
        return Gaps(self.now, self.since)

    @cached_property
    def gaps(self) -> list[Gap]:
        """Missing hours, or in a long range missing days."""
        return self._finder.of(self.coin, self.step) if self.prices else []

    @cached_property
    def pauses(self) -> list[Span]:
        """The times without a price that are no gap. Until a coin is crawled again, none is expected."""
        least = max(LONG * self.step.length, 2 * self._finder.pause(self.coin))
        return pauses(self.prices, least, self._breaks)

    @property
    def _breaks(self) -> list[datetime]:
        return [gap.since for gap in self.gaps]

    @cached_property
    def _points(self) -> list[PricePoint]:
        """Those that are drawn."""
        return thinned(self.prices, {moment for span in self.pauses for moment in span})

    @cached_property
    def _rows(self) -> list[Row]:
        return rows(self._points, self.pauses, self._breaks)

    @property
    def _spacing(self) -> timedelta:
        """The usual time from one point to the next, of which a bar takes the most."""
        if len(self._points) < len(self.prices):
            return (self.now - self.since) / BUCKETS
        spacings = sorted(later.time - earlier.time for earlier, later in pairwise(self.prices))
        return min([self.step.length, *spacings[len(spacings) // 2 :]])

    @cached_property
    def is_log(self) -> bool:
        """Whether the scale is logarithmic: it cannot be if a price is 0 or less."""
        return self.wants_log and all(point.price > 0 for point in self.prices)

    # What the page shows ------------------------------------------------------------------------
    @property
    def links(self) -> list[dict[str, Any]]:
        scale = "&scale=log" if self.wants_log else ""
        page = address_of(self.coin)
        return [{"name": name, "to": f"{page}?range={name}{scale}", "is_chosen": name == self.range} for name in RANGES]

    @property
    def other_scale(self) -> dict[str, str]:
        name, query = ("linear scale", "") if self.wants_log else ("log scale", "&scale=log")
        return {"name": name, "to": f"{address_of(self.coin)}?range={self.range}{query}"}

    @property
    def summary(self) -> dict[str, str]:
        prices = [point.price for point in self.prices]
        first, last = prices[0], prices[-1]
        return {
            "low": glance(min(prices)),
            "high": glance(max(prices)),
            "change": change((last / first - 1) * 100) if first > 0 else "",  # of a debt, the sign would be wrong
        }

    @property
    def drawings(self) -> Iterator[Drawing]:
        for name, height in HEIGHTS.items():
            values = self._column(name)
            if any(value is not None for _, value in values):
                yield Drawing(
                    name.replace("_", " "),
                    height,
                    TICKS if name == "price" else FEW_TICKS,
                    [(self._x(time), value) for time, value in values],
                    [((self._x(t1), v1), (self._x(t2), v2)) for t1, v1, t2, v2 in self._dashes(name)],
                    [(self._x(gap.since), self._x(gap.until)) for gap in self.gaps],
                    is_log=self.is_log and name == "price",
                    width_of_bars=BAR * self._spacing / (self.now - self.since) if name == "volume" else None,
                )

    def _column(self, name: str) -> list[tuple[datetime, float | None]]:
        times, *values = zip(*self._rows, strict=True)
        return list(zip(times, values[LINES.index(name)], strict=True))

    def _dashes(self, name: str) -> list[tuple[datetime, float, datetime, float]]:
        """The ends of the dashed lines: both of a pause if both values are known."""
        known = {time: value for time, value in self._column(name) if value is not None}
        return [(a, known[a], b, known[b]) for a, b in self.pauses if a in known and b in known]

    def _x(self, time: datetime) -> float:
        """From 0 to 1: nothing is after `now`, and a gap of days may begin before the drawing does."""
        return max((time - self.since) / (self.now - self.since), 0)

    @property
    def times(self) -> list[str]:
        """Evenly spaced, in UTC. With the year where it is not the same."""
        span = self.now - self.since
        if span <= DAY:
            layout = "%H:%M"
        elif span <= IN_DAYS:
            layout = "%d %b" if self.since.year == self.now.year else "%d %b %Y"
        else:
            layout = "%b %Y"
        return [f"{self.since + span * place / (TICKS - 1):{layout}}" for place in range(TICKS)]

    @property
    def gap_sentences(self) -> list[str]:
        return [f"{gap.since:%F %H:%M} to {gap.until:%F %H:%M} UTC" for gap in self.gaps]

    @property
    def data(self) -> dict[str, Any]:
        """For the script: columns of seconds since 1970 and of values, with null where a line breaks."""
        times, *values = zip(*self._rows, strict=True)
        return {
            "columns": [[time.timestamp() for time in times], *values],
            "dashes": [
                [[a.timestamp(), y1, b.timestamp(), y2] for a, y1, b, y2 in self._dashes(name)] for name in LINES
            ],
            "spacing": self._spacing.total_seconds(),
            "limits": [self.since.timestamp(), self.now.timestamp()],
            "gaps": [[gap.since.timestamp(), gap.until.timestamp()] for gap in self.gaps],
            "is_log": self.is_log,
            "names": [name.replace("_", " ") for name in LINES],
        }
