"""Base classes of the admin: safe addresses, and which pages are read-only."""

import re
from collections.abc import Mapping
from copy import copy
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.views.main import (
    ERROR_FLAG,
    IGNORED_PARAMS,
    PAGE_VAR,
    SEARCH_VAR,
    ChangeList,
)
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from webapp.coins.admin.filters import LimitFilter, RowFilter
from webapp.coins.admin.formats import Column, Show, column, instant
from webapp.coins.admin.keys import for_django
from webapp.coins.admin.row_list import COLUMNS_VAR, VIEW_VAR, InvalidList, RowList
from webapp.coins.numbers import exact

CODE = re.compile("`([^`]*)`")
OF_EVERY_LIST = {*IGNORED_PARAMS, PAGE_VAR, ERROR_FLAG, COLUMNS_VAR, VIEW_VAR}  # parameters that are no filters


class CheckedActions(admin.ModelAdmin):
    """Actions that answer 400 if a selected key cannot be one. Django raises an error of the database's.

    Nor does an empty `_to_field` in the address of a page raise one.
    """

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        return super().get_object(request, object_id, from_field or None)

    def response_action(self, request: HttpRequest, queryset: models.QuerySet, *args: Any) -> HttpResponse | None:
        self.selected_keys(request)
        return super().response_action(request, queryset, *args)

    def action_checkbox(self, obj: models.Model) -> SafeString:
        """Django's own takes a sixth of a list's time, because a template makes each."""
        return format_html(
            '<input type="checkbox" name="{}" value="{}" class="action-select" '
            'aria-label="Select this object for an action - {}">',
            ACTION_CHECKBOX_NAME,
            obj.pk,
            obj,
        )

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
    renamed: Mapping[str, str] = {}  # by field: its label, if not its own name

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

    def unknown_parameters(self, request: HttpRequest, parameters: QueryDict) -> list[str]:
        """Those that no list has, and no filter of this one."""
        return [name for name in parameters if name not in OF_EVERY_LIST and not self.lookup_allowed(name, "", request)]

    def list_of(self, request: HttpRequest, parameters: QueryDict | None = None) -> RowList:
        """The list with the filters, search and order of these parameters, which are the request's by default.

        No row is read. Raises InvalidList if the list would not be filtered and searched as the parameters say.
        """
        asked = copy(request)
        asked.GET = request.GET if parameters is None else parameters  # type: ignore[assignment]  # a copy has its own
        unknown = self.unknown_parameters(asked, asked.GET)
        reasons: list[str] = [format_html("The list has no filter <bdi>{}</bdi>.", name[:100]) for name in unknown]
        changelist = self.get_changelist(asked)
        reasons += map(str, changelist.search_form_class(asked.GET).errors.get(SEARCH_VAR, []))
        if reasons:
            raise InvalidList(reasons)
        unread = type(changelist.__name__, (changelist,), {"get_results": lambda *_: None})
        found: RowList = unread(
            asked,
            self.model,
            ["action_checkbox", *self.get_list_display(asked)],  # the order is a number of these columns
            None,
            self.get_list_filter(asked),
            self.date_hierarchy,
            self.get_search_fields(asked),
            self.get_list_select_related(asked),
            self.list_per_page,
            self.list_max_show_all,
            self.list_editable,
            self,
            self.get_sortable_by(asked),
            self.search_help_text,
        )
        if found.faults:
            raise InvalidList([fault.html for fault in found.faults])
        return found

    def response_action(self, request: HttpRequest, queryset: models.QuerySet, *args: Any) -> HttpResponse | None:
        """An action does nothing if the list has more rows than its filters would let through."""
        try:
            self.list_of(request)
        except InvalidList:
            words = "Nothing was done, because the list is not filtered as its address says. Correct the filter first."
            self.message_user(request, words, messages.ERROR)
            return redirect(request.get_full_path())
        return super().response_action(request, queryset, *args)

    def line(self, name: str) -> str | Column:
        """A line of a page for Django: the field's name, or a column if we format the value."""
        field = {field.name: field for field in self.opts.concrete_fields}.get(name)
        show = self.written.get(name)
        if isinstance(field, (models.DecimalField, models.IntegerField)):
            show = show or exact
        elif isinstance(field, models.DateTimeField):
            show = show or instant
        return column(name, show, self.renamed.get(name, str(field.verbose_name))) if field and show else name


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

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """With the help texts of the model, in which names between backticks become code."""
        texts = {field.name: str(field.help_text) for field in self.opts.concrete_fields if field.help_text}
        helps = {name: CODE.sub(r"<code>\1</code>", text) for name, text in texts.items() if "`" in text}
        return super().get_form(request, obj, change, help_texts=helps, **kwargs)
