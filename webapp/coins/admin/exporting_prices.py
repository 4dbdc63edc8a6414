"""The export of a coin's prices from the admin."""

import re
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

from webapp.coins.admin.exporting import FormatField, get_or_post, render, send
from webapp.coins.admin.formats import address_of
from webapp.coins.admin.keys import unquote
from webapp.coins.admin.model_admin import RowAdmin
from webapp.coins.exports.files import Export
from webapp.coins.exports.formats import FORMATS
from webapp.coins.exports.tables import prices_of_coin
from webapp.coins.prices.tiers import STEPS

SUMMARIES = {"day": "bars of a day, kept for ever", "hour": "bars of an hour", "raw": "the observations themselves"}
NAME_LENGTH = 60  # characters of a coin's id in the name of a file


class MomentField(forms.DateTimeField):
    """A date and time, in UTC where it has no offset."""

    def to_python(self, value: Any) -> datetime | None:
        given = super().to_python(value)
        try:
            return given and given.astimezone(UTC)
        except OverflowError:  # with its offset, it is before the first year or after the last
            raise ValidationError(self.error_messages["invalid"], code="invalid") from None


class PricesForm(forms.Form):
    step = forms.ChoiceField(choices=SUMMARIES.items(), initial="day", widget=forms.RadioSelect, label="Prices")
    since = MomentField(
        required=False, label="From", help_text="UTC, such as 2026-02-05 or 2026-02-05 12:00. Empty: from the first on."
    )
    until = MomentField(required=False, label="Before", help_text="UTC. Empty: up to the last.")
    format = FormatField()


class PriceExportAdmin(RowAdmin):
    """Coins, whose prices can be exported by all who may view coins."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(get_or_post(self.prices_export_view))
        name = self.view_name("prices_export")
        return [path("<path:object_id>/prices/export/", view, name=name), *super().get_urls()]

    def prices_export_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """A page whose fields are filled from the query string, and the file. Its address says all that it needs."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        coin = self.get_object(request, unquote(object_id))
        if coin is None:
            raise Http404("There is no such coin.")
        usual = {name: field.initial for name, field in PricesForm.base_fields.items()}
        form = PricesForm(usual | (request.POST if request.method == "POST" else request.GET).dict())
        if request.method == "POST" and form.is_valid():
            chosen = form.cleaned_data
            table, found = prices_of_coin(coin.pk, STEPS[chosen["step"]], chosen["since"], chosen["until"])
            export = Export(table, found, FORMATS[chosen["format"]], table.names)
            return send(self, request, export, of=short_name(coin.pk))
        context = {
            "title": "Export prices",
            "of": str(coin),
            "address": address_of(coin, "prices_export"),
            "back": address_of(coin),
        }
        return render(self, request, form, context, status=200 if form.is_valid() else 400)


def short_name(coin_id: str) -> str:
    """An id that can be part of a file's name."""
    return re.sub(r"[^\w-]+", "_", coin_id)[:NAME_LENGTH]
