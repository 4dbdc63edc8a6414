"""The clock that runs, nodes, slots and changes go by: the database's, which all machines share."""

from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import timezone


def database_clock(using: str = DEFAULT_DB_ALIAS) -> datetime:
    """The time by the clock of this database, in UTC."""
    if connections[using].vendor == "sqlite":
        return timezone.now()  # its clock is this machine's
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now
