"""`manage.py adminuser`: a login for the admin, in one command without questions."""

import shlex
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.db import connection
from django.urls import reverse

from webapp.crawls.channels import site_address
from webapp.crawls.migrated import MigratedCommand
from webapp.management.users import give_password


def here(path: Path) -> str:
    """`path` relative to the current folder, if it is below it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def database() -> list[str]:
    """The variable that names this database, if it is not the default. A server's URL has a password: it is omitted."""
    path, project = Path(connection.settings_dict["NAME"]), settings.BASE_DIR
    if connection.vendor != "sqlite" or path == settings.DEFAULT_DATABASE:
        return []
    return [f"DATABASE_URL=sqlite:///{path.relative_to(project) if path.is_relative_to(project) else path}"]


class Command(MigratedCommand):
    help = "Makes a superuser, or gives an existing user a new password. Shows once how to log in."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", default="admin", help="the user's name (default: admin)")
        parser.add_argument("--password", help="the password (default: a random one)")

    def handle(self, *args: Any, name: str, password: str | None, **options: Any) -> None:
        user, password = give_password(name, password)
        words = [*database(), here(Path(sys.executable)), here(settings.BASE_DIR / "webapp" / "manage.py"), "runserver"]
        self.stdout.write(f"Start the site: {shlex.join(words)}")
        self.stdout.write(f"Log in: {site_address()}{reverse('admin:index')} as {user}, password {password}")
