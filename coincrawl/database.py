"""Django's ORM for the event loop: one worker thread, hence one connection, and patience while the database is away."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TypeVar

from django.db import connection

from webapp.coins.upsert import DATABASE_ERRORS

logger = logging.getLogger(__name__)

PATIENCE = 60.0  # seconds that a call is tried again for

T = TypeVar("T")


class Database:
    """Calls functions that use the ORM in its thread, one at a time, in the order of the calls."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")
        self._in_order = asyncio.Lock()

    async def call(self, function: Callable[[], T], patience: float = PATIENCE) -> T:
        """The function's result. Database errors are tried again for `patience` seconds, then raised."""
        deadline = monotonic() + patience
        pause = 0.25
        async with self._in_order:
            while True:
                try:
                    return await self._run(function)
                except DATABASE_ERRORS as error:
                    await self._run(_disconnect)  # a broken connection would fail every later call
                    if monotonic() + pause > deadline:
                        raise
                    logger.warning("The database does not answer (%s); trying again in %.2g s", one_line(error), pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)

    async def _run(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    async def close(self) -> None:
        await self._run(_disconnect)
        self._thread.shutdown()


def _disconnect() -> None:
    connection.close()  # looked up here, because each thread has a connection of its own


def one_line(error: BaseException) -> str:
    """A driver's message without its further lines."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
