"""The commands of the site as a whole, and what commands share."""

from django.db import Error

from webapp.coins.texts import one_line


def unusable(error: Error) -> str:
    """One sentence: why a command cannot use the database, and what to do."""
    return (
        f"CommandError: The database cannot be used ({one_line(error)}): see DATABASE_URL in .env.example, "
        "and run `manage.py migrate` if it is not prepared yet."
    )
