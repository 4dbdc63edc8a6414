"""Whether the database has the tables that the models describe."""

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor

from webapp.coins.old_database import START_OVER, is_old


class NotMigrated(Exception):
    """The tables of the database are not those that the models describe."""


def check_migrated(using: str = DEFAULT_DB_ALIAS) -> None:
    """Raises NotMigrated if a migration has still to be applied, or if none can be."""
    if is_old(using):
        raise NotMigrated(START_OVER)
    executor = MigrationExecutor(connections[using])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotMigrated("The database is not migrated: run `python webapp/manage.py migrate` first.")
