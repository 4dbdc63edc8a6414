"""The database's clock, which all machines share: runs, nodes, slots and changes are dated by it."""

from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import timezone


def database_clock(using: str = DEFAULT_DB_ALIAS) -> datetime:
    """The time of this database, in UTC."""
    if connections[using].vendor == "sqlite":
        return timezone.now()  # it has this machine's clock
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now
