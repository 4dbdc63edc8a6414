"""Many rows in one statement: inserted where they are new, updated where they moved forward, left alone otherwise."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.options import Options

Row = Mapping[str, Any]
Column = models.Field

# What a row can be guilty of, on either database and on the way to it ...
ROW_ERRORS = (DatabaseError, ValidationError, ValueError, TypeError, ArithmeticError)
# ... and what it cannot: the database is away, locked, full or read-only. A call may succeed when it is made again.
DATABASE_ERRORS = (OperationalError, InterfaceError, InternalError)


@dataclass
class Upserted:
    """What became of the rows of one upsert, by key; `rejected` has the guilty rows' errors."""

    created: set[str] = field(default_factory=set)
    updated: set[str] = field(default_factory=set)
    unchanged: set[str] = field(default_factory=set)
    rejected: dict[str, str] = field(default_factory=dict)


class Upsert:
    """INSERT ... ON CONFLICT DO UPDATE for one model and database, built once from the fields.

    `values` are the fields that rows bring, the primary key among them. A stored row is overwritten where `version`
    is not older and any of them differs. `created` is stamped when a row is inserted, `changed` when it is written.
    """

    def __init__(self, using: str, *, values: Sequence[Column], version: str, created: str, changed: str) -> None:
        meta = values[0].model._meta
        self.using = using
        self.values = values
        self.stamps = [cast(Column, meta.get_field(name)) for name in (created, changed)]
        self.names = frozenset(column.name for column in values)
        self.key = meta.pk.name
        self.version = version
        self.head, self.tail = self._frame(connections[using], meta)

    def _frame(self, database: BaseDatabaseWrapper, meta: Options) -> tuple[str, str]:
        """The statement before and after its rows."""
        quote = database.ops.quote_name
        quoted = {column.name: quote(cast(str, column.column)) for column in [*self.values, *self.stamps]}
        table, key, version = quote(meta.db_table), quoted[self.key], quoted[self.version]
        created, changed = (quoted[stamp.name] for stamp in self.stamps)
        values = [quoted[column.name] for column in self.values if not column.primary_key]
        assignments = ", ".join(f"{column} = excluded.{column}" for column in [*values, changed])
        stored = ", ".join(f"{table}.{column}" for column in values)
        sent = ", ".join(f"excluded.{column}" for column in values)
        # Null-safe comparison of whole rows; SQLite has had IS NOT for longer than IS DISTINCT FROM.
        differs = "IS NOT" if database.vendor == "sqlite" else "IS DISTINCT FROM"
        return (
            f"INSERT INTO {table} ({', '.join(quoted.values())}) ",
            f" ON CONFLICT ({key}) DO UPDATE SET {assignments}"
            f" WHERE (excluded.{version} < {table}.{version}) IS NOT TRUE AND ({stored}) {differs} ({sent})"
            # A row that was just inserted has both stamps equal; one that was updated was created before.
            f" RETURNING {key}, {table}.{created} = {table}.{changed}",
        )

    def __call__(self, rows: Iterable[Row], now: datetime) -> Upserted:
        """Write `rows`, stamped `now`, in one statement; of rows with the same key, the newest.

        A row that the database will not take is found by halving the batch, inside savepoints, and ends in
        `rejected`; all others are written. Raises the errors that are not a row's: OperationalError, InterfaceError
        and bare DatabaseError.
        """
        newest: dict[str, Row] = {}
        for row in rows:
            if not row.keys() <= self.names:
                raise ValueError(f"no such field: {', '.join(sorted(row.keys() - self.names))}")
            known = newest.get(row[self.key])
            if known is None or not is_older(row, known, self.version):
                newest[row[self.key]] = row
        result = Upserted()
        # Sorted, so that concurrent writers lock rows in one order and cannot deadlock.
        self._write([newest[key] for key in sorted(newest)], now, result)
        return result

    def _write(self, rows: list[Row], now: datetime, result: Upserted) -> None:
        if not rows:
            return
        try:
            with transaction.atomic(using=self.using):
                returned = dict(self._execute(rows, now))
        except ROW_ERRORS as error:
            # A bare DatabaseError is no row's either: a damaged file, a connection of another thread.
            if isinstance(error, DATABASE_ERRORS) or type(error) is DatabaseError:
                raise
            if len(rows) == 1:
                result.rejected[rows[0][self.key]] = f"{type(error).__name__}: {error}"
                return
            middle = len(rows) // 2
            self._write(rows[:middle], now, result)
            self._write(rows[middle:], now, result)
            return
        for row in rows:
            key = row[self.key]
            if key not in returned:
                result.unchanged.add(key)
            elif returned[key]:
                result.created.add(key)
            else:
                result.updated.add(key)

    def _execute(self, rows: list[Row], now: datetime) -> list[tuple[str, bool]]:
        """The keys of the rows that were written, each with whether it is new."""
        connection = connections[self.using]  # looked up here: each thread has its own
        columns = []
        for column in self.values:
            prepare = preparer(column, connection)
            columns.append([prepare(row.get(column.name)) for row in rows])
        columns += [[stamp.get_db_prep_save(now, connection)] * len(rows) for stamp in self.stamps]
        source, parameters = self._source(columns, connection)
        with connection.cursor() as cursor:
            cursor.execute(self.head + source + self.tail, parameters)
            return cursor.fetchall()

    def _source(self, columns: list[list[Any]], connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        """The rows as SQL with its parameters."""
        if connection.vendor == "postgresql":
            # An array for each column. psycopg reads a statement's placeholders anew each time it is executed: one
            # for each value would take longer than the upsert. Types without their sizes, or a cast would cut values.
            types = (str(column.db_type(connection)).partition("(")[0] for column in [*self.values, *self.stamps])
            return f"SELECT * FROM unnest({', '.join(f'%s::{kind}[]' for kind in types)})", columns
        row = f"({', '.join(['%s'] * len(columns))})"
        return f"VALUES {', '.join([row] * len(columns[0]))}", [
            value for row in zip(*columns, strict=True) for value in row
        ]


def preparer(column: Column, connection: BaseDatabaseWrapper) -> Callable[[Any], Any]:
    """`column.get_db_prep_save`, with a short cut for null and for values of the column's own type.

    Django converts and formats each value in several steps, which for 30 values a row takes longer than all the rest
    of the upsert. Anything unusual still goes Django's way, and fails there as it should.
    """
    own_type: type[Any] = {models.DecimalField: Decimal, models.DateTimeField: datetime, models.IntegerField: int}.get(
        type(column), str
    )
    shorten: Callable[[Any], Any] | None = None
    limit: Decimal | None = None
    if own_type is datetime:
        shorten = connection.ops.adapt_datetimefield_value
    elif isinstance(column, models.DecimalField) and connection.vendor == "sqlite":
        shorten = str  # SQLite makes its 15 digits of it: zeros up to the 30th place would only be read again
        limit = Decimal(10) ** (column.max_digits - column.decimal_places)

    def prepare(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is own_type and (limit is None or -limit < value < limit):
            return shorten(value) if shorten else value
        return column.get_db_prep_save(value, connection)

    return prepare


def is_older(row: Row, known: Row, version: str) -> bool:
    """As the statement has it: both dated, and `row` dated before `known`."""
    new, old = row.get(version), known.get(version)
    return new is not None and old is not None and new < old
