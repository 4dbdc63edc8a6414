"""The commands of the site as a whole, and what commands share."""

import re

from django.db import Error, ProgrammingError, connection

from webapp.coins.availability import Trouble, trouble_of
from webapp.coins.texts import one_line


def unusable(error: Error) -> str:
    """One sentence: why a command cannot use the database, and what to do."""
    name = f" {connection.settings_dict['NAME']}" if connection.vendor == "sqlite" else ""
    if trouble_of(error) == Trouble.LOCKED:
        waited = f", and stayed so for {connection.settings_dict['OPTIONS']['timeout']} s" if name else ""
        return (
            f"CommandError: The database{name} is locked by another process{waited}: "
            "end that process or wait for it, and try again."
        )
    # SQLite has the same class of error for a file that cannot be used and for a table or a column that is missing.
    lacks_tables = isinstance(error, ProgrammingError) or re.search("no such (table|column)|has no column", str(error))
    remedy = "run `python webapp/manage.py migrate`" if lacks_tables else "check DATABASE_URL"
    return f"CommandError: The database{name} cannot be used ({one_line(error)}): {remedy}."
