"""Whether the database has the tables that the models describe."""

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor

# The migrations of databases from before version 0.1.0 are gone.
START_OVER = (
    "This database is from before version 0.1.0 and cannot be migrated: name a new one in DATABASE_URL, "
    "run `python webapp/manage.py migrate`, and crawl again."
)


class NotMigrated(Exception):
    """The tables of the database are not those that the models describe."""


def is_old(using: str) -> bool:
    """Whether this database has a table that version 0.1.0 has moved to another app."""
    return "coins_crawlrun" in connections[using].introspection.table_names()


def check_migrated(using: str = DEFAULT_DB_ALIAS) -> None:
    """Raises NotMigrated if a migration has still to be applied, or if none can be."""
    if is_old(using):
        raise NotMigrated(START_OVER)
    executor = MigrationExecutor(connections[using])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotMigrated("The database is not migrated: run `python webapp/manage.py migrate` first.")


class MigratedCommand(BaseCommand):
    """A command that needs the tables of the models. Without them it ends with a sentence, and writes nothing."""

    requires_migrations_checks = True

    def check_migrations(self) -> None:
        try:
            check_migrated()
        except NotMigrated as error:
            raise CommandError(str(error)) from None
