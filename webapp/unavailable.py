"""What the site answers while the database cannot be reached, or is locked. None of it asks the database."""

import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from django.contrib.messages import get_messages
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.log import log_response

from webapp.coins.availability import StoppedHalfway, trouble_of
from webapp.coins.texts import one_line

logger = logging.getLogger(__name__)

RETRY_AFTER = 10  # s; PostgreSQL restarts within that
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
WRITES = ("INSERT", "UPDATE", "DELETE")
NOTHING_STORED = "Nothing of this request was stored."
MAYBE_STORED = "What you sent may have been stored: look before you send it again."


def is_of_api(request: HttpRequest) -> bool:
    """Whether it gets JSON also where something outside of the views answers it."""
    return request.path.startswith("/api/")


def note_writes(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: notes on a request whether it has written to the database, sessions left out."""

    def answer(request: HttpRequest) -> HttpResponse:
        def execute_and_note(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
            result = execute(sql, *arguments)
            if str(sql).lstrip().startswith(WRITES) and "django_session" not in sql:
                vars(request)["has_written"] = True
            return result

        with connection.execute_wrapper(execute_and_note):
            return get_response(request)

    return answer


def answer_for(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """The answer to a request that ended with this error; None if the database was not in the way."""
    cause = database_error(error)
    trouble = trouble_of(cause)
    if cause is None or trouble is None:
        return None
    told = said_before(request, error)
    has_written = "has_written" in vars(request)
    if is_of_api(request):
        response: HttpResponse = JsonResponse({"detail": f"{trouble} Try again in a moment."})
    else:
        context = {
            "trouble": trouble,
            "told": told,
            "stored": MAYBE_STORED if has_written else NOTHING_STORED,
            "again": request.get_full_path() if request.method in SAFE_METHODS else "",
            "list": request.get_full_path() if isinstance(error, StoppedHalfway) else "",
        }
        response = HttpResponse(render_to_string("503.html", context))
    response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    response["Retry-After"] = str(RETRY_AFTER)
    response["Cache-Control"] = "no-store"
    words = f"{trouble} ({one_line(cause)})"
    log_response("%s %s: %s", request.method, request.path, words, response=response, request=request, logger=logger)
    return response


def database_error(error: BaseException | None) -> BaseException | None:
    """The error of the database that this one is, or was raised for."""
    if isinstance(error, StoppedHalfway):
        return error.__cause__
    if isinstance(error, SessionInterrupted):  # also raised for a session that somebody has deleted
        context: BaseException | None = error
        while context and not trouble_of(context):
            context = context.__context__
        return context
    return error


def said_before(request: HttpRequest, error: BaseException | None) -> Iterable[str]:
    """What the person has to know of what was done before. A session that cannot be stored would lose the messages."""
    if isinstance(error, StoppedHalfway):
        return error.args
    return [str(message) for message in get_messages(request)] if isinstance(error, SessionInterrupted) else []
