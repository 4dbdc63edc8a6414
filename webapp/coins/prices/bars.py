"""Makes the bars of many coins in one hour or day, in one statement, and deletes what they were made from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection

from webapp.coins.models import Price, PriceBar
from webapp.coins.prices.tiers import Step


@dataclass(frozen=True)
class Level:
    """How bars of this step are made: the model of their parts, and by column of a bar the expression of a part."""

    step: Step
    parts: type[Price | PriceBar]
    condition: str  # of a part
    columns: Mapping[str, str]


PRICES = dict.fromkeys(("open", "high", "low", "close"), "price")
HOURS = Level(Step.HOUR, Price, "", PRICES | {"last_at": "time", "observations": "COUNT(*)"})
DAYS_OF_OBSERVATIONS = replace(HOURS, step=Step.DAY)
DAYS = Level(
    Step.DAY,
    PriceBar,
    f"AND {{alias}}.step = {Step.HOUR.value}",
    {name: name for name in (*PRICES, "last_at")} | {"observations": "CAST({sum}(part.observations) AS integer)"},
)

MAKE = """
    INSERT INTO coins_pricebar AS bar (
        series_id, step, time, open, high, low, close, market_cap, volume, rank, observations, last_at, is_final
    )
    SELECT
        span.series_id, %(step)s, %(start)s, opening.{open}, span.high, span.low, closing.{close},
        closing.market_cap, closing.volume, closing.rank, span.observations, closing.{last_at}, false
    FROM (
        SELECT
            series.id AS series_id, MIN(part.time) AS first, MAX(part.time) AS last,
            MAX(part.{high}) AS high, MIN(part.{low}) AS low, {observations} AS observations
        FROM coins_priceseries AS series {final} {final_day} {part}
        WHERE series.id IN {series}
        GROUP BY series.id
    ) AS span {opening} {closing}
    WHERE true
    ON CONFLICT (series_id, step, time) DO UPDATE SET {assignments}
    WHERE {where}
    RETURNING series_id
"""
# Its joins, each with the rows of one series. The planner must not read a whole table for them: SQLite's keeps the
# order of a CROSS JOIN, and PostgreSQL's cannot reorder a subquery with OFFSET 0.
SQLITE_JOIN = "{kind} JOIN {table} AS {alias} ON {where}"
POSTGRESQL_JOIN = "{kind} JOIN LATERAL (SELECT * FROM {table} AS {alias} WHERE {where} OFFSET 0) AS {alias} ON true"
FINAL = "{alias}.series_id = series.id AND {alias}.step = {step} AND {alias}.time = {time} AND {alias}.is_final"
# A final bar, this one or the day's, has all parts up to its `last_at`.
PART = (
    "part.series_id = series.id AND part.time >= %(start)s AND part.time < %(end)s"
    " AND (final.last_at IS NULL OR final.last_at < part.{last_at})"
    " AND (final_day.last_at IS NULL OR final_day.last_at < part.{last_at})"
)
OPENING = "opening.series_id = span.series_id AND opening.time = span.first"
CLOSING = "closing.series_id = span.series_id AND closing.time = span.last"
LAST = ("close", "market_cap", "volume", "rank", "last_at")  # of a bar: what its last part has
ANEW = {name: f"excluded.{name}" for name in ("open", "high", "low", "observations", *LAST)}
WITH_LATER_PARTS = {name: f"excluded.{name}" for name in LAST} | {
    "high": "{greatest}(bar.high, excluded.high)",
    "low": "{least}(bar.low, excluded.low)",
    "observations": "bar.observations + excluded.observations",
}
DELETE = """
    DELETE FROM {table} AS part
    WHERE part.series_id IN {series} AND part.time >= %(start)s AND part.time < %(end)s {of_part}
    RETURNING series_id
"""
SQLITE = {"sum": "total", "greatest": "MAX", "least": "MIN", "differs": "IS NOT"}
POSTGRESQL = {"sum": "sum", "greatest": "GREATEST", "least": "LEAST", "differs": "IS DISTINCT FROM"}


def make(level: Level, start: datetime, series: Collection[int], *, is_final: bool = False) -> list[int]:
    """Make the bars of these series that are not final, or add later parts to those that are final.

    Returns the series whose bar has changed.
    """
    words = SQLITE if connection.vendor == "sqlite" else POSTGRESQL
    changes = {
        name: expression.format(**words) for name, expression in (WITH_LATER_PARTS if is_final else ANEW).items()
    }
    differs = f"({', '.join(f'bar.{name}' for name in changes)}) {words['differs']} ({', '.join(changes.values())})"
    return _execute(
        MAKE,
        level,
        start,
        series,
        assignments=", ".join(f"{name} = {expression}" for name, expression in changes.items()),
        where="bar.is_final" if is_final else f"NOT bar.is_final AND {differs}",
        **{name: expression.format(**words) for name, expression in level.columns.items()},
        **_joins(level, is_final),
    )


def delete_parts(level: Level, start: datetime, series: Collection[int]) -> list[int]:
    """Delete the parts of the bars of these series. Returns the series that had some."""
    return _execute(DELETE, level, start, series)


def _joins(level: Level, is_final: bool) -> dict[str, str]:
    """The joins of MAKE, by alias."""
    join = SQLITE_JOIN if connection.vendor == "sqlite" else POSTGRESQL_JOIN
    straight = "CROSS" if connection.vendor == "sqlite" else "INNER"
    bars, parts = PriceBar._meta.db_table, level.parts._meta.db_table
    found = {}
    for alias, step, time, kind in (
        ("final", level.step, "%(start)s", straight if is_final else "LEFT"),
        ("final_day", Step.DAY, "%(day)s", "LEFT"),
    ):
        where = FINAL.format(alias=alias, step=step.value, time=time)
        found[alias] = join.format(kind=kind, table=bars, alias=alias, where=where)
    for alias, on in (("part", PART.format(**level.columns)), ("opening", OPENING), ("closing", CLOSING)):
        where = f"{on} {level.condition.format(alias=alias)}"
        found[alias] = join.format(kind=straight, table=parts, alias=alias, where=where)
    return found


def _execute(statement: str, level: Level, start: datetime, series: Collection[int], **words: str) -> list[int]:
    """Execute a statement about parts of one bar of these series. Returns the keys of series that it returns."""
    if not series:
        return []
    keys = f"({', '.join(map(str, series))})"
    of_part = level.condition.format(alias="part")
    sql = statement.format(table=level.parts._meta.db_table, series=keys, of_part=of_part, **words)
    time = PriceBar._meta.get_field("time")
    moments = {"start": start, "end": start + level.step.length, "day": Step.DAY.start(start)}
    prepared = {name: time.get_db_prep_value(moment, connection) for name, moment in moments.items()}
    with connection.cursor() as cursor:
        cursor.execute(sql, prepared | {"step": level.step.value})
        return [key for (key,) in cursor.fetchall()]
