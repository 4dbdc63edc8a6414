"""The worker thread: one at a time, patient with a database that is away, and only with that."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError, connection

from coincrawl.database import Database
from webapp.coins.texts import one_line

pytestmark = pytest.mark.django_db(transaction=True)


def run(work: Callable[[Database], Awaitable[Any]], patience: float = 60, **options: Any) -> Any:
    """What `work` returns, with a Database that is closed behind it."""

    async def main() -> Any:
        database = Database(patience, **options)
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


@pytest.mark.postgresql
def test_a_server_that_has_stopped_answering_is_asked_again_on_a_new_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("coincrawl.database.ATTEMPT_SECONDS", 0.1)
    slow = [60, 0]

    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(%s)", [slow.pop(0)])

    run(lambda database: database.call(ask))

    assert slow == []
    with connection.cursor() as cursor:  # the server has not noticed that nobody waits for it any more
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")


def telling(told: list[str]) -> dict[str, Any]:
    return {word: partial(told.append, word) for word in ("away", "back")}


def test_the_database_says_when_it_goes_away_and_when_it_is_back() -> None:
    told: list[str] = []
    errors: list[Exception] = [OperationalError("gone"), OperationalError("gone")]

    run(lambda database: database.call(failing(errors)), **telling(told))

    assert told == ["away", "back"]


def test_an_error_of_its_own_also_shows_that_the_database_is_back() -> None:
    told: list[str] = []
    errors: list[Exception] = [OperationalError("gone"), IntegrityError("no")]

    with pytest.raises(IntegrityError):
        run(lambda database: database.call(failing(errors)), **telling(told))

    assert told == ["away", "back"]


def test_calls_keep_their_order_while_the_first_is_repeated() -> None:
    done: list[str] = []
    repeated = failing([OperationalError("gone")])

    async def work(database: Database) -> None:
        first = database.call(lambda: done.append(f"first {repeated()}"))
        await asyncio.gather(first, database.call(lambda: done.append("second")))

    run(work)

    assert done == ["first done", "second"]


@pytest.mark.parametrize("error", [OperationalError("locked"), InterfaceError("connection already closed")])
def test_a_database_that_comes_back_is_worth_the_wait(error: Exception) -> None:
    assert run(lambda database: database.call(failing([error]))) == "done"


def test_patience_has_an_end() -> None:
    errors: list[Exception] = [OperationalError("gone"), OperationalError("gone")]

    with pytest.raises(OperationalError, match="gone"):
        run(lambda database: database.call(failing(errors)), patience=0)

    assert len(errors) == 1


@pytest.mark.parametrize(("own", "given"), [(60, 0), (0, 60)])
def test_the_shorter_patience_counts_the_databases_own_or_the_one_given(own: float, given: float) -> None:
    errors: list[Exception] = [OperationalError("gone"), OperationalError("gone")]

    with pytest.raises(OperationalError, match="gone"):
        run(lambda database: database.call(failing(errors), given), patience=own)

    assert len(errors) == 1


def test_once_the_end_has_begun_patience_is_short_and_attempts_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coincrawl.database.LAST_PATIENCE", 0.3)
    errors: list[Exception] = [OperationalError("gone")] * 100

    end = asyncio.Event()
    end.set()

    with pytest.raises(OperationalError):
        run(lambda database: database.call(failing(errors)), end=end)

    assert len(errors) == 98  # at once, and after a quarter of a second


def test_an_error_that_waiting_cannot_mend_is_raised_at_once() -> None:
    errors: list[Exception] = [IntegrityError("no"), IntegrityError("no")]

    with pytest.raises(IntegrityError):
        run(lambda database: database.call(failing(errors)))

    assert len(errors) == 1


@pytest.mark.parametrize(("message", "line"), [("one\ntwo", "one"), ("", "OperationalError"), ("\n one", "one")])
def test_a_drivers_message_is_one_line(message: str, line: str) -> None:
    assert one_line(OperationalError(message)) == line
