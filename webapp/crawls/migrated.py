"""Whether the database has the tables that the models describe."""

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor


class NotMigrated(Exception):
    """The tables of the database are not those that the models describe."""


def check_migrated(using: str = DEFAULT_DB_ALIAS) -> None:
    """Raises NotMigrated if a migration has still to be applied."""
    executor = MigrationExecutor(connections[using])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotMigrated("The database is not migrated: run `python webapp/manage.py migrate` first.")
