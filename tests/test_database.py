"""The worker thread: one at a time, patient with a database that is away, and only with that."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError

from coincrawl.database import Database, one_line

pytestmark = pytest.mark.django_db(transaction=True)


def run(work: Callable[[Database], Awaitable[Any]]) -> Any:
    """What `work` returns, with a Database that is closed behind it."""

    async def main() -> Any:
        database = Database()
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(main())


def failing(errors: list[Exception]) -> Callable[[], str]:
    """A function that raises each of the errors in turn, and then succeeds."""

    def function() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    return function


def test_all_calls_run_in_one_thread_that_is_not_the_loops() -> None:
    async def work(database: Database) -> list[int]:
        return await asyncio.gather(*[database.call(threading.get_ident) for _ in range(10)])

    threads = set(run(work))

    assert len(threads) == 1
    assert threads != {threading.get_ident()}


@pytest.mark.parametrize("error", [OperationalError("locked"), InterfaceError("connection already closed")])
def test_a_database_that_comes_back_is_worth_the_wait(error: Exception) -> None:
    assert run(lambda database: database.call(failing([error]))) == "done"


def test_patience_has_an_end() -> None:
    errors: list[Exception] = [OperationalError("gone"), OperationalError("gone")]

    with pytest.raises(OperationalError, match="gone"):
        run(lambda database: database.call(failing(errors), patience=0))

    assert len(errors) == 1


def test_an_error_that_waiting_cannot_mend_is_raised_at_once() -> None:
    errors: list[Exception] = [IntegrityError("no"), IntegrityError("no")]

    with pytest.raises(IntegrityError):
        run(lambda database: database.call(failing(errors)))

    assert len(errors) == 1


@pytest.mark.parametrize(("message", "line"), [("one\ntwo", "one"), ("", "OperationalError"), ("\n one", "one")])
def test_a_drivers_message_is_one_line(message: str, line: str) -> None:
    assert one_line(OperationalError(message)) == line
