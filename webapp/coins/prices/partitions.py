"""Observations in partitions of a month, if `deploy/partitions.sql` has made them: PostgreSQL drops a month at once.

A default partition has what no month has: an observation that came after its month was dropped, or for which no
partition was made in time. Only whole months are dropped, so observations are kept for up to a month longer.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import IntegrityError, OperationalError, connection, transaction

from webapp.coins.fields import EPOCH

AHEAD = timedelta(days=60)  # so that months have partitions long before they begin
BOUNDS = r"""
    SELECT format('%I.%I', nspname, relname),
        (regexp_match(bounds, $$FROM \('([^']+)'\)$$))[1]::timestamptz,
        (regexp_match(bounds, $$TO \('([^']+)'\)$$))[1]::timestamptz AS until
    FROM pg_inherits JOIN pg_class ON oid = inhrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace,
        pg_get_expr(relpartbound, pg_class.oid) AS bounds
    WHERE inhparent = to_regclass('coins_price') ORDER BY until
"""
SCRIPT_LOCK = int.from_bytes(b"months")  # the key of an advisory lock: deploy/partitions.sql holds it while it runs
UNFINISHED = """
    SELECT FROM pg_constraint WHERE conrelid = to_regclass('coins_price') AND conname = 'coins_price_is_first'
"""


@dataclass(frozen=True)
class Partition:
    """A partition of observations. The first one also has all that is older."""

    table: str  # quoted
    since: datetime
    until: datetime


def existing() -> list[Partition]:
    """The partitions, oldest first, without the default one. None if the table has no partitions."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(BOUNDS)
        return [Partition(table, since or EPOCH, until) for table, since, until in cursor.fetchall() if until]


def are_unfinished() -> bool:
    """Whether deploy/partitions.sql has begun, and not ended: no observation of later months can be stored."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute(UNFINISHED)
        return cursor.fetchone() is not None


def undo_unfinished() -> None:
    """Make the table as it was. Call it in a transaction in which nobody writes.

    Does nothing while the script runs, or while something else uses the table: then the next roll-up tries again.
    """
    with suppress(OperationalError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SCRIPT_LOCK])
        (is_stopped,) = cursor.fetchone()
        if is_stopped:
            cursor.execute("SET LOCAL lock_timeout = '200ms'")
            cursor.execute("ALTER TABLE coins_price DROP CONSTRAINT IF EXISTS coins_price_is_first")


def first_kept(raw_since: datetime, partitions: list[Partition]) -> datetime:
    """From when on observations are kept: the beginning of the month that has `raw_since`, if it has a partition."""
    return next((month.since for month in partitions if month.since <= raw_since < month.until), raw_since)


def make_next(now: datetime, partitions: list[Partition]) -> None:
    """Make partitions for the months to come. Call it in a transaction in which nobody writes.

    A month gets none if the default partition has observations of it: it has begun, or a clock was ahead.
    """
    since = max(partitions[-1].until, _next_month(now + timedelta(days=1)))
    while since < now + AHEAD:
        until = _next_month(since)
        bounds = "PARTITION OF coins_price FOR VALUES FROM (%s) TO (%s)"
        with suppress(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS coins_price_{since:%Y_%m} {bounds}", [since, until])
        since = until


def drop(month: Partition) -> None:
    """Drop its observations. Call it in a transaction in which nobody writes."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {month.table}")


def _next_month(moment: datetime) -> datetime:
    return datetime(moment.year + moment.month // 12, moment.month % 12 + 1, 1, tzinfo=UTC)
