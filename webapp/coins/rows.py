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
        return f"SELECT {chosen} FROM unnest({arrays})", [*same.values(), *lists.values()]  # noqa: S608 - its types
    count = len(next(iter(lists.values())))
    rows = [*zip(*lists.values(), *([value] * count for value in same.values()), strict=True)]
    row = f"({', '.join(['%s'] * (len(lists) + len(same)))})"
    return f"VALUES {', '.join([row] * len(rows))}", list(chain(*rows))


def prepared(column: Column, values: list[Any], connection: BaseDatabaseWrapper) -> list[Any]:
    """`column.get_db_prep_save` of each value, faster if all are null or of the column's own type.

    Django's conversion of 30 values a row takes longer than the rest of the upsert. Other types still go through
    Django, and raise its errors.
    """
    own_type = next((own for kind, own in OWN_TYPES.items() if isinstance(column, kind)), str)
    is_usual = {*map(type, values)} <= {own_type, NoneType}
    if own_type is Decimal:
        is_usual = is_usual and all(value is None or value.is_finite() for value in values)
    if not is_usual:
        return [None if value is None else column.get_db_prep_save(value, connection) for value in values]
    if connection.vendor != "sqlite" or own_type in (str, int):
        return values
    if own_type is Decimal:
        return cast(ExactDecimalField, column).all_for_sqlite(values)
    if isinstance(column, InstantField):
        return [None if value is None else microseconds(value) for value in values]
    if all(value is None or value.tzinfo is UTC for value in values):
        return [None if value is None else value.isoformat(" ").removesuffix("+00:00") for value in values]
    return [None if value is None else connection.ops.adapt_datetimefield_value(value) for value in values]
