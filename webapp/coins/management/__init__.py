"""Our commands, and what all commands have in common."""

from django.db import Error


def unusable(error: Error) -> str:
    """Why a command cannot use the database, and what to do about it, in a sentence."""
    words = (str(error).strip() or type(error).__name__).partition("\n")[0]
    return (
        f"CommandError: The database cannot be used ({words}): see DATABASE_URL in .env.example, "
        "and run `manage.py migrate` where it is not prepared yet."
    )
