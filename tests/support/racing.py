"""Several nodes at once: threads, each with a connection of its own."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

from django.db import connection, connections

T = TypeVar("T")


def at_once(*functions: Callable[[], T]) -> list[T]:
    """Their results, or the error of the first that has failed; they begin in the same moment."""
    together = threading.Barrier(len(functions))

    def call(function: Callable[[], T]) -> T:
        try:
            together.wait(30)
            return function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result(60) for future in [pool.submit(call, function) for function in functions]]


@contextmanager
def meanwhile(function: Callable[[], Any]) -> Iterator[None]:
    """Begin to call it, and wait for its end at the end."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(at_once, function)
        yield
        future.result(60)


def wait_until_somebody_waits_for_a_lock() -> None:
    """Of PostgreSQL's; AssertionError where nobody does."""
    until = monotonic() + 10
    with connection.cursor() as cursor:
        while monotonic() < until:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waits")
