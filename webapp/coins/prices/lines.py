"""The prices of many coins as lines of floats, for small charts."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import connection

from webapp.coins.models import PriceBar
from webapp.coins.prices.tiers import Step

Line = dict[float, float]  # by seconds since 1970, in the order of time: the price

# The last bar of each span of time. The database picks them, because a page of a list has some 17,000 bars. They are
# read as floats: Django would make dates and decimals of each.
BARS = {
    # SQLite takes the other columns from the row that has the maximum.
    "sqlite": """
        SELECT series.coin_id, MAX(bar.last_at) / 1000000.0 AS seconds, CAST(bar.close AS REAL)
        FROM coins_priceseries AS series JOIN coins_pricebar AS bar ON bar.series_id = series.id
        WHERE series.coin_id IN ({ids}) AND bar.step = %s AND bar.time >= %s
        GROUP BY series.id, bar.last_at / (1000000 * {span}) ORDER BY series.id, seconds
    """,
    # Dates are only made floats where they are kept: that takes longer than to read them.
    "postgresql": """
        SELECT coin_id, extract(epoch FROM last_at)::float8, close::float8 FROM (
            SELECT DISTINCT ON (series.id, date_bin('{span} seconds', bar.last_at, 'epoch'))
                series.id, series.coin_id, bar.last_at, bar.close
            FROM coins_priceseries AS series JOIN coins_pricebar AS bar ON bar.series_id = series.id
            WHERE series.coin_id IN ({ids}) AND bar.step = %s AND bar.time >= %s
            ORDER BY series.id, date_bin('{span} seconds', bar.last_at, 'epoch'), bar.last_at DESC
        ) AS bars ORDER BY id, last_at
    """,
}


def lines(coin_ids: Collection[str], since: datetime, every: timedelta) -> dict[str, Line]:
    """By coin with prices: the last price of each span of the length `every`, from bars of an hour. One query."""
    if not coin_ids:
        return {}
    statement = BARS[connection.vendor].format(ids=", ".join(["%s"] * len(coin_ids)), span=int(every.total_seconds()))
    begin = PriceBar._meta.get_field("time").get_db_prep_value(Step.HOUR.start(since), connection)
    found: dict[str, Line] = {}
    with connection.cursor() as cursor:
        cursor.execute(statement, [*coin_ids, Step.HOUR.value, begin])
        for coin_id, seconds, price in cursor.fetchall():
            found.setdefault(coin_id, {})[seconds] = price
    return found
