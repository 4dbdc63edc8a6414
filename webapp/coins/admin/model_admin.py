"""Base classes of the admin: how all lists are searched, sorted and filtered, and which pages are read-only."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList, ChangeListSearchForm
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.db import models
from django.db.models import F
from django.db.models.expressions import Combinable
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.text import capfirst

from webapp.coins.admin.chips import Chip, address_without_limits, chips
from webapp.coins.admin.filters import LimitFilter, RowFilter
from webapp.coins.admin.formats import Column, Show, address_of, column, instant
from webapp.coins.admin.keys import for_django
from webapp.coins.numbers import exact

COLUMNS_VAR = "columns"  # the parameter of an address for the columns of a list, with commas between them


class SearchForm(ChangeListSearchForm):
    """A search of limited length: SQLite raises an error for several hundred words."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[SEARCH_VAR] = forms.CharField(required=False, strip=False, max_length=300)


def searched(request: HttpRequest) -> str:
    """The text that a list is searched for; empty without one, and if it is invalid."""
    form = SearchForm(request.GET)
    form.is_valid()
    return (form.cleaned_data.get(SEARCH_VAR) or "").strip()


class RowList(ChangeList):
    """A list that sorts empty values last, in either direction and on every database."""

    search_form_class = SearchForm

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.title = capfirst(str(self.opts.verbose_name_plural))

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        found = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name != COLUMNS_VAR}

    def get_query_string(self, new_params: dict[str, Any] | None = None, remove: Iterable[str] | None = None) -> str:
        """As Django's, which removes all parameters that begin with a name of `remove`."""
        without = dict.fromkeys(remove or ())
        return super().get_query_string({**without, **(new_params or {})})

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


class CheckedActions(admin.ModelAdmin):
    """Actions that answer 400 if a selected key cannot be one. Django raises an error of the database's.

    Nor does an empty `_to_field` in the address of a page raise one.
    """

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        return super().get_object(request, object_id, from_field or None)

    def response_action(self, request: HttpRequest, queryset: models.QuerySet, *args: Any) -> HttpResponse | None:
        self.selected_keys(request)
        return super().response_action(request, queryset, *args)

    def selected_keys(self, request: HttpRequest) -> list[str]:
        """The keys of the selected rows. Raises SuspiciousOperation, which is answered with 400, if one is none."""
        keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
        try:
            for key in keys:
                if "\0" in key:
                    raise ValidationError("has a NUL character")
                self.opts.pk.run_validators(self.opts.pk.to_python(key))
        except ValidationError:
            raise SuspiciousOperation("The selection has a key that no row can have.") from None
        return keys


class RowAdmin(CheckedActions):
    """Lists and pages that are safe from invalid query strings. Permissions are Django's."""

    list_per_page = 100
    list_filter: ClassVar[tuple[type[RowFilter | LimitFilter], ...]] = ()
    change_list_template = "admin/row_list.html"
    written: Mapping[str, Show] = {}  # by field: how its page formats it, if not by its type

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RowList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """A form sends its empty fields, too: the list without them has a shorter address."""
        if request.method in {"GET", "HEAD"}:
            clean = request.GET.copy()
            limits = (offered for offered in self.list_filter if issubclass(offered, LimitFilter))
            for name in (SEARCH_VAR, *(name for one in limits for name in one.parameters())):
                if clean.get(name) == "":
                    del clean[name]
            if len(clean) < len(request.GET):
                return redirect(f"{request.path}?{clean.urlencode()}" if clean else request.path)
        return super().changelist_view(request, extra_context)

    def view_name(self, view: str) -> str:
        """The name of a view's address, without the site's. Django's own are named alike: `changelist`, `change`."""
        return f"{self.opts.app_label}_{self.opts.model_name}_{view}"

    def view_address(self, view: str, *arguments: str) -> str:
        return reverse(f"admin:{self.view_name(view)}", args=arguments)

    # The keys of rows in addresses, as `address_of` writes them
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        return super().changeform_view(request, object_id and for_django(object_id), form_url, extra_context)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().history_view(request, for_django(object_id), extra_context)

    def with_list(self, request: HttpRequest, address: str) -> str:
        """The address of a page of this model, which then leads back to the list as the person left it."""
        context: dict[str, Any] = {"preserved_filters": self.get_preserved_filters(request), "opts": self.opts}
        return str(add_preserved_filters(context, address))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only the lookups of `list_filter`: no other field, relation or regular expression."""
        return lookup in {name for offered in self.list_filter for name in offered.parameters()}

    def line(self, name: str) -> str | Column:
        """A line of a page for Django: the field's name, or a column if we format the value."""
        field = {field.name: field for field in self.opts.concrete_fields}.get(name)
        show = self.written.get(name)
        if isinstance(field, (models.DecimalField, models.IntegerField)):
            show = show or exact
        elif isinstance(field, models.DateTimeField):
            show = show or instant
        return column(name, show, str(field.verbose_name)) if field and show else name


class ReadOnlyAdmin(RowAdmin):
    """Shows a model to users with permission to view it. Nobody can change it, superusers included."""

    actions = None
    groups: tuple[tuple[str | None, tuple[str, ...]], ...] = ()  # headings of a page, with their fields
    elsewhere: tuple[str, ...] = ()  # the fields that the page shows outside of the groups
    hidden: tuple[str, ...] = ()  # fields that a page does not show, because only programs can read them

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The groups, and a last one with the fields that no group names."""
        named = {*self.hidden, *self.elsewhere, *(name for _, names in self.groups for name in names)}
        fields = (field.name for field in self.opts.concrete_fields if not (field.auto_created or field.generated))
        groups = (*self.groups, ("Further fields", tuple(name for name in fields if name not in named)))
        return [(title, {"fields": [self.line(name) for name in names]}) for title, names in groups if names]
