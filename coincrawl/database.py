"""Django's ORM for event loops: one worker thread with one connection, and patience while the database is away."""

import asyncio
import logging
import math
import os
import socket
from asyncio import wrap_future
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from time import monotonic
from typing import Any, TypeVar

from django.db import DatabaseError, connection, connections, transaction
from django.db import Error as AnyDatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from coincrawl.waiting import wait_for_event
from webapp.coins.availability import Trouble, trouble_of
from webapp.coins.texts import one_line
from webapp.coins.upsert import DATABASE_ERRORS

logger = logging.getLogger(__name__)

LAST_PATIENCE = 2.0  # seconds, when the run is ending
MAX_PAUSE = 2.0  # seconds between two attempts

# Each attempt has a limit. The database enforces it; if the server does not answer at all, `ATTEMPT_SECONDS` does.
SQLITE_LIMIT = "PRAGMA busy_timeout = 3000"  # ms to wait for another writer
# Only until the end of the transaction: behind PgBouncer, other clients may use the same session later.
POSTGRESQL_LIMITS = (
    "SELECT set_config('lock_timeout', '3s', true), set_config('statement_timeout', '20s', true), "
    "set_config('idle_in_transaction_session_timeout', '60s', true)"
)
ATTEMPT_SECONDS = 30.0
LAST_ATTEMPT_SECONDS = 4.0  # when the run is ending

T = TypeVar("T")


class Worker:
    """Calls functions that use the ORM, one after the other, in one thread and on one connection.

    The database's own limits end a statement that waits too long. If the server does not answer, `sever` ends the call.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")
        self._connection: BaseDatabaseWrapper | None = None  # the thread's own

    def submit(self, function: Callable[[], T]) -> Future[T]:
        return self._thread.submit(self._connected, function)

    def disconnect(self) -> Future[None]:
        return self._thread.submit(connections.close_all)  # those of the thread

    def shut(self) -> None:
        self._thread.shutdown(wait=False)

    def _connected(self, function: Callable[[], T]) -> T:
        self._connection = connections[connection.alias]
        if self._connection.vendor == "postgresql":
            with self._connection.execute_wrapper(limited):
                return function()
        if self._connection.connection is None:
            with self._connection.cursor() as cursor:
                cursor.execute(SQLITE_LIMIT)
        return function()

    def sever(self) -> None:
        """Break the connection, so that a call that waits for the server fails."""
        raw = self._connection.connection if self._connection and self._connection.vendor == "postgresql" else None
        if raw and not raw.closed:
            # The connection may break by itself at the same moment.
            with suppress(OSError, DatabaseError), socket.socket(fileno=os.dup(raw.fileno())) as end:
                end.shutdown(socket.SHUT_RDWR)


class Database:
    """A worker for the event loop. It tries again while the database is away, for at most `patience` seconds.

    `away` is called when the database stops answering, and `back` when it answers again. When `end` is set, patience
    and attempts become short.
    """

    def __init__(
        self,
        patience: float,
        end: asyncio.Event | None = None,
        away: Callable[[], None] = lambda: None,
        back: Callable[[], None] = lambda: None,
    ) -> None:
        self._worker = Worker()
        self._in_order = asyncio.Lock()
        self._patience = patience
        self._end = end or asyncio.Event()
        self._away, self._back = away, back
        self._away_since: float | None = None  # by the monotonic clock

    async def call(self, function: Callable[[], T], patience: float = math.inf) -> T:
        """Return the function's result.

        Raises OperationalError, InterfaceError or InternalError if the database is away for longer than `patience`.
        """
        patience = min(patience, self._patience)
        async with self._in_order:
            pause = 0.25
            while True:
                try:
                    return await self._attempt(function)
                except DATABASE_ERRORS as error:
                    await wrap_future(self._worker.disconnect())
                    if self._away_since is None:
                        self._away_since = monotonic()
                        self._away()
                    if self._end.is_set():
                        patience = min(patience, LAST_PATIENCE)
                    if monotonic() + pause > self._away_since + patience:
                        raise
                    logger.warning("The database fails (%s); trying again in %.2g s", one_line(error), pause)
                if self._end.is_set():
                    await asyncio.sleep(pause)
                else:
                    await wait_for_event(self._end, pause)
                pause = min(pause * 2, MAX_PAUSE)

    async def renew(self) -> None:
        """Make the next call open a new connection."""
        async with self._in_order:
            await wrap_future(self._worker.disconnect())

    async def close(self) -> None:
        await wrap_future(self._worker.disconnect())
        self._worker.shut()

    async def _attempt(self, function: Callable[[], T]) -> T:
        attempt = wrap_future(self._worker.submit(function))
        began = monotonic()
        while not attempt.done():
            await asyncio.wait({attempt}, timeout=1.0)
            if monotonic() - began > (LAST_ATTEMPT_SECONDS if self._end.is_set() else ATTEMPT_SECONDS):
                self._worker.sever()
        if self._away_since is not None and not isinstance(attempt.exception(), DATABASE_ERRORS):
            self._away_since = None
            self._back()
        return attempt.result()


def limited(execute: Callable[..., T], sql: str, params: Any, many: bool, context: dict[str, Any]) -> T:
    """Execute a statement with a limit on its time. Django calls this for each statement."""
    wrapper: BaseDatabaseWrapper = context["connection"]
    raw = wrapper.connection
    if raw.info.transaction_status.name != "IDLE":
        return execute(sql, params, many, context)  # the limits were set when the transaction began
    with nullcontext() if wrapper.in_atomic_block else transaction.atomic():
        with wrapper.wrap_database_errors:
            raw.execute(POSTGRESQL_LIMITS)
        return execute(sql, params, many, context)


def fault(error: AnyDatabaseError, then: str) -> str:
    """A database error in words; `then` says what it leads to, unless the database is damaged."""
    # Only a damaged file raises exactly this class.
    return damage(one_line(error)) if type(error) is DatabaseError else f"the database fails ({one_line(error)}){then}"


def unusable(error: AnyDatabaseError, waited: float) -> str:
    """Why a run could not begin after so many seconds, in words, and what to do."""
    if trouble_of(error) == Trouble.LOCKED:
        return (
            f"the database is locked by another process, and stayed so for {waited:.0f} s: "
            "end that process or wait for it, and crawl again"
        )
    return f"the database cannot be used ({one_line(error)}): check DATABASE_URL"


def damage(words: str) -> str:
    """A damaged SQLite file in words, and what to do."""
    return (
        f"the database's file is damaged ({words}): restore a backup, or move the file away, run "
        "`python webapp/manage.py migrate`, and crawl again"
    )
