"""Writes many rows: new ones are inserted, changed ones updated, others left alone.

PostgreSQL gets one statement for all rows. SQLite gets one for each row, which it prepares once.

The later answer wins, unless it may be a stale one from a cache: see `Upsert`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper as Database

from webapp.coins.fields import ExactDecimalField, count_rounded
from webapp.coins.rows import Column, prepared, rows_of
from webapp.coins.stamps import Stamps
from webapp.coins.texts import one_line

Row = Mapping[str, Any]
Same = Mapping[Column, Any]  # prepared values that all rows share
Dates = dict[str, datetime | None]  # by key

# Errors that a row can cause, in either database and on the way to it.
ROW_ERRORS = (DatabaseError, ValidationError, ValueError, TypeError, ArithmeticError)
# Errors that no row causes: the database is unreachable, locked, full or read-only. Another try may succeed.
DATABASE_ERRORS = (OperationalError, InterfaceError, InternalError)

CACHED_FOR = timedelta(minutes=10)  # the longest time that a cache keeps an answer
TOLERANCE = timedelta(seconds=1)  # smaller differences do not count: APIs change the precision of their dates
FIRST = datetime.min.replace(tzinfo=UTC)
FIRST_KEPT = FIRST + TOLERANCE


@dataclass
class Upserted:
    """The outcome of one upsert by key. `rejected` has the errors of rows that the database rejects."""

    created: set[str] = field(default_factory=set)
    updated: set[str] = field(default_factory=set)
    unchanged: set[str] = field(default_factory=set)
    stale: set[str] = field(default_factory=set)  # older than the stored row, as from a cache; not written
    rejected: dict[str, str] = field(default_factory=dict)
    went_back: set[str] = field(default_factory=set)  # of the updated ones: older than the stored row was
    rounded: Counter[str] = field(default_factory=Counter)  # by field: values with more digits than can be stored

    def add(self, other: "Upserted") -> None:
        for name in ("created", "updated", "unchanged", "stale", "rejected", "went_back", "rounded"):
            getattr(self, name).update(getattr(other, name))

    @property
    def stored(self) -> set[str]:
        """The keys of rows that are stored as they were sent."""
        return self.created | self.updated | self.unchanged


class Upsert:
    """INSERT ... ON CONFLICT DO UPDATE of coins for one database, made from the model's fields.

    `values` are the fields that rows may have, with the primary key. A field that a row does not have keeps its stored
    value, and is null in a new row, unless all rows of a call share its value. A stored row is updated if any value
    differs, unless the answer is stale: its `last_updated` is older than that of the stored row, and the stored row was
    written less than CACHED_FOR ago. `stale_before` is the last `last_updated` that was not null, less TOLERANCE.
    `first_seen_at` is the date of the insert, `changed_at` of the last write. `field_changes` has the date of the last
    write that changed each of the `stamped` fields.
    """

    version = "last_updated"

    def __init__(self, using: str, values: Sequence[Column], stamped: Sequence[Column]) -> None:
        self.model = values[0].model
        meta = self.model._meta
        self.using = using
        self.values = values
        self.names = frozenset(column.name for column in values)
        self.key = meta.pk.name
        self.stale_before = cast(Column, meta.get_field("stale_before"))
        self.dates = [cast(Column, meta.get_field(name)) for name in ("first_seen_at", "changed_at")]
        self.field_changes = cast(Column, meta.get_field("field_changes"))
        self.stamps = Stamps([column.name for column in stamped])

    def __call__(self, rows: Iterable[Row], now: datetime, stamp: datetime, shared: Row | None = None) -> Upserted:
        """Writes `rows` at the time `now`, dated `stamp`. Of several rows with one key, the newest is written.

        No other change has the date `stamp`. `shared` are values for all rows that do not have these fields. Rows with
        the same fields are written together. If the database rejects one, they are halved inside savepoints until it is
        found. That row ends in `rejected`, all others are written. Raises ValueError if a row has an unknown field, and
        OperationalError, InterfaceError, InternalError or a bare DatabaseError if no row has caused the error.
        """
        newest: dict[str, Row] = {}
        dates: Dates = {}
        for row in rows:
            keep_newest(newest, dates, row[self.key], row, row.get(self.version))
        names_of: dict[tuple[str, ...], frozenset[str]] = {}  # nearly all rows have the same fields in the same order
        alike: dict[frozenset[str], list[Row]] = {}  # by their fields
        for key in sorted(newest):  # neighbours are written one after the other
            fields = tuple(newest[key])
            names = names_of.get(fields) or names_of.setdefault(fields, frozenset(fields))
            alike.setdefault(names, []).append(newest[key])
        if unknown := frozenset[str]().union(*alike) - self.names:
            raise ValueError(f"no such field: {', '.join(sorted(unknown))}")
        same = self._same(stamp, shared or {})
        result = Upserted()
        for names, group in alike.items():
            columns = [column for column in self.values if column.name in names]
            others = {column: value for column, value in same.items() if column.name not in names}
            self._write(group, columns, now, others, result)
        return result

    def _same(self, stamp: datetime, shared: Row) -> Same:
        columns = {cast(Column, self.model._meta.get_field(name)): value for name, value in shared.items()}
        columns |= dict.fromkeys(self.dates, stamp)
        columns[self.field_changes] = self.stamps.of_all(stamp)
        connection = connections[self.using]
        return {column: column.get_db_prep_save(value, connection) for column, value in columns.items()}

    def _write(self, rows: list[Row], columns: list[Column], now: datetime, same: Same, result: Upserted) -> None:
        try:
            with transaction.atomic(using=self.using):
                written = self._execute(rows, columns, now, same)
        except ROW_ERRORS as error:
            # No row causes a bare DatabaseError: it is a damaged file, or a connection of another thread.
            if isinstance(error, DATABASE_ERRORS) or type(error) is DatabaseError:
                raise
            if len(rows) == 1:
                result.rejected[rows[0][self.key]] = f"{type(error).__name__}: {one_line(error)}"
                return
            middle = len(rows) // 2
            self._write(rows[:middle], columns, now, same, result)
            self._write(rows[middle:], columns, now, same, result)
        else:
            result.add(written)

    def _execute(self, rows: list[Row], columns: list[Column], now: datetime, same: Same) -> Upserted:
        connection = connections[self.using]  # each thread has its own
        values = {column: [row[column.name] for row in rows] for column in columns}
        lists = {column: prepared(column, values[column], connection) for column in columns}
        older = self._older(lists, connection)
        window: list[Any] = []
        if any(column.name == self.version for column in columns):
            dates = [less_tolerance(row[self.version]) for row in rows]
            lists[self.stale_before] = prepared(self.stale_before, dates, connection)
            window = prepared(self.dates[1], [now - CACHED_FOR, now + CACHED_FOR], connection)
        keys = {row[self.key] for row in rows}
        written = self._send(lists, same, window, connection)
        returned = {key: is_new for key, is_new in written if key in keys}
        updated = {key for key, is_new in returned.items() if not is_new}
        stale = older - returned.keys()
        is_stored = [row[self.key] not in stale for row in rows]
        return Upserted(
            created=returned.keys() - updated,
            updated=updated,
            unchanged=keys - returned.keys() - stale,
            stale=stale,
            went_back=updated & older,
            rounded=Counter(
                {
                    column.name: count_rounded(*([*compress(of[column], is_stored)] for of in (values, lists)))
                    for column in columns
                    if connection.vendor == "sqlite" and isinstance(column, ExactDecimalField)
                }
            ),
        )

    def _send(
        self, lists: Mapping[Column, list[Any]], same: Same, window: list[Any], database: Database
    ) -> list[tuple[str, bool]]:
        """Write rows of prepared values. Returns the keys of those that were written, and whether the row is new."""
        quote = database.ops.quote_name
        head, tail = self._frame([*lists, *same], database)
        table = quote(self.model._meta.db_table)
        created, changed = (quote(cast(str, date.column)) for date in self.dates)
        # A new row has two equal dates. An updated one was created before.
        written = f"{quote(self.key)}, {created} = {changed}"
        with database.cursor() as cursor:
            if database.vendor == "sqlite":
                # SQLite prepares the short statement of one row once. One of all rows is read again each time.
                row = ", ".join(["%s"] * (len(lists) + len(same)))
                rest = [*same.values(), *window]
                rows = [[*values, *rest] for values in zip(*lists.values(), strict=True)]
                cursor.executemany(f"{head} VALUES ({row}) {tail}", rows)
                cursor.execute(f"SELECT {written} FROM {table} WHERE {changed} = %s", [same[self.dates[1]]])
            else:
                source, parameters = rows_of(lists, database, same)
                cursor.execute(f"{head} {source} {tail} RETURNING {written}", [*parameters, *window])
            returned: list[tuple[str, bool]] = cursor.fetchall()
            return returned

    def _older(self, lists: Mapping[Column, list[Any]], database: Database) -> set[str]:
        """The keys of rows that are older than the stored ones."""
        sent = {column.name: column for column in lists if column.name in (self.key, self.version)}
        if self.version not in sent:
            return set()
        source, parameters = rows_of({column: lists[column] for column in sent.values()}, database)
        quote = database.ops.quote_name
        names = {name: quote(cast(str, column.column)) for name, column in sent.items()}
        key, version, stale_before = names[self.key], names[self.version], quote(cast(str, self.stale_before.column))
        table = quote(self.model._meta.db_table)
        with database.cursor() as cursor:
            cursor.execute(
                f"WITH sent ({', '.join(names.values())}) AS ({source}) SELECT sent.{key} FROM sent"
                f" JOIN {table} USING ({key}) WHERE sent.{version} < {table}.{stale_before}",
                parameters,
            )
            return {found for (found,) in cursor.fetchall()}

    def _frame(self, columns: Iterable[Column], database: Database) -> tuple[str, str]:
        """The parts of the statement before and after its rows."""
        quote = database.ops.quote_name
        quoted = {column.name: quote(cast(str, column.column)) for column in columns}
        table, key = quote(self.model._meta.db_table), quoted[self.key]
        changed = quoted[self.dates[1].name]
        values = [name for field, name in quoted.items() if field in self.names and field != self.key]
        assignments = [f"{column} = excluded.{column}" for column in [*values, changed]]
        stored = ", ".join(f"{table}.{column}" for column in values)
        sent = ", ".join(f"excluded.{column}" for column in values)
        # Null-safe comparison of whole rows; SQLite has had IS NOT for longer than IS DISTINCT FROM.
        differs = "IS NOT" if database.vendor == "sqlite" else "IS DISTINCT FROM"
        condition = f"({stored}) {differs} ({sent})"
        stamps = quoted[self.field_changes.name]
        changes = {
            name: f"{table}.{quoted[name]} {differs} excluded.{quoted[name]}"
            for name in self.stamps.names
            if name in quoted
        }
        assignments.append(f"{stamps} = {self.stamps.merged(f'{table}.{stamps}', f'excluded.{stamps}', changes)}")
        if self.stale_before.name in quoted:
            before, version = quoted[self.stale_before.name], quoted[self.version]
            assignments.append(f"{before} = COALESCE(excluded.{before}, {table}.{before})")
            # A stored date far in the future comes from a wrong clock. It rejects no answers.
            condition += (
                f" AND (excluded.{version} < {table}.{before}"
                f" AND {table}.{changed} > %s AND {table}.{changed} < %s) IS NOT TRUE"
            )
        return (
            f"INSERT INTO {table} ({', '.join(quoted.values())})",
            f"ON CONFLICT ({key}) DO UPDATE SET {', '.join(assignments)} WHERE {condition}",
        )


def less_tolerance(version: datetime | None) -> datetime | None:
    """Answers with a date before this one are older than this version."""
    return version and (version - TOLERANCE if version > FIRST_KEPT else FIRST)


def keep_newest(rows: dict[str, Row], dates: Dates, key: str, row: Row, version: datetime | None) -> bool:
    """Puts `row` into `rows`, unless `dates` has a newer version of its key. Returns whether it did.

    What only the earlier of two rows has is kept. A row without a date counts as the newest, and leaves the date.
    """
    known = dates.setdefault(key, version)
    if version and known and version < known:
        return False
    dates[key] = version or known
    rows[key] = {**rows[key], **row} if key in rows else row
    return True
