"""ExactDecimalField, which SQLite gives back with the digits that it was given."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from math import nextafter
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.functional import cached_property

WHOLE_FLOATS = 2**53  # below it, every whole number is a float
EXACT_DIGITS = 15  # that every float keeps of a number
INTEGERS = range(-(2**63), 2**63)  # that SQLite keeps as such


class ExactDecimalField(models.DecimalField):
    """A DecimalField that is exact on SQLite wherever a 64-bit float or integer can be.

    SQLite keeps a number as one of these two. Django reads a float back with 15 significant digits; this field reads
    it by its shortest form, as `repr` writes it. That has the digits that were stored wherever they tell one float
    from the next: all numbers of up to 15 significant digits, and every number that was itself printed from a float.
    A number with more digits is rounded when it is stored (`count_rounded`). What SQLite computes from these fields
    comes with Django's 15 digits, unless it is a sum or one of the stored values. On other databases this is a
    DecimalField.
    """

    def get_internal_type(self) -> str:
        return "ExactDecimalField"  # for a DecimalField, Django's backend for SQLite would cut the digits

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        column_type: str = connection.data_types["DecimalField"]
        return column_type % self.db_type_parameters(connection)

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """Raises ValueError for a number that is too large, as other databases do; SQLite would take it."""
        return super().get_db_prep_save(self.checked(value) if isinstance(value, Decimal) else value, connection)

    def checked(self, value: Decimal) -> Decimal:
        """The number itself. Raises ValueError for one that is too large, or not finite."""
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
        """Whether a number has no more digits before the point than the field."""
        return -self._limit < value < self._limit

    def for_sqlite(self, value: Decimal) -> int | float:
        """What SQLite is given for a number: the nearest float, or the integer that it is, and below the limit."""
        number = float(value)
        if -WHOLE_FLOATS < number < WHOLE_FLOATS:
            return number
        # SQLite would make an integer of a float that is whole, with digits that nobody has sent.
        if (whole := round(value)) in INTEGERS:
            return whole
        return nextafter(number, 0.0) if self.holds(value) and not self.holds(from_sqlite(number)) else number

    def all_for_sqlite(self, values: Sequence[Decimal | None]) -> list[int | float | None]:
        """`for_sqlite` of each; ValueError where one is too large for the field."""
        numbers = [None if value is None else float(value) for value in values]
        if all(-WHOLE_FLOATS < number < WHOLE_FLOATS for number in numbers if number is not None):
            return numbers
        return [None if value is None else self.for_sqlite(self.checked(value)) for value in values]

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        return from_sqlite(value) if connection.vendor == "sqlite" and value is not None else value


def from_sqlite(number: float) -> Decimal:
    """The decimal that an integer or a float of SQLite stands for."""
    return Decimal(repr(number))


def count_rounded(values: Iterable[Decimal | None], kept: Iterable[float | None]) -> int:
    """How many of these decimals are not what SQLite keeps of them."""
    return sum(
        value is not None and number is not None and len(str(value)) > EXACT_DIGITS and from_sqlite(number) != value
        for value, number in zip(values, kept, strict=True)
    )
