"""`manage.py migrate`: Django's own. A database from before version 0.1.0 is left unchanged."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate

from webapp.crawls.migrated import START_OVER, is_old


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        if is_old(options["database"]):
            raise CommandError(START_OVER)
        super().handle(*args, **options)
