"""SUM on SQLite, which fails by itself if whole numbers add up to more than 64 bits."""

from math import fsum
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from .fields import INTEGERS


class ExactSum:
    """An aggregate and window function for sqlite3: whole numbers add up exactly, floats without losing digits."""

    def __init__(self) -> None:
        self._count = self._whole = 0
        self._floats: list[float] = []

    def step(self, value: float | None) -> None:
        if isinstance(value, int):
            self._whole += value
        elif value is not None:
            self._floats.append(value)
        self._count += value is not None

    def inverse(self, value: float | None) -> None:
        """The value leaves the window."""
        if isinstance(value, int):
            self._whole -= value
        elif value is not None:
            self._floats.remove(value)
        self._count -= value is not None

    def value(self) -> float | None:
        if not self._count:
            return None
        return self._whole if not self._floats and self._whole in INTEGERS else fsum([*self._floats, self._whole])

    finalize = value


def add_sum(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Put it in the place of SQLite's own on a new connection."""
    if connection.vendor == "sqlite":
        connection.connection.create_window_function("SUM", 1, ExactSum)
