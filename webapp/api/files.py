"""Lists of coins as CSV, for spreadsheets that read an address."""

from io import BytesIO
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.api.parameters import CoinsFileParameters, select
from webapp.api.schema import answers
from webapp.api.views import ReadView, chosen
from webapp.coins.exports.csv import write_for_spreadsheets
from webapp.coins.exports.tables import COINS, Column, rows, snapshot


class CsvRenderer(BaseRenderer):
    """Lets clients accept CSV. The view writes it."""

    media_type, format, charset = "text/csv", "csv", "utf-8"


class CoinsFile(ReadView):
    parameters = CoinsFileParameters
    renderer_classes = (CsvRenderer, JSONRenderer)

    @answers("export_coins", "Coins as CSV", OpenApiTypes.STR, media_type="text/csv")
    def get(self, request: Request) -> HttpResponse:
        """All coins that the parameters ask for, on one page, such as for `IMPORTDATA` in Google Sheets.

        No text is a formula: what could be one has an apostrophe before it. Dates are UTC, to the second.
        """
        columns = [Column(field.name, field) for field in chosen(self.query)]
        file = BytesIO()
        with snapshot():
            found = rows(select(self.queryset, self.query), columns)
            write_for_spreadsheets(file, COINS.name, columns, found, mark="")  # Google Sheets would show the mark
        return HttpResponse(file.getbuffer(), content_type="text/csv; charset=utf-8")

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Errors are JSON, as at the other addresses."""
        if isinstance(response, Response):
            request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
        return super().finalize_response(request, response, *args, **kwargs)
