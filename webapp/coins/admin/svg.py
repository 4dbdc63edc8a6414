"""Draws lines as SVG, with attributes and classes alone: the Content Security Policy allows no inline styles."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 110, 30  # of a sparkline, in pixels
SPARK = (
    f'<svg class="spark {{}}" width="{WIDTH}" height="{HEIGHT}" viewBox="0 -1 {WIDTH} {HEIGHT + 2}" role="img" '
    'aria-label="{}"><title>{}</title><path d="{}"/></svg>'
)


class Point(NamedTuple):
    """Both from 0 to 1: from left to right, and from bottom to top."""

    x: float
    y: float


def path(points: Iterable[Point], width: float, height: float) -> str:
    """The `d` of a line through these points."""
    return "M" + "L".join(f"{point.x * width:.1f} {(1 - point.y) * height:.1f}" for point in points)


def scaled(values: Sequence[float]) -> list[float]:
    """The values from 0 (the least) to 1 (the greatest); one half each if all are equal."""
    least, greatest = min(values), max(values)
    span = greatest - least
    return [(value - least) / span if span else 0.5 for value in values]


def sparkline(times: Sequence[float], values: Sequence[float], words: str) -> SafeString:
    """A small line without axes, coloured by whether it ends above its beginning; `words` describe it."""
    if len(values) < 2:
        return SafeString("")
    direction = "up" if values[-1] > values[0] else "down" if values[-1] < values[0] else "level"
    points = map(Point, scaled(times), scaled(values))
    return format_html(SPARK, direction, words, words, path(points, WIDTH, HEIGHT))
