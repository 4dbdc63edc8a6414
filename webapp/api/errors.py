"""Errors outside of the API's views: JSON with a sentence under /api/, Django's own pages elsewhere."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults


def handler(status: int, sentence: str, usual: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.path.startswith("/api/"):
            return JsonResponse({"detail": sentence}, status=status)
        return usual(request, *args, **kwargs)

    return answer


bad_request = handler(
    400, "The request is for another host, is too long, or has a NUL character.", defaults.bad_request
)
not_found = handler(404, "There is nothing at this address: /api/ lists the addresses.", defaults.page_not_found)
server_error = handler(500, "The server failed: its log says why.", defaults.server_error)
