"""Among, like Django's lookup `in`, for many texts: `filter(Among("coin_id", ids))`."""

import json
from collections.abc import Iterable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Lookup
from django.db.models.sql.compiler import SQLCompiler

from webapp.coins.rows import array_of


class Among(Lookup):
    """Whether a field's text is one of these. They are one parameter of the statement, so it stays short.

    With `in`, each text is a parameter of its own. Django takes longer to write such a statement than the database to
    execute it, and both have a limit.
    """

    def __init__(self, field: str | F, texts: Iterable[str]) -> None:
        super().__init__(F(field) if isinstance(field, str) else field, [*texts])

    def get_prep_lookup(self) -> Any:
        return self.rhs

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        column, parameters = self.process_lhs(compiler, connection)
        if connection.vendor == "sqlite":
            texts, values = "IN (SELECT value FROM json_each(%s))", json.dumps(self.rhs)
        else:
            texts, values = "= ANY(%s::text[])", array_of(self.rhs)
        return f"{column} {texts}", [*parameters, values]
