"""Points of an API's history, and the bars that they become."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any, cast

from django.db import models

from webapp.coins.cleaning import Rejection, Unfit, check_for
from webapp.coins.fields import EPOCH
from webapp.coins.models import PriceBar
from webapp.coins.prices.imported import ImportedBar
from webapp.coins.prices.observing import FIRST_COIN
from webapp.coins.prices.tiers import Step

MAX_SPACING = timedelta(hours=12)  # points for each hour or less are closer, also if some are missing
CHECKS: dict[str, Callable[[Any], Decimal]] = {
    name: check_for(cast(models.Field, PriceBar._meta.get_field(name))) for name in ("close", "market_cap", "volume")
}


@dataclass(frozen=True)
class ChartPoint:
    time: datetime
    price: Decimal
    market_cap: Decimal | None
    volume: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastBar(ImportedBar):
    points: int = 1  # that it was made from


@dataclass(frozen=True)
class Chart:
    """The bars of a coin from `since` to `until`, and the points that cannot be stored."""

    coin_id: str
    step: Step = field(metadata={"serializer": lambda step: step.label})  # what Scrapy's feeds have
    bars: list[PastBar]
    since: datetime
    until: datetime
    points: int  # that came
    rejected: list[Any]
    rejection: Rejection | None  # why

    @property
    def records(self) -> int:
        """All rejected points together are one record."""
        return len(self.bars) + bool(self.rejected)


def clean(row: Any, until: datetime) -> ChartPoint | None:
    """The point of a row of milliseconds since 1970, price, market cap and volume. None if it has no price.

    Raises Unfit if it is no such row, a value is invalid, or the time is after `until`.
    """
    if not isinstance(row, list) or len(row) != 1 + len(CHECKS):
        raise Unfit("point: not a time and a number")
    milliseconds, *values = row
    time = _time(milliseconds, until)
    price, market_cap, volume = (
        None if value is None else _checked(name, value) for name, value in zip(CHECKS, values, strict=True)
    )
    return None if price is None else ChartPoint(time, price, market_cap, volume)


def _time(milliseconds: Any, until: datetime) -> datetime:
    is_number = isinstance(milliseconds, Decimal) and milliseconds.is_finite() and 0 < milliseconds < 10**14
    time = EPOCH + timedelta(microseconds=int(milliseconds * 1_000)) if is_number else EPOCH
    if not FIRST_COIN <= time <= until:
        raise Unfit("time: not a possible date")
    return time


def _checked(name: str, value: Any) -> Decimal:
    try:
        return CHECKS[name](value)
    except Unfit as unfit:
        raise Unfit(f"{'price' if name == 'close' else name}: {unfit}") from None


def step_of(points: Sequence[ChartPoint], days: int) -> Step:
    """Whether the points, sorted by time, are for bars of an hour or of a day; `days` were asked for.

    The last point is skipped: it is the latest price, at any time.
    """
    spacings = sorted(later.time - earlier.time for earlier, later in pairwise(points[:-1]))
    if not spacings:
        return Step.HOUR if days <= 90 else Step.DAY
    return Step.HOUR if spacings[len(spacings) // 2] < MAX_SPACING else Step.DAY


def bars_of(points: Iterable[ChartPoint], step: Step, since: datetime, until: datetime) -> list[PastBar]:
    """The bars of points that are sorted by time: those that begin from `since` on, and are over by `until`."""
    groups = ((start, list(group)) for start, group in groupby(points, lambda point: step.start(point.time)))
    return [_bar(start, group) for start, group in groups if since <= start and start + step.length <= until]


def _bar(start: datetime, points: Sequence[ChartPoint]) -> PastBar:
    prices, last = [point.price for point in points], points[-1]
    return PastBar(
        time=start,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=last.price,
        market_cap=last.market_cap,
        volume=last.volume,
        last_at=last.time,
        points=len(points),
    )
