"""Answers to HEAD: the headers of the answer to GET, and nothing else."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


def without_body(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: removes the body. Django leaves that to the server, and gunicorn logs a warning each time."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.method == "HEAD" and not response.streaming:
            response.headers.setdefault("Content-Length", str(len(response.content)))
            response.content = b""
        return response

    return answer
