"""SUM on SQLite. SQLite's own raises an error if integers add up to more than 64 bits."""

from decimal import Context, Decimal
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

EXACT = Context(prec=700, traps=[])  # digits between the largest and the smallest float
LARGEST = 2**63 - 1  # the largest integer of SQLite


class ExactSum:
    """An aggregate and window function for sqlite3: adds the decimals that `fields.from_sqlite` reads."""

    def __init__(self) -> None:
        self._count = self._inexact = 0  # all values, and those that are not integers
        self._total = Decimal(0)

    def step(self, value: Any) -> None:
        if value is not None:
            self._count += 1
            self._inexact += not isinstance(value, int)
            self._total = EXACT.add(self._total, number(value))

    def inverse(self, value: Any) -> None:
        """Removes a value that leaves the window."""
        if value is not None:
            self._count -= 1
            self._inexact -= not isinstance(value, int)
            self._total = EXACT.subtract(self._total, number(value))

    def value(self) -> float | None:
        if not self._count or self._total.is_nan():
            return None
        is_integer = not self._inexact and -LARGEST <= self._total <= LARGEST
        return int(self._total) if is_integer else float(self._total)

    finalize = value


def number(value: Any) -> Decimal:
    """The value as a decimal. A text that is not a number counts as 0."""
    try:
        return Decimal(repr(value)) if isinstance(value, int | float) else Decimal(repr(float(value)))
    except ValueError:
        return Decimal(0)


def add_sum(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Replaces SQLite's SUM on a new connection."""
    if connection.vendor == "sqlite":
        connection.connection.create_window_function("SUM", 1, ExactSum)
