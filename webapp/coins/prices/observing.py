"""Stores observations: the prices of the coins that a flush has changed."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from webapp.coins.fields import microseconds

FIRST_COIN = datetime(2009, 1, 3, tzinfo=UTC)  # Bitcoin's first block
MAX_AHEAD = timedelta(minutes=10)  # a `last_updated` later than that comes from a wrong clock

# {moment} is a coin's `last_updated` as an InstantField stores it. SQLite has it as 2026-02-05 12:00:00, or with a
# fraction of six digits.
SQLITE = {
    "moment": "CAST(strftime('%%s', substr(last_updated, 1, 19)) || substr(substr(last_updated, 21) || '000000', 1, 6)"
    " AS integer)",
    "hour": "{0} - {0} %% 3600000000",
    "day": "{0} - {0} %% 86400000000",
}
POSTGRESQL = {
    "moment": "last_updated",
    "hour": "date_trunc('hour', {0}, 'UTC')",
    "day": "date_trunc('day', {0}, 'UTC')",
}

NEW_SERIES = """
    INSERT INTO coins_priceseries (coin_id)
    SELECT coin_id FROM coins_fullcoin
    WHERE changed_at = %(changed_at)s AND NOT EXISTS (
        SELECT 1 FROM coins_priceseries WHERE coins_priceseries.coin_id = coins_fullcoin.coin_id
    )
    ORDER BY coin_id
"""
# Of one time, the later price counts. If only the rank or the cap differs, the first row stays: the others are of a
# later time. Observations that are not newer than a final bar's `last_at` are in that bar, or came too late for it.
# Unless `seen` is materialized, SQLite computes {moment} in each of its places again: 40 % of the time.
OBSERVE = """
    WITH seen AS MATERIALIZED (
        SELECT
            coins_priceseries.id AS series_id,
            CASE WHEN last_updated BETWEEN %(first)s AND %(last)s THEN {moment} ELSE %(now)s END AS time,
            current_price AS price, market_cap, total_volume AS volume, market_cap_rank AS rank
        FROM coins_fullcoin JOIN coins_priceseries USING (coin_id)
        WHERE changed_at = %(changed_at)s AND current_price IS NOT NULL
    )
    INSERT INTO coins_price (series_id, time, price, market_cap, volume, rank)
    SELECT series_id, time, price, market_cap, volume, rank FROM seen
    WHERE NOT EXISTS (
        SELECT 1 FROM coins_pricebar AS bar
        WHERE bar.series_id = seen.series_id AND bar.step = 3600 AND bar.time = {hour_seen}
            AND bar.is_final AND bar.last_at >= seen.time
    ) AND NOT EXISTS (
        SELECT 1 FROM coins_pricebar AS bar
        WHERE bar.series_id = seen.series_id AND bar.step = 86400 AND bar.time = {day_seen}
            AND bar.is_final AND bar.last_at >= seen.time
    )
    ON CONFLICT (series_id, time) DO UPDATE SET
        price = excluded.price, market_cap = excluded.market_cap, volume = excluded.volume, rank = excluded.rank
        WHERE coins_price.price <> excluded.price
    RETURNING {hour}
"""
NOTE_HOUR = """
    INSERT INTO coins_pricehour (time, changed_at) VALUES (%s, %s)
    ON CONFLICT (time) DO UPDATE SET changed_at = excluded.changed_at
"""


def observe(now: datetime, changed_at: datetime, *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Store an observation of each coin with a price that was changed at `changed_at`, which is unique to a flush.

    Its time is the coin's `last_updated`, or `now` if that is null or impossible. An observation of the same time is
    replaced if the price differs. One that is older than a final bar is not stored. Call it in the transaction that has
    changed the coins.
    """
    connection = connections[using]
    with connection.cursor() as cursor:
        parameters = _parameters(connection, now, changed_at)
        for statement in (NEW_SERIES, _statement(connection)):
            cursor.execute(statement, parameters)
        hours = sorted({hour for (hour,) in cursor.fetchall()})
        cursor.executemany(NOTE_HOUR, [(hour, parameters["changed_at"]) for hour in hours])


def _statement(connection: BaseDatabaseWrapper) -> str:
    words = SQLITE if connection.vendor == "sqlite" else POSTGRESQL
    return OBSERVE.format(
        moment=words["moment"],
        hour=words["hour"].format("coins_price.time"),
        hour_seen=words["hour"].format("seen.time"),
        day_seen=words["day"].format("seen.time"),
    )


def _parameters(connection: BaseDatabaseWrapper, now: datetime, changed_at: datetime) -> dict[str, Any]:
    adapt = connection.ops.adapt_datetimefield_value
    bounds = {"first": FIRST_COIN, "last": now + MAX_AHEAD, "changed_at": changed_at}
    own = microseconds(now) if connection.vendor == "sqlite" else now
    return {name: adapt(moment) for name, moment in bounds.items()} | {"now": own}
