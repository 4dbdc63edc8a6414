"""The commands of the site as a whole, and what commands share."""

from django.db import Error, ProgrammingError, connection

from webapp.coins.texts import one_line


def unusable(error: Error) -> str:
    """One sentence: why a command cannot use the database, and what to do."""
    name = f" {connection.settings_dict['NAME']}" if connection.vendor == "sqlite" else ""
    is_without_table = isinstance(error, ProgrammingError) or "no such table" in str(error)
    remedy = "run `python webapp/manage.py migrate`" if is_without_table else "check DATABASE_URL"
    return f"CommandError: The database{name} cannot be used ({one_line(error)}): {remedy}."
