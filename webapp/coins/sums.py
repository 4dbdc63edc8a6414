"""SUM on SQLite, which fails by itself if whole numbers add up to more than 64 bits."""

from decimal import Context, Decimal
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

EXACT = Context(prec=700, traps=[])  # digits, as many as the largest and the smallest float are apart
LARGEST = 2**63 - 1  # that SQLite keeps as an integer


class ExactSum:
    """An aggregate and window function for sqlite3: adds up the digits that `fields.from_sqlite` reads."""

    def __init__(self) -> None:
        self._count = self._inexact = 0  # values, and those of them that are no integers
        self._total = Decimal(0)

    def step(self, value: Any) -> None:
        if value is not None:
            self._count += 1
            self._inexact += not isinstance(value, int)
            self._total = EXACT.add(self._total, number(value))

    def inverse(self, value: Any) -> None:
        """The value leaves the window."""
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
    """What a value of SQLite adds to a sum: a text that is no number adds nothing."""
    try:
        return Decimal(repr(value)) if isinstance(value, int | float) else Decimal(repr(float(value)))
    except ValueError:
        return Decimal(0)


def add_sum(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Put it in the place of SQLite's own on a new connection."""
    if connection.vendor == "sqlite":
        connection.connection.create_window_function("SUM", 1, ExactSum)
