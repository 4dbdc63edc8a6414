"""Errors outside of the views: JSON with a sentence under /api/, the site's own pages elsewhere."""

import sys
from collections.abc import Sequence
from http import HTTPStatus

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views import defaults

from webapp import unavailable
from webapp.coins.admin.row_list import InvalidList
from webapp.unavailable import is_of_api


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page has the reasons, if they were written for people."""
    if response := unavailable.answer_for(request, exception):
        return response
    if is_of_api(request):
        return _json(400, "The request is for another host, is too long, or has a NUL character.")
    reasons: Sequence[str] = ()
    if isinstance(exception, InvalidList):
        reasons = ["The list cannot be filtered as the address says.", *exception.reasons]
    elif isinstance(exception, BadRequest):
        reasons = [str(exception)]
    return HttpResponse(render_to_string("400.html", {"reasons": reasons}), status=HTTPStatus.BAD_REQUEST)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_of_api(request):
        return _json(404, "There is nothing at this address: /api/ lists the addresses.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if response := unavailable.answer_for(request, sys.exc_info()[1]):
        return response
    return _json(500, "The server failed: its log says why.") if is_of_api(request) else defaults.server_error(request)


def _json(status: int, sentence: str) -> HttpResponse:
    return JsonResponse({"detail": sentence}, status=status)
