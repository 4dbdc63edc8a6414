"""Locks of the database that are about no table: for what only one transaction may do at a time."""

from django.db import DEFAULT_DB_ALIAS, connections


def wait_for_lock(key: int, using: str = DEFAULT_DB_ALIAS) -> None:
    """Wait until no other transaction has the lock with this key; others wait until this transaction ends."""
    if connections[using].vendor == "postgresql":  # SQLite has one writer at a time
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])
