"""Databases from before version 0.1.0, whose migrations are gone."""

from django.db import connections

START_OVER = (
    "This database is from before version 0.1.0 and cannot be migrated: name a new one in DATABASE_URL, "
    "run `python webapp/manage.py migrate`, and crawl again."
)


def is_old(using: str) -> bool:
    """Whether this database has a table that version 0.1.0 has moved to another app."""
    return "coins_crawlrun" in connections[using].introspection.table_names()
