"""The database for scrapyd's event loop: one worker, with a limit on every call."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from typing import TypeVar

import scrapyd.sqlite  # noqa: F401 - before what is put right below
from django.db.backends.sqlite3.base import adapt_datetime, decoder
from django.utils.dateparse import parse_datetime
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from coincrawl.database import ATTEMPT_SECONDS, Worker
from coincrawl.scrapyd.process import reactor
from webapp.coins.upsert import DATABASE_ERRORS

# scrapyd's own queue, which is not used here, has changed how the whole process reads and writes SQLite's moments, so
# that those of a whole second would raise. Django's way again:
sqlite3.register_adapter(datetime, adapt_datetime)
sqlite3.register_converter("datetime", decoder(parse_datetime))

HTTP_SECONDS = 10.0  # that a web service may hold up everything else for

T = TypeVar("T")
worker = Worker()


def later(function: Callable[[], T]) -> "Deferred[T]":
    """The function's result, once the worker has called it; after half a minute the connection is broken."""
    deferred: Deferred[T] = Deferred()
    limit = reactor().callLater(ATTEMPT_SECONDS, worker.sever)

    def tell(future: "Future[T]") -> None:
        if limit.active():
            limit.cancel()
        error = future.exception()
        if isinstance(error, DATABASE_ERRORS):
            worker.disconnect()
        if error:
            deferred.errback(Failure(error))
        else:
            deferred.callback(future.result())

    future = worker.submit(function)
    future.add_done_callback(lambda _: reactor().callFromThread(tell, future))
    return deferred


def now(function: Callable[[], T]) -> T:
    """The function's result, for scrapyd's web services, which cannot wait for one; TimeoutError after ten seconds."""
    future = worker.submit(function)
    try:
        return future.result(HTTP_SECONDS)
    except TimeoutError:
        future.cancel()
        raise TimeoutError("the database does not answer: try again later") from None
    except DATABASE_ERRORS:
        worker.disconnect()
        raise
