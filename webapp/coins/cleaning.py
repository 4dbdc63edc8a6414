"""Checks raw values against the model's fields, before they go to the database.

One invalid value makes PostgreSQL reject a whole batch, and SQLite stores values that it cannot return. All checks
are derived from the model's `_meta`.
"""

import decimal
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.backends.base.operations import BaseDatabaseOperations

from webapp.coins import columns
from webapp.coins.columns import Values
from webapp.coins.texts import kind_of, printable

LABEL_LENGTH = 255  # characters
# Python accepts more than dates: 1613060700131, milliseconds since 1970, would be a date in 1613.
ISO_DATE = re.compile(r"(\d{4}-\d\d-\d\d|\d{4}-?W\d\d(-?\d)?|\d{8}(?=T))([Tt ]|$)", re.ASCII)


class Unfit(ValueError):
    """A value that its field cannot hold. The message says why, without the value, so equal reasons can be grouped."""


@dataclass(frozen=True)
class Rejection:
    """A record that cannot be stored, with a reason for each invalid field."""

    coin_id: str  # '' if the record has no valid id
    label: str  # the id for people: escaped, cut to LABEL_LENGTH, '' if it is not a text
    reasons: tuple[str, ...]


Check = Callable[[Any], Any]  # a raw value in; the stored value out, or Unfit raised


def _check_text(field: models.CharField) -> Callable[[Any], str]:
    limit = field.max_length

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise Unfit(f"{kind_of(value)}, not a text")
        if "\0" in value:
            raise Unfit("has a NUL character, which no database keeps")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise Unfit("has half a character (a lone surrogate)") from None
        if limit is not None and len(value) > limit:
            raise Unfit(f"longer than {limit} characters")
        return value

    return check


def _check_url(field: models.URLField) -> Check:
    check_text = _check_text(field)

    def check(value: Any) -> str | None:
        """A text that is not an http(s) address, such as `missing_large.png`, becomes null."""
        if isinstance(value, str) and not value.startswith(("http://", "https://")):
            return None
        return check_text(value)

    return check


def _check_key(field: Any) -> Check:
    check_text = _check_text(field)

    def check(value: Any) -> str:
        if value == "":
            raise Unfit("empty")
        return check_text(value)

    return check


def _finite(value: Any) -> Decimal:
    if isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal):
        raise Unfit(f"{kind_of(value)}, not a number")
    if not value.is_finite():
        raise Unfit("not a finite number")
    return value


def _check_decimal(field: models.DecimalField) -> Check:
    whole = field.max_digits - field.decimal_places
    scale = Decimal(1).scaleb(-field.decimal_places)
    exact = decimal.Context(prec=field.max_digits, traps=[decimal.InvalidOperation, decimal.Inexact])

    def check(value: Any) -> Decimal:
        number = _finite(value)
        if not number:
            return Decimal(0)  # without its exponent: PostgreSQL accepts few exponents
        if number.adjusted() >= whole:
            raise Unfit(f"more than {whole} digits before the point")
        try:
            rounded = number.quantize(scale, context=exact)
        except (decimal.Inexact, decimal.InvalidOperation):
            raise Unfit(f"more than {field.decimal_places} digits after the point") from None
        # The same number without thousands of zeros: PostgreSQL accepts 16,383 digits after the point.
        return number if len(number.as_tuple().digits) <= field.max_digits else rounded

    return check


def _check_integer(field: models.IntegerField) -> Check:
    # Django's portable range. SQLite's is wider, but its values have to fit PostgreSQL too.
    low, high = BaseDatabaseOperations.integer_field_ranges[field.get_internal_type()]

    def check(value: Any) -> int:
        value = _finite(value)
        if not low <= value <= high:
            raise Unfit(f"not between {low} and {high}")
        if value != int(value):
            raise Unfit("not a whole number")
        return int(value)

    return check


def _check_datetime(_: models.DateTimeField) -> Check:
    def check(value: Any) -> datetime:
        """ISO 8601 with any offset, converted to UTC. Without an offset it is UTC."""
        if not isinstance(value, str):
            raise Unfit(f"{kind_of(value)}, not a date")
        try:
            if not ISO_DATE.match(value):
                raise ValueError
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is UTC:
                return moment
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise Unfit("not a possible date") from None

    return check


CHECKS: dict[type[models.Field], Callable[[Any], Check]] = {  # the first match counts: a URLField is a CharField too
    models.URLField: _check_url,
    models.CharField: _check_text,
    models.DecimalField: _check_decimal,
    models.IntegerField: _check_integer,
    models.DateTimeField: _check_datetime,
}


def check_for(field: models.Field) -> Check:
    """The check that turns a raw value into one that `field` can hold. It raises Unfit if there is none.

    Raises TypeError if CHECKS has no check for this type of field.
    """
    if field.primary_key:
        return _check_key(field)
    for kind, make in CHECKS.items():
        if isinstance(field, kind):
            return make(field)
    raise TypeError(f"{field} is a {type(field).__name__}: say in webapp/coins/cleaning.py how its values are checked")


class Cleaner:
    """Cleans records from an API, which have the model's names for their values."""

    def __init__(self, fields: list[models.Field]) -> None:
        self.checks = [(field.name, field.null, check_for(field)) for field in fields]
        self.column_checks = {field.name: columns.column_check_for(field) for field in fields}
        self.names = frozenset(field.name for field in fields)
        self.key = next(field.name for field in fields if field.primary_key)

    def clean_columns(self, columns: Mapping[str, Values], number: int) -> list[dict[str, Any] | None]:
        """What `clean` returns for each of `number` records, faster; None where that is a Rejection.

        `columns` has their values by field. What a record lacks is null there.
        """
        rejected: set[int] = set()
        stored = {
            name: self._column(name, null, check, columns.get(name) or [None] * number, rejected)
            for name, null, check in self.checks
            if name in columns or not null
        }
        rows: list[dict[str, Any] | None] = [
            dict(zip(stored, row, strict=True)) for row in zip(*stored.values(), strict=True)
        ]
        for place in rejected:
            rows[place] = None
        return rows

    def _column(self, name: str, null: bool, check: Check, values: Values, rejected: set[int]) -> Values:
        """The stored values of a field. Adds the places of invalid ones to `rejected`."""
        column_check = self.column_checks[name]
        checked = column_check(values) if column_check else None
        if checked is not None:
            return checked
        stored: list[Any] = [None] * len(values)
        for place, value in enumerate(values):
            if value is None and null:
                continue
            try:
                stored[place] = check(value)
            except Unfit:
                rejected.add(place)
        return stored

    def clean(self, record: object, fault: str = "") -> dict[str, Any] | Rejection:
        """The values of the record's fields by name, or a Rejection with the reasons.

        With a `fault` of the whole record, it is rejected for that alone: see `texts.fault_in`.
        """
        if not isinstance(record, Mapping):
            return Rejection("", "", (f"record: {kind_of(record)}, not an object",))
        values: dict[str, Any] = {}
        reasons = []
        for name, null, check in self.checks:
            value = record.get(name)
            if value is None and null:
                if name in record:
                    values[name] = None
                continue
            try:
                values[name] = check(value)
            except Unfit as unfit:
                reason = str(unfit) if name in record else "missing"
                reasons.append(f"{name}: {reason}{self._called(record) if name == self.key else ''}")
        if fault:
            called = "" if self.key in values else self._called(record)
            reasons = [f"record: {fault}{called}"]
        if not reasons:
            return values
        coin_id = record.get(self.key)
        label = printable(coin_id, LABEL_LENGTH) if isinstance(coin_id, str) else ""
        return Rejection(values.get(self.key, ""), label, tuple(reasons))

    @staticmethod
    def _called(record: Mapping[str, Any]) -> str:
        """The name of a record without a valid id, to tell rejected records apart."""
        name = record.get("name")
        return f" (in the record named {printable(name, 100)})" if isinstance(name, str) else ""
