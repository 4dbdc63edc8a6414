"""The prices of many coins as lines of floats, for small charts."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import connection

from webapp.coins.models import PriceBar
from webapp.coins.prices.tiers import Step

Line = dict[float, float]  # by seconds since 1970, in the order of time: the price

# Read as floats: a page of a list has some 17,000 of them, and Django would make dates and decimals of each.
BARS = """
    SELECT series.coin_id, {seconds}, {price} FROM coins_priceseries AS series
    JOIN coins_pricebar AS bar ON bar.series_id = series.id
    WHERE series.coin_id IN ({ids}) AND bar.step = %s AND bar.time >= %s ORDER BY series.id, bar.time
"""
FLOATS = {
    "sqlite": {"seconds": "bar.last_at / 1000000.0", "price": "CAST(bar.close AS REAL)"},
    "postgresql": {"seconds": "extract(epoch FROM bar.last_at)::float8", "price": "bar.close::float8"},
}


def lines(coin_ids: Collection[str], since: datetime, every: timedelta) -> dict[str, Line]:
    """By coin with prices: the last price of each span of the length `every`, from bars of an hour. One query."""
    if not coin_ids:
        return {}
    ids = ", ".join(["%s"] * len(coin_ids))
    begin = PriceBar._meta.get_field("time").get_db_prep_value(Step.HOUR.start(since), connection)
    length = every.total_seconds()
    last: dict[str, dict[int, tuple[float, float]]] = {}
    with connection.cursor() as cursor:
        statement = BARS.format(ids=ids, **FLOATS[connection.vendor])
        cursor.execute(statement, [*coin_ids, Step.HOUR.value, begin])
        for coin_id, seconds, price in cursor:
            last.setdefault(coin_id, {})[int(seconds // length)] = seconds, price
    return {coin_id: dict(points.values()) for coin_id, points in last.items()}
