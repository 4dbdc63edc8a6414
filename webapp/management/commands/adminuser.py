"""`manage.py adminuser`: a way into the admin, in one command that asks nothing."""

import secrets
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, connection
from django.urls import reverse


def here(path: Path) -> str:
    """`path` as one would type it in the current folder."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def database() -> list[str]:
    """What has to be set for the site to open this database, where it is another file than the default one.

    A server's URL has a password, and is not for printing.
    """
    path, project = Path(connection.settings_dict["NAME"]), settings.BASE_DIR
    if connection.vendor != "sqlite" or path == settings.DEFAULT_DATABASE:
        return []
    return [f"DATABASE_URL=sqlite:///{path.relative_to(project) if path.is_relative_to(project) else path}"]


@contextmanager
def database_explained() -> Iterator[None]:
    """What the database fails with is one sentence."""
    try:
        yield
    except Error as error:
        words = str(error).partition("\n")[0]
        raise CommandError(f"The database is not ready ({words}): `manage.py migrate` prepares it.") from None


def user_named(name: str, **rights: bool) -> User:
    """The user of that name, or a new one with these rights and no password, who is not stored yet."""
    new = User(username=User.normalize_username(name), **rights)
    new.set_unusable_password()
    try:
        new.clean_fields()
    except ValidationError as error:
        raise CommandError(f"{name!r} cannot be a user's name: {' '.join(error.messages)}") from None
    return User.objects.filter(username=new.username).first() or new


def give_password(name: str, password: str | None = None) -> tuple[User, str]:
    """The user and the password, a random one where none is given: a new superuser, or one who has a new password."""
    password = password or secrets.token_urlsafe(12)
    with database_explained():
        user = user_named(name, is_staff=True, is_superuser=True)
        user.set_password(password)
        user.save()
    return user, password


class Command(BaseCommand):
    help = "Make a superuser, or give an existing user a new password; shows once how to log in."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", default="admin", help="the user's name (default: admin)")
        parser.add_argument("--password", help="the password (default: a random one)")

    def handle(self, *args: Any, name: str, password: str | None, **options: Any) -> None:
        user, password = give_password(name, password)
        words = [*database(), here(Path(sys.executable)), here(settings.BASE_DIR / "webapp" / "manage.py"), "runserver"]
        self.stdout.write(f"Start the site: {shlex.join(words)}")
        self.stdout.write(f"Log in: http://127.0.0.1:8000{reverse('admin:index')} as {user}, password {password}")
