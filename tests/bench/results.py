"""What comes of measurements: medians, ratios with their spread, tables, and whether a target holds."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar

T = TypeVar("T")

WIDTH = 100  # characters of prose in a line


@dataclass(frozen=True)
class Spread:
    """The median of several measurements, the smallest and the largest."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Raises ValueError if there are none."""
        values = [*values]
        if not values:
            raise ValueError("nothing was measured")
        return cls(median(values), min(values), max(values))

    def text(self, digits: int, unit: str = "") -> str:
        """The median, and in brackets the smallest and the largest, if they differ as they are written."""
        middle, least, most = (f"{value:,.{digits}f}" for value in (self.middle, self.least, self.most))
        spread = "" if least == most else f" ({least} to {most})"
        return f"{middle}{unit}{spread}"


def ratios(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Spread:
    """Ours to theirs in each round that both have: what slows down a whole round is not in it."""
    return Spread.of(ours[number] / theirs[number] for number in ours if number in theirs)


def in_turn(things: Sequence[T], number: int) -> list[T]:
    """The things in the order of this round: another one begins each time."""
    first = number % len(things)
    return [*things[first:], *things[:first]]


@dataclass(frozen=True)
class Target:
    """At most this much is wanted."""

    what: str
    measured: Spread
    most: float
    unit: str = ""
    digits: int = 2

    @property
    def verdict(self) -> str:
        return "holds" if self.measured.middle <= self.most else "misses"

    @property
    def cells(self) -> list[str]:
        limit = f"at most {self.most:,.{self.digits}f}{self.unit}"
        return [self.what, self.measured.text(self.digits, self.unit), limit, self.verdict]


@dataclass
class Table:
    title: str
    explanation: str
    columns: Sequence[str] = ()  # the first is of words, the others are of numbers; without any, there is no table
    rows: list[Sequence[str]] = field(default_factory=list)

    def markdown(self, *, is_explained: bool = True) -> str:
        parts = [f"## {self.title}\n"]
        if is_explained:
            parts.append(f"{wrapped(self.explanation)}\n")
        if self.columns:
            parts.append(self.grid())
        return "\n".join(parts)

    def grid(self) -> str:
        """The table alone."""
        rule = ["---", *["---:"] * (len(self.columns) - 1)]
        lines = [f"| {' | '.join(cells)} |" for cells in (self.columns, rule, *self.rows)]
        return "".join(f"{line}\n" for line in lines)


def wrapped(text: str) -> str:
    """Prose in lines that fit. Words are not cut."""
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(
        textwrap.fill(" ".join(one.split()), WIDTH, break_long_words=False, break_on_hyphens=False)
        for one in paragraphs
    )


def megabytes(count: float) -> float:
    """Of a million bytes each."""
    return count / 1e6
