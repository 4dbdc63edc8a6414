"""Draws one line of a chart, or its bars, as SVG: paths in the drawing's own units, and the values beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from math import ceil, floor, log10
from typing import NamedTuple

from webapp.coins.admin.svg import Point, path
from webapp.coins.numbers import compact
from webapp.crawls.admin.chart_lines import parts

WIDTH = 1000  # in its own units: it is as wide as the page
DOT = 0.005  # of the width: a value by itself
THIN = 0.001  # of the width: a bar at least

Place = tuple[float, float]  # from 0 (left) to 1 (right), and a value


class Level(NamedTuple):
    """A line of the grid: how far down it is, and the value in words."""

    y: float
    words: str


@dataclass(frozen=True)
class Drawing:
    """Values in the order of time, of which at least one is known. Where one is None, the line breaks."""

    name: str
    height: int
    ticks: int
    places: Sequence[tuple[float, float | None]]
    dashes: Sequence[tuple[Place, Place]]
    spans_of_gaps: Sequence[tuple[float, float]]  # from 0 (left) to 1 (right)
    is_log: bool = False
    width_of_bars: float | None = None  # of the whole width; None draws a line

    @cached_property
    def _limits(self) -> tuple[float, float]:
        """The lowest and the highest value that it has room for; powers of ten if it is logarithmic."""
        known = [self._scaled(value) for _, value in self.places if value is not None]
        low, high = min(known), max(known)
        if self.width_of_bars:
            low, high = min(low, 0), max(high, 0)
        return (low, high) if low < high else (low - abs(low) / 10 - 1e-30, high + abs(high) / 10 + 1e-30)

    def _scaled(self, value: float) -> float:
        return log10(value) if self.is_log else value

    def _y(self, value: float) -> float:
        low, high = self._limits
        return (self._scaled(value) - low) / (high - low)

    def _path(self, places: Sequence[Place]) -> str:
        return path([Point(x, self._y(value)) for x, value in places], WIDTH, self.height)

    @property
    def lines(self) -> list[str]:
        """A value by itself is a short line."""
        if self.width_of_bars:
            return []
        found = parts(self.places)
        return [self._path(part if len(part) > 1 else [(part[0][0] - DOT, part[0][1]), *part]) for part in found]

    @property
    def dashed(self) -> str:
        return "" if self.width_of_bars else "".join(map(self._path, self.dashes))

    @property
    def bars(self) -> str:
        """All bars as one path, from 0 to each value."""
        half = max(self.width_of_bars or 0, THIN) / 2
        return "".join(
            self._path([(x - half, 0), (x - half, value), (x + half, value), (x + half, 0)]) + "Z"
            for x, value in self.places
            if value is not None and self.width_of_bars
        )

    @cached_property
    def _ends(self) -> tuple[float, float]:
        low, high = self._limits
        return (10**low, 10**high) if self.is_log else (low, high)

    @property
    def words(self) -> str:
        low, high = (compact(Decimal(end)) for end in self._ends)
        return f"{self.name.capitalize()}, from {low} to {high}"

    @property
    def grid(self) -> list[Level]:
        """Its lines, at round values."""
        found = (log_ticks if self.is_log else ticks)(*self._ends, self.ticks)
        return [Level(round((1 - self._y(value)) * self.height, 1), compact(Decimal(value))) for value in found]

    @property
    def gaps(self) -> list[dict[str, float]]:
        return [
            {"x": round(begin * WIDTH, 1), "width": round((end - begin) * WIDTH, 1)}
            for begin, end in self.spans_of_gaps
        ]


def ticks(low: float, high: float, most: int) -> list[float]:
    """Two to `most` values in these limits: multiples of 1, 2 or 5 times a power of ten.

    `most` is 3 or more.
    """
    power = floor(log10((high - low) / most))
    for factor in (1, 2, 5, 10):
        step = factor * 10.0**power
        first, last = ceil(low / step), floor(high / step)
        if last - first < most:
            break
    return [place * step for place in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Of a short range as `ticks`, of a longer one 1, 2 and 5 times powers of ten, of a long one powers of ten.

    `static/coincrawl/coin_chart.js` does the same in the browser.
    """
    if high < 10 * low:
        return ticks(low, high, most)
    first, last = log10(low), floor(log10(high))
    if high < 100 * low:
        found = (factor * 10.0**power for power in range(floor(first), last + 1) for factor in (1, 2, 5))
        return [value for value in found if low <= value <= high]
    powers = range(ceil(first), last + 1)
    return [10.0**power for power in powers[:: ceil(len(powers) / most)]]
