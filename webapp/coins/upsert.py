"""Many rows in one statement: inserted where they are new, updated where a value differs, left alone otherwise.

What was asked for later wins. Only an answer that a cache may have kept loses: see `Upsert`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from types import NoneType
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .fields import ExactDecimalField, count_rounded

Row = Mapping[str, Any]
Column = models.Field

# What a row can be guilty of, on either database and on the way to it ...
ROW_ERRORS = (DatabaseError, ValidationError, ValueError, TypeError, ArithmeticError)
# ... and what it cannot: the database is away, locked, full or read-only. A call may succeed when it is made again.
DATABASE_ERRORS = (OperationalError, InterfaceError, InternalError)

CACHED_FOR = timedelta(minutes=10)  # how long a cache may keep an answer
TOLERANCE = timedelta(seconds=1)  # an answer is not older by less than this: APIs change how exact their dates are
FIRST = datetime.min.replace(tzinfo=UTC)
OWN_TYPES: Mapping[type[Column], type[Any]] = {  # of values that databases take as they are; of other fields: str
    models.DecimalField: Decimal,
    models.DateTimeField: datetime,
    models.IntegerField: int,
}


@dataclass
class Upserted:
    """What became of the rows of one upsert, by key; `rejected` has the guilty rows' errors."""

    created: set[str] = field(default_factory=set)
    updated: set[str] = field(default_factory=set)
    unchanged: set[str] = field(default_factory=set)
    stale: set[str] = field(default_factory=set)  # older than what is stored, as from a cache, so not written
    rejected: dict[str, str] = field(default_factory=dict)
    went_back: set[str] = field(default_factory=set)  # of those updated: older than what was stored
    rounded: Counter[str] = field(default_factory=Counter)  # by field: numbers with more digits than the database keeps
    changed_at: datetime | None = field(default=None, compare=False)  # the stamp of what was written

    @property
    def stored(self) -> set[str]:
        """The keys whose rows are stored as they were sent."""
        return self.created | self.updated | self.unchanged


class Upsert:
    """INSERT ... ON CONFLICT DO UPDATE for one model and database, from its fields.

    `values` are the fields that rows may bring, the primary key among them. A field that no row of a call brings is
    left as it is stored, and null in new rows. A stored row is overwritten where any value differs, except by a stale
    answer: one that by its `version`, a date, is older than the stored row, which was written less than CACHED_FOR ago.
    `stale_before` keeps, with the TOLERANCE, the last version that was not null. `created` is stamped when a row is
    inserted, `changed` when it is written.
    """

    def __init__(
        self, using: str, *, values: Sequence[Column], version: str, stale_before: str, created: str, changed: str
    ) -> None:
        self.model = values[0].model
        meta = self.model._meta
        self.using = using
        self.values = values
        self.names = frozenset(column.name for column in values)
        self.key = meta.pk.name
        self.version = version
        self.stale_before = cast(Column, meta.get_field(stale_before))
        self.stamps = [cast(Column, meta.get_field(name)) for name in (created, changed)]

    def __call__(self, rows: Iterable[Row], now: datetime, stamp: datetime) -> Upserted:
        """Write `rows` in one statement, as of `now`, stamped `stamp`; of rows with the same key, the newest.

        A row that the database will not take is found by halving the batch, inside savepoints, and ends in
        `rejected`; all others are written. Raises the errors that are not a row's: OperationalError, InterfaceError
        and bare DatabaseError.
        """
        newest: dict[str, Row] = {}
        dates: dict[str, datetime | None] = {}
        for row in rows:
            if not row.keys() <= self.names:
                raise ValueError(f"no such field: {', '.join(sorted(row.keys() - self.names))}")
            if is_newest(dates, row[self.key], row.get(self.version)):
                newest[row[self.key]] = row
        result = Upserted(changed_at=stamp)
        # Sorted, so that concurrent writers lock rows in one order and cannot deadlock.
        sorted_rows = [newest[key] for key in sorted(newest)]
        brought = set[str]().union(*sorted_rows)
        columns = [column for column in self.values if column.name in brought]
        self._write(sorted_rows, columns, now, self._older(dates), result)
        return result

    def _older(self, versions: Mapping[str, datetime | None]) -> set[str]:
        """The keys whose versions are older than what is stored."""
        dated = {key: version for key, version in versions.items() if version}
        if not dated:
            return set()
        connection = connections[self.using]
        key, version = (column for column in self.values if column.name in (self.key, self.version))
        lists = [prepared(key, [*dated], connection), prepared(version, [*dated.values()], connection)]
        source, parameters = self._source([key, version], lists, connection)
        quote = connection.ops.quote_name
        table, stale_before = quote(self.model._meta.db_table), quote(cast(str, self.stale_before.column))
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH sent (key, version) AS ({source}) SELECT key FROM sent"
                f" JOIN {table} ON {table}.{quote(cast(str, key.column))} = key WHERE version < {table}.{stale_before}",
                parameters,
            )
            return {found for (found,) in cursor.fetchall()}

    def _write(
        self,
        rows: list[Row],
        columns: list[Column],
        now: datetime,
        older: Collection[str],
        result: Upserted,
    ) -> None:
        if not rows:
            return
        try:
            with transaction.atomic(using=self.using):
                returned, rounded = self._execute(rows, columns, now, cast(datetime, result.changed_at))
        except ROW_ERRORS as error:
            # A bare DatabaseError is no row's either: a damaged file, a connection of another thread.
            if isinstance(error, DATABASE_ERRORS) or type(error) is DatabaseError:
                raise
            if len(rows) == 1:
                result.rejected[rows[0][self.key]] = f"{type(error).__name__}: {error}"
                return
            middle = len(rows) // 2
            self._write(rows[:middle], columns, now, older, result)
            self._write(rows[middle:], columns, now, older, result)
            return
        result.rounded += rounded
        for row in rows:
            key = row[self.key]
            if key not in returned:
                (result.stale if key in older else result.unchanged).add(key)
            elif returned[key]:
                result.created.add(key)
            else:
                result.updated.add(key)
                if key in older:
                    result.went_back.add(key)

    def _execute(
        self, rows: list[Row], columns: list[Column], now: datetime, stamp: datetime
    ) -> tuple[dict[str, bool], Counter[str]]:
        """The keys of the rows that were written, each with whether it is new; and how many numbers were rounded."""
        connection = connections[self.using]  # looked up here: each thread has its own
        rounded: Counter[str] = Counter()
        lists: list[list[Any]] = []  # by column, the rows' values
        for column in columns:
            values = [row.get(column.name) for row in rows]
            lists.append(prepared(column, values, connection))
            if connection.vendor == "sqlite" and isinstance(column, ExactDecimalField):
                rounded[column.name] = count_rounded(values, lists[-1])
        columns = [*columns, *self.stamps]
        lists += [[column.get_db_prep_save(stamp, connection)] * len(rows) for column in self.stamps]
        window: list[Any] = []
        if is_dated := any(column.name == self.version for column in columns):
            columns.append(self.stale_before)
            dates = [earlier(row.get(self.version)) for row in rows]
            lists.append(prepared(self.stale_before, dates, connection))
            window = prepared(self.stamps[1], [now - CACHED_FOR, now + CACHED_FOR], connection)
        source, parameters = self._source(columns, lists, connection)
        head, tail = self._frame(columns, connection, is_dated=is_dated)
        with connection.cursor() as cursor:
            cursor.execute(head + source + tail, [*parameters, *window])
            return dict(cursor.fetchall()), rounded

    def _frame(self, columns: Sequence[Column], database: BaseDatabaseWrapper, *, is_dated: bool) -> tuple[str, str]:
        """The statement before and after its rows."""
        quote = database.ops.quote_name
        quoted = {column.name: quote(cast(str, column.column)) for column in columns}
        table, key = quote(self.model._meta.db_table), quoted[self.key]
        created, changed = (quoted[stamp.name] for stamp in self.stamps)
        values = [quoted[column.name] for column in columns if column.name in self.names and not column.primary_key]
        assignments = [f"{column} = excluded.{column}" for column in [*values, changed]]
        stored = ", ".join(f"{table}.{column}" for column in values)
        sent = ", ".join(f"excluded.{column}" for column in values)
        # Null-safe comparison of whole rows; SQLite has had IS NOT for longer than IS DISTINCT FROM.
        condition = f"({stored}) {'IS NOT' if database.vendor == 'sqlite' else 'IS DISTINCT FROM'} ({sent})"
        if is_dated:
            before, version = quoted[self.stale_before.name], quoted[self.version]
            assignments.append(f"{before} = COALESCE(excluded.{before}, {table}.{before})")
            # A stamp far in the future is of a clock that was wrong, and no reason to keep answers out until then.
            condition += (
                f" AND (excluded.{version} < {table}.{before}"
                f" AND {table}.{changed} > %s AND {table}.{changed} < %s) IS NOT TRUE"
            )
        return (
            f"INSERT INTO {table} ({', '.join(quoted.values())}) ",
            f" ON CONFLICT ({key}) DO UPDATE SET {', '.join(assignments)} WHERE {condition}"
            # A row that was just inserted has both stamps equal; one that was updated was created before.
            f" RETURNING {key}, {table}.{created} = {table}.{changed}",
        )

    def _source(
        self, columns: Sequence[Column], lists: list[list[Any]], connection: BaseDatabaseWrapper
    ) -> tuple[str, list[Any]]:
        """The rows as SQL with its parameters."""
        if connection.vendor == "postgresql":
            # An array for each column. psycopg reads a statement's placeholders anew each time it is executed: one
            # for each value would take longer than the upsert. Types without their sizes, or a cast would cut values.
            types = (str(column.db_type(connection)).partition("(")[0] for column in columns)
            return f"SELECT * FROM unnest({', '.join(f'%s::{kind}[]' for kind in types)})", lists
        row = f"({', '.join(['%s'] * len(columns))})"
        return f"VALUES {', '.join([row] * len(lists[0]))}", list(chain(*zip(*lists, strict=True)))


def prepared(column: Column, values: list[Any], connection: BaseDatabaseWrapper) -> list[Any]:
    """`column.get_db_prep_save` of each value, with a short cut where all are null or of the column's own type.

    Django converts and formats each value in several steps, which for 30 values a row takes longer than all the rest
    of the upsert. Anything unusual still goes Django's way, and fails there as it should.
    """
    own_type = next((own for kind, own in OWN_TYPES.items() if isinstance(column, kind)), str)
    if not {*map(type, values)} <= {own_type, NoneType}:
        return [None if value is None else column.get_db_prep_save(value, connection) for value in values]
    if connection.vendor != "sqlite" or own_type in (str, int):
        return values
    if own_type is Decimal:
        return cast(ExactDecimalField, column).all_for_sqlite(values)
    if all(value is None or value.tzinfo is UTC for value in values):
        return [None if value is None else value.isoformat(" ").removesuffix("+00:00") for value in values]
    return [None if value is None else connection.ops.adapt_datetimefield_value(value) for value in values]


def earlier(version: datetime | None) -> datetime | None:
    """The date before which an answer is older than one of this version."""
    return version and max(version, FIRST + TOLERANCE) - TOLERANCE


def is_newest(dates: MutableMapping[str, datetime | None], key: str, version: datetime | None) -> bool:
    """Whether no record with this key and a newer date has come before, by `dates`, which take note of this one.

    A record without a date is the newest; that it has come makes no older one new.
    """
    known = dates.setdefault(key, version)
    if version is None or known is None or version >= known:
        dates[key] = version or known
        return True
    return False
