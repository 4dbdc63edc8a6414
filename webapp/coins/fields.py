"""ExactDecimalField: a decimal that SQLite returns with the digits that were stored. InstantField: a short date."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from math import nextafter
from typing import Any, cast

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.functional import cached_property

WHOLE_FLOATS = 2**53  # below it, every whole number is a float
EXACT_DIGITS = 15  # significant digits that every float keeps
TO_EXACT_DIGITS = Context(prec=EXACT_DIGITS, traps=[])  # its `plus` rounds to them
INTEGERS = range(-(2**63), 2**63)  # that SQLite stores as integers
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ExactDecimalField(models.DecimalField):
    """A DecimalField that is as exact on SQLite as a 64-bit float or integer can be.

    SQLite stores a number as one of these. Django reads a float with 15 significant digits. This field reads the
    float's shortest form, as `repr` writes it. So all numbers of up to 15 significant digits are exact, and so is
    every number that was printed from a float. Other numbers are rounded when they are stored (`count_rounded`).
    Values that SQLite computes from these fields have Django's 15 digits, except sums and stored values. On other
    databases this is a DecimalField.
    """

    def get_internal_type(self) -> str:
        return "ExactDecimalField"  # Django's backend for SQLite would cut the digits of a DecimalField

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        column_type: str = connection.data_types["DecimalField"]
        return column_type % self.db_type_parameters(connection)

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """Raises ValueError if the number is too large, as other databases do. SQLite would store it."""
        return super().get_db_prep_save(self.checked(value) if isinstance(value, Decimal) else value, connection)

    def checked(self, value: Decimal) -> Decimal:
        """The number itself. Raises ValueError if it is too large or not finite."""
        if not (value.is_finite() and self.holds(value)):
            raise ValueError(f"{self.name}: more than {self.whole_digits} digits before the point, or not finite")
        return value

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        adapted = super().get_db_prep_value(value, connection, prepared)
        return self.for_sqlite(adapted) if connection.vendor == "sqlite" and adapted is not None else adapted

    @property
    def whole_digits(self) -> int:
        return self.max_digits - self.decimal_places

    @cached_property
    def _limit(self) -> Decimal:
        return Decimal(10) ** self.whole_digits

    def holds(self, value: Decimal) -> bool:
        """Whether the number's digits before the point fit the field."""
        return -self._limit < value < self._limit

    def for_sqlite(self, value: Decimal) -> int | float:
        """The number as SQLite stores it: the nearest float below the limit, or an integer."""
        number = float(value)
        if -WHOLE_FLOATS < number < WHOLE_FLOATS:
            return number
        # SQLite turns a whole float into an integer, with digits that the source has not sent.
        if (whole := round(value)) in INTEGERS:
            return whole
        return nextafter(number, 0.0) if self.holds(value) and not self.holds(from_sqlite(number)) else number

    def all_for_sqlite(self, values: Sequence[Decimal | None]) -> list[int | float | None]:
        """`for_sqlite` of each number. Raises ValueError if one is too large for the field."""
        numbers: list[int | float | None] = [None if value is None else float(value) for value in values]
        for place, number in enumerate(numbers):
            if number is not None and not -WHOLE_FLOATS < number < WHOLE_FLOATS:
                numbers[place] = self.for_sqlite(self.checked(cast(Decimal, values[place])))
        return numbers

    def get_db_converters(self, connection: BaseDatabaseWrapper) -> list[Any]:
        """Django would also call one for each value of a database that needs none."""
        return [decimal_from_sqlite] if connection.vendor == "sqlite" else []


class InstantField(models.DateTimeField):
    """A date and time, which SQLite stores as an integer of 8 bytes: microseconds since 1970. Django's text has 26.

    On other databases this is a DateTimeField.
    """

    def get_internal_type(self) -> str:
        return "InstantField"  # Django's backend for SQLite would read a DateTimeField as a text

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "bigint" if connection.vendor == "sqlite" else connection.data_types["DateTimeField"]

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        if connection.vendor != "sqlite":
            return super().get_db_prep_value(value, connection, prepared)
        moment = value if prepared else self.get_prep_value(value)
        return None if moment is None else microseconds(moment)

    def get_db_converters(self, connection: BaseDatabaseWrapper) -> list[Any]:
        return [instant_from_sqlite] if connection.vendor == "sqlite" else []


def instant(value: Any) -> Any:
    """The date and time of an InstantField's value in a raw row."""
    return EPOCH + timedelta(microseconds=value) if isinstance(value, int) else value


def microseconds(moment: datetime) -> int:
    """Since 1970, as SQLite stores an InstantField."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_sqlite(number: float) -> Decimal:
    """The decimal of an integer or float that SQLite has stored."""
    return Decimal(repr(number))


def decimal_from_sqlite(value: float | None, expression: Any, connection: BaseDatabaseWrapper) -> Decimal | None:
    return None if value is None else Decimal(repr(value))


def instant_from_sqlite(value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Any:
    return instant(value)


def count_rounded(values: Sequence[Decimal | None], kept: Sequence[float | None]) -> int:
    """How many of these decimals differ from what SQLite stores for them."""
    numbers = [value for value in values if value is not None]
    short = [*map(TO_EXACT_DIGITS.plus, numbers)]
    if short == numbers:
        return 0
    stored = (number for number in kept if number is not None)
    triples = zip(numbers, short, stored, strict=True)
    return sum(value != rounded and from_sqlite(number) != value for value, rounded, number in triples)
