"""Rejects requests with a NUL character: PostgreSQL raises an error for a query with one."""

from collections.abc import Callable, Iterator

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse


def reject_nul(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: 404 for a NUL in the path, 400 for one in the query, a cookie or a token. Forms reject their own."""

    def answer(request: HttpRequest) -> HttpResponse:
        if "\0" in request.path_info:
            raise Http404
        if any("\0" in text for text in texts(request)):
            raise BadRequest("The request has a NUL character.")
        return get_response(request)

    return answer


def texts(request: HttpRequest) -> Iterator[str]:
    yield request.headers.get("Authorization", "")
    yield from request.COOKIES.values()
    for name, values in request.GET.lists():
        yield from (name, *values)
