"""How all lists of the admin are searched, sorted and filtered."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList, ChangeListSearchForm
from django.core.exceptions import BadRequest
from django.db import models
from django.db.models import F
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst

from webapp.coins.admin.chips import Chip, address_without_limits, chips, filters_of
from webapp.coins.admin.facets import facets
from webapp.coins.admin.formats import address_of

COLUMNS_VAR = "columns"  # the parameter of an address for the columns of a list, with commas between them
VIEW_VAR = "view"  # that for the saved view that was opened


class InvalidList(BadRequest):
    """A list cannot be filtered or searched as its parameters say, for these reasons: sentences as HTML."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(format_html_join(" ", "{}", ((reason,) for reason in reasons)))
        self.reasons = reasons


class SearchForm(ChangeListSearchForm):
    """A search of limited length: SQLite raises an error for several hundred words."""

    MAX_LENGTH = 300
    TOO_LONG = f"The search is longer than {MAX_LENGTH} characters, so it is left out."

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[SEARCH_VAR] = forms.CharField(
            required=False, strip=False, max_length=self.MAX_LENGTH, error_messages={"max_length": self.TOO_LONG}
        )


def searched(request: HttpRequest) -> str:
    """The text that a list is searched for; empty without one, and if it is invalid."""
    form = SearchForm(request.GET)
    form.is_valid()
    return (form.cleaned_data.get(SEARCH_VAR) or "").strip()


class RowList(ChangeList):
    """A list that sorts empty values last, in either direction and on every database.

    Invalid values of its filters are `faults`: they filter nothing, and the list says so. `notes` stand above it.
    """

    search_form_class = SearchForm
    notes: tuple[str, ...] = ()

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.title = capfirst(str(self.opts.verbose_name_plural))
        self.faults = [fault for spec in filters_of(self) for fault in spec.faults]
        self.notes = (*(format_html("Not filtered by {}", fault.html) for fault in self.faults), *self.notes)

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        found = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name not in {COLUMNS_VAR, VIEW_VAR}}

    def get_query_string(self, new_params: dict[str, Any] | None = None, remove: Iterable[str] | None = None) -> str:
        """As Django's, which removes all parameters that begin with a name of `remove`."""
        without = dict.fromkeys(remove or ())
        return super().get_query_string({**without, **(new_params or {})})

    @cached_property
    def facets(self) -> Mapping[str, Mapping[str, int]]:
        return facets(self)

    def chips(self) -> list[Chip]:
        return chips(self)

    def clear_all(self) -> str:
        """The address of the list without search and filters."""
        return address_without_limits(self)

    def url_for_result(self, result: models.Model) -> str:
        return address_of(result)

    def get_ordering(self, request: HttpRequest, queryset: models.QuerySet) -> list[Any]:
        return [self._order(part) for part in super().get_ordering(request, queryset)]

    @staticmethod
    def _order(part: str | Combinable) -> Combinable:
        if not isinstance(part, str):
            return part
        return F(part[1:]).desc(nulls_last=True) if part.startswith("-") else F(part).asc(nulls_last=True)
