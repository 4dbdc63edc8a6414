"""Several nodes at once: threads, each with a connection of its own, that begin in the same moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def at_once(*functions: Callable[[], T]) -> list[T]:
    """Their results, or the error of the first that has failed."""
    together = threading.Barrier(len(functions))

    def call(function: Callable[[], T]) -> T:
        try:
            together.wait(30)
            return function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result(60) for future in [pool.submit(call, function) for function in functions]]
