"""Our commands, and what all commands have in common."""

from django.db import Error

from webapp.coins.texts import one_line


def unusable(error: Error) -> str:
    """Why a command cannot use the database, and what to do about it, in a sentence."""
    return (
        f"CommandError: The database cannot be used ({one_line(error)}): see DATABASE_URL in .env.example, "
        "and run `manage.py migrate` where it is not prepared yet."
    )
