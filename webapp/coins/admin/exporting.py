"""Exports from the admin: a page to choose format and columns, and the file."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.views.main import ERROR_FLAG, PAGE_VAR
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from webapp.coins.admin.model_admin import RowAdmin
from webapp.coins.exports.files import Export
from webapp.coins.exports.formats import FORMATS
from webapp.coins.exports.tables import Table
from webapp.coins.sending import download

COUNTED = 50_000  # rows; more of them are not counted, which takes as long as reading them
TICKS = {"list": "As in the list", "all": "All", "none": "None"}

get_or_post = require_http_methods(["GET", "HEAD", "POST"])


class FormatField(forms.ChoiceField):
    def __init__(self) -> None:
        choices = [(one.name, one.summary) for one in FORMATS.values()]
        super().__init__(choices=choices, initial="xlsx", widget=forms.RadioSelect)


class ExportForm(forms.Form):
    format = FormatField()
    columns = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, error_messages={"required": "Choose at least one column."}
    )

    def __init__(self, table: Table, data: Any = None, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        self.fields["columns"].choices = [  # type: ignore[attr-defined]
            (column.name, format_html("{} <code>{}</code>", column.label, column.name)) for column in table.columns
        ]


class ExportAdmin(RowAdmin):
    """A list whose rows can be exported by all who may view them: those that its filters find, or selected ones."""

    exported: ClassVar[Table]
    # Exported columns that a column of the list shows without having the name of one, or being sorted by it
    shown_by: ClassVar[Mapping[str, Sequence[str]]] = {}

    # What leads to the page -----------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(get_or_post(self.export_view))
        return [path("export/", view, name=self.view_name("export")), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with a button that leads to the page."""
        return super().changelist_view(request, {"export": self.address(request)} | (extra_context or {}))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """The list's own, and this one."""
        actions = super().get_actions(request)
        if IS_POPUP_VAR not in request.GET and self.has_view_permission(request):
            actions["export_selected"] = self.get_action("export_selected")
        return actions

    @admin.action(description="Export selected %(verbose_name_plural)s")
    def export_selected(self, request: HttpRequest, found: QuerySet[Any]) -> HttpResponse:
        if request.POST.get("select_across") == "1":
            return redirect(self.address(request))  # the filters say which rows
        return self.page(request, found, self.ticked(request, "list"))

    def address(self, request: HttpRequest, view: str = "export") -> str:
        """That of a view of this model, with the list's filters, search and order."""
        query = request.GET.copy()
        for name in (PAGE_VAR, ERROR_FLAG):
            query.pop(name, None)
        address = self.view_address(view)
        return f"{address}?{query.urlencode()}" if query else address

    # The page and the file ------------------------------------------------------------------------
    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Of the rows that the list has with the request's filters, in its order, on all its pages.

        Raises InvalidList, which is answered with 400, if one of the filters is invalid.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        found: QuerySet[Any] = self.list_of(request).queryset
        if keys := self.selected_keys(request):
            found = found.filter(pk__in=keys)
        if request.method != "POST":
            return self.page(request, found, self.ticked(request, "list"))
        if tick := request.POST.get("tick"):
            return self.page(request, found, self.ticked(request, tick))
        form = ExportForm(self.exported, request.POST)
        if not form.is_valid():
            return self.page(request, found, form, status=400)
        chosen = form.cleaned_data
        return send(self, request, Export(self.exported, found, FORMATS[chosen["format"]], chosen["columns"]))

    def ticked(self, request: HttpRequest, which: str) -> ExportForm:
        """The form with these columns ticked."""
        if which not in TICKS:
            raise BadRequest("There is no such choice of columns.")
        names = {"all": self.exported.names, "list": self.names_in_list(request), "none": []}[which]
        chosen = request.POST.get("format")
        return ExportForm(self.exported, initial={"columns": names} | ({"format": chosen} if chosen in FORMATS else {}))

    def names_in_list(self, request: HttpRequest) -> list[str]:
        """The key, and the columns that the list shows or sorts by."""
        shown = [self.opts.pk.name]
        for column in self.get_list_display(request):
            name = column if isinstance(column, str) else column.__name__
            member = getattr(self, name, None) if isinstance(column, str) else column
            shown += [str(getattr(member, "admin_order_field", name)), *self.shown_by.get(name, ())]
        return [name for name in self.exported.names if name in shown]

    def page(self, request: HttpRequest, found: QuerySet[Any], form: forms.Form, status: int = 200) -> HttpResponse:
        number = found.order_by().values("pk")[: COUNTED + 1].count()
        noun = self.opts.verbose_name if number == 1 else self.opts.verbose_name_plural
        rows = f"More than {COUNTED:,} {noun}" if number > COUNTED else f"{number:,} {noun}"
        keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
        context = {
            "title": f"Export {self.opts.verbose_name_plural}",
            "what": f"{rows}, {'those that you have selected' if keys else 'on all pages of the list'}.",
            "takes_long": number > COUNTED,
            "address": self.address(request),
            "back": self.address(request, "changelist"),
            "hidden": [(ACTION_CHECKBOX_NAME, key) for key in keys],
            "ticks": TICKS.items(),
        }
        return render(self, request, form, context, status)


def render(
    model_admin: admin.ModelAdmin, request: HttpRequest, form: forms.Form, context: dict[str, Any], status: int
) -> HttpResponse:
    """The page on which people choose what is exported."""
    request.current_app = model_admin.admin_site.name  # as Django's own views do
    shared = {**model_admin.admin_site.each_context(request), "opts": model_admin.opts, "form": form}
    return TemplateResponse(request, "admin/export.html", shared | context, status=status)


def send(model_admin: admin.ModelAdmin, request: HttpRequest, export: Export, of: str = "") -> FileResponse:
    """The file, when it is whole. What its reader has to know is a message on the next page."""
    file = export.write_temporary()
    if export.remark:
        model_admin.message_user(request, export.remark, messages.WARNING)
    name = "-".join(filter(None, [export.table.name, of, f"{timezone.now():%Y-%m-%d}"]))
    return download(request, file, f"{name}.{export.format.suffix}", export.format.content_type)
