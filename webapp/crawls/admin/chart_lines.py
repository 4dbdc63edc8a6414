"""The lines of a chart: where they break, where they are dashed, and what is left out of very long ones."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby, pairwise

from webapp.coins.prices.reading import PricePoint

BUCKETS = 500  # parts of a long line: of each, the least and the greatest value is drawn
LINES = ("price", "market_cap", "volume")

Span = tuple[datetime, datetime]  # from one point to the next
Row = tuple[datetime, float | None, float | None, float | None]  # the time, and the value of each of LINES


def thinned(points: Sequence[PricePoint], keep: Collection[datetime]) -> list[PricePoint]:
    """The points, or if there are very many, those that show: the extremes of each line, and those at these times.

    At most six of each of BUCKETS parts, besides the first, the last and those at these times.
    """
    if len(points) <= 2 * BUCKETS:
        return list(points)
    begin, length = points[0].time, (points[-1].time - points[0].time) / BUCKETS
    kept = {points[0].time, points[-1].time, *keep}
    for _, bucket in groupby(points, lambda point: (point.time - begin) // length):
        together = list(bucket)
        for name in LINES:
            known = [(value, point.time) for point in together if (value := getattr(point, name)) is not None]
            if known:
                kept |= {min(known)[1], max(known)[1]}
    return [point for point in points if point.time in kept]


def pauses(points: Sequence[PricePoint], least: timedelta, broken_at: Sequence[datetime]) -> list[Span]:
    """The times of at least this length without a point, from one point to the next, without those that have a break.

    Both are sorted.
    """
    spans = ((first.time, second.time) for first, second in pairwise(points))
    return [
        (since, until)
        for since, until in spans
        if until - since >= least and not any(since <= moment < until for moment in broken_at)
    ]


def as_float(number: Decimal | None) -> float | None:
    return None if number is None else float(number)


def rows(points: Iterable[PricePoint], dashed: Iterable[Span], broken_at: Iterable[datetime]) -> list[Row]:
    """The points, and a row without values in each time that no solid line may cross."""
    found: list[Row] = [
        (point.time, as_float(point.price), as_float(point.market_cap), as_float(point.volume)) for point in points
    ]
    middles = [since + (until - since) / 2 for since, until in dashed]
    found += [(moment, None, None, None) for moment in (*middles, *broken_at)]
    return sorted(found, key=lambda row: row[0])


def parts(places: Iterable[tuple[float, float | None]]) -> Iterator[list[tuple[float, float]]]:
    """The lines between the places without a value."""
    for is_known, part in groupby(places, lambda place: place[1] is not None):
        if is_known:
            yield [(x, value) for x, value in part if value is not None]
