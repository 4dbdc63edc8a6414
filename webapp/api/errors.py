"""What goes wrong before or outside of a view, as JSON with a sentence under /api/ and as Django has it elsewhere."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults


def explained(status: int, sentence: str, usual: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.path.startswith("/api/"):
            return JsonResponse({"detail": sentence}, status=status)
        return usual(request, *args, **kwargs)

    return answer


bad_request = explained(400, "The request is for another host, or too long to be read.", defaults.bad_request)
not_found = explained(404, "There is nothing at this address: /api/ lists what there is.", defaults.page_not_found)
server_error = explained(500, "The answer failed here: the site's log says why.", defaults.server_error)
