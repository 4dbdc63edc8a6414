"""The export of a coin's prices from the admin."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
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
from webapp.coins.prices.reading import span_of
from webapp.coins.prices.series import key_of
from webapp.coins.prices.tiers import STEPS, start_of

SUMMARIES = {"day": "Bars of a day", "hour": "Bars of an hour", "raw": "Observations, as crawls have stored them"}
DAY = timedelta(days=1)
NAME_LENGTH = 60  # characters of a coin's id in the name of a file

Span = tuple[datetime, datetime]  # the times of the first price and of the last
Spans = Mapping[str, Span | None]  # by the name of a step


class DayField(forms.DateField):
    def __init__(self, **options: Any) -> None:
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        super().__init__(required=False, widget=widget, input_formats=["%Y-%m-%d"], **options)


class PricesForm(forms.Form):
    step = forms.ChoiceField(initial="day", widget=forms.RadioSelect, label="Prices")
    first = DayField(label="First day", help_text="In UTC. Empty: from the first price on.")
    last = DayField(label="Last day", help_text="In UTC. This day is exported, too. Empty: up to the last price.")
    format = FormatField()

    def __init__(self, data: Any, spans: Spans) -> None:
        super().__init__(data)
        self.fields["step"].choices = [  # type: ignore[attr-defined]
            (name, f"{summary}: {days_of(spans[name])}") for name, summary in SUMMARIES.items()
        ]
        if stored := [span for span in spans.values() if span]:
            bounds = {"min": min(first for first, _ in stored).date(), "max": max(last for _, last in stored).date()}
            for name in ("first", "last"):
                self.fields[name].widget.attrs |= bounds

    def limits(self) -> tuple[datetime | None, datetime | None]:
        """From when on, and before when; None: no limit."""
        first, last = self.cleaned_data["first"], self.cleaned_data["last"]
        return first and start_of(first), start_of(last + DAY) if last and last < date.max else None


def days_of(span: Span | None) -> str:
    return f"{span[0]:%F} to {span[1]:%F}" if span else "there are none"


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
        given = (request.POST if request.method == "POST" else request.GET).dict()
        key = key_of(coin.pk) or 0  # that of no series
        form = PricesForm(usual | given, {name: span_of(key, step) for name, step in STEPS.items()})
        if request.method == "POST" and form.is_valid():
            chosen = form.cleaned_data
            table, found = prices_of_coin(coin.pk, STEPS[chosen["step"]], *form.limits())
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
