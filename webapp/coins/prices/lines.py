"""The prices of many coins as lines of floats, for small charts."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import FloatField
from django.db.models.functions import Cast

from webapp.coins.models import PriceBar
from webapp.coins.prices.tiers import Step

Line = dict[float, float]  # by seconds since 1970, in the order of time: the price


def lines(coin_ids: Collection[str], since: datetime, every: timedelta) -> dict[str, Line]:
    """By coin with prices: the last price of each span of the length `every`, from bars of an hour. One query."""
    bars = PriceBar.objects.filter(series__coin_id__in=coin_ids, step=Step.HOUR, time__gte=Step.HOUR.start(since))
    rows = bars.order_by("series", "time").values_list("series__coin_id", "last_at", Cast("close", FloatField()))
    length = every.total_seconds()
    last: dict[str, dict[int, tuple[float, float]]] = {}
    for coin_id, last_at, price in rows:
        seconds = last_at.timestamp()
        last.setdefault(coin_id, {})[int(seconds // length)] = seconds, price
    return {coin_id: dict(points.values()) for coin_id, points in last.items()}
