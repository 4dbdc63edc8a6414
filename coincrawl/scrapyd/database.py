"""The database for scrapyd's event loop: one worker thread, and a limit on every call."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, wait
from datetime import datetime
from typing import TypeVar

import scrapyd.sqlite  # noqa: F401 - changes what is set right below
from django.db.backends.sqlite3.base import adapt_datetime, decoder
from django.utils.dateparse import parse_datetime
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from coincrawl.database import ATTEMPT_SECONDS, Worker
from coincrawl.scrapyd.log import Log
from webapp.coins.texts import one_line
from webapp.coins.upsert import DATABASE_ERRORS

log = Log()

# scrapyd's own queue, which is not used here, changes how the whole process reads and writes SQLite's datetimes:
# those of a whole second raise. This is Django's way again.
sqlite3.register_adapter(datetime, adapt_datetime)
sqlite3.register_converter("datetime", decoder(parse_datetime))

MAX_HTTP_SECONDS = 10.0  # a web service blocks everything else meanwhile

T = TypeVar("T")
worker = Worker()


class Unavailable(Exception):
    """The database does not answer: a sentence for the client."""


def later(function: Callable[[], T]) -> "Deferred[T]":
    """Call the function in the worker. The connection is broken after half a minute."""
    return deferToThread(_result, worker.submit(function))


def _result(future: "Future[T]") -> T:
    if wait([future], ATTEMPT_SECONDS).not_done:
        worker.sever()
    try:
        return future.result()
    except DATABASE_ERRORS:
        worker.disconnect()
        raise


def now(function: Callable[[], T]) -> T:
    """Call the function in the worker, for scrapyd's web services, which cannot wait for a Deferred.

    Raises Unavailable if the database fails or does not answer within ten seconds.
    """
    future = worker.submit(function)
    try:
        return future.result(MAX_HTTP_SECONDS)
    except TimeoutError:
        future.cancel()
        reason = "it does not answer, try again later"
    except DATABASE_ERRORS as error:
        worker.disconnect()
        reason = one_line(error)
    log.warn("The database cannot be asked: {reason}", reason=reason)
    raise Unavailable(f"The database cannot be asked: {reason}")
