"""Tables that SQLite keeps in the order of their primary key, without a row id: a third of the size."""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


class WithoutRowid(migrations.RunPython):
    """Replaces a model's new table by one WITHOUT ROWID. Does nothing on other databases.

    The key's columns must be the first ones, in its order: otherwise `PRAGMA quick_check` of SQLite 3.40 finds NULL
    where there is none. A later migration that rebuilds the table has to be followed by this again.
    """

    def __init__(self, model: str) -> None:
        super().__init__(self._replace, self.noop)
        self.model = model

    def _replace(self, apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        if editor.connection.vendor != "sqlite":
            return
        table = apps.get_model("coins", self.model)._meta.db_table
        with editor.connection.cursor() as cursor:
            cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = %s", [table])
            (statement,) = cursor.fetchone()
        editor.execute(f"DROP TABLE {editor.quote_name(table)}")
        editor.execute(f"{statement} WITHOUT ROWID")
