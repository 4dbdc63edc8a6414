"""Rows as part of a statement, and their values as the database takes them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from types import NoneType
from typing import Any, cast

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from webapp.coins.fields import ExactDecimalField, InstantField, microseconds

Column = models.Field

OWN_TYPES: Mapping[type[Column], type[Any]] = {  # types that databases take unconverted; str for other fields
    models.DecimalField: Decimal,
    models.DateTimeField: datetime,
    models.IntegerField: int,
}


def rows_of(
    lists: Mapping[Column, list[Any]], connection: BaseDatabaseWrapper, same: Mapping[Column, Any] | None = None
) -> tuple[str, list[Any]]:
    """Rows as SQL, and its parameters. `lists` has the prepared values by column.

    `same` has the values that all rows share, of the last columns.
    """
    same = same or {}
    if connection.vendor == "postgresql":
        # An array for each column. psycopg reads a statement's placeholders anew each time it is executed: one for each
        # value would take longer than the upsert. Types without their sizes, or a cast would cut values.
        types = {column: str(column.db_type(connection)).partition("(")[0] for column in [*lists, *same]}
        chosen = ", ".join(["*", *(f"%s::{types[column]}" for column in same)])
        arrays = ", ".join(f"%s::{types[column]}[]" for column in lists)
        parameters = [*same.values(), *map(array_of, lists.values())]
        return f"SELECT {chosen} FROM unnest({arrays})", parameters  # noqa: S608 - its types
    count = len(next(iter(lists.values())))
    rows = [*zip(*lists.values(), *([value] * count for value in same.values()), strict=True)]
    row = f"({', '.join(['%s'] * (len(lists) + len(same)))})"
    return f"VALUES {', '.join([row] * len(rows))}", list(chain(*rows))


def array_of(values: list[Any]) -> Any:
    """The values of a column for psycopg: as PostgreSQL writes an array, if they are of a type that is common here.

    psycopg converts the values of a list one by one, in several times as long as the whole statement takes.
    """
    types = {*map(type, values)} - {NoneType}
    if types <= {str}:
        quoted = (None if value is None else value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
        texts = ["NULL" if value is None else f'"{value}"' for value in quoted]
    elif types <= {Decimal} or types <= {int}:
        texts = ["NULL" if value is None else str(value) for value in values]
    elif types <= {datetime}:
        texts = ["NULL" if value is None else f'"{value.isoformat()}"' for value in values]
    else:
        return values
    return f"{{{','.join(texts)}}}"


def prepared(column: Column, values: list[Any], connection: BaseDatabaseWrapper) -> list[Any]:
    """`column.get_db_prep_save` of each value, faster if all are null or of the column's own type.

    Django's conversion of 30 values a row takes longer than the rest of the upsert. Other types still go through
    Django, and raise its errors.
    """
    is_sqlite = connection.vendor == "sqlite"
    own_type = next((own for kind, own in OWN_TYPES.items() if isinstance(column, kind)), str)
    if {*map(type, values)} <= {own_type, NoneType}:
        if own_type is Decimal:
            if is_sqlite:
                return cast(ExactDecimalField, column).all_for_sqlite(values)
            if all(map(Decimal.is_finite, filter(None, values))):
                return values
        elif own_type is not datetime or not is_sqlite:
            return values
        elif isinstance(column, InstantField):
            return [None if value is None else microseconds(value) for value in values]
        elif all(value is None or value.tzinfo is UTC for value in values):
            # Without the offset, in half of the time.
            return [
                None if value is None else f"{value.date().isoformat()} {value.time().isoformat()}" for value in values
            ]
    return [None if value is None else column.get_db_prep_save(value, connection) for value in values]
