"""Lists whose columns people choose and put in order. Each person has a choice of their own."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.views.main import ORDER_VAR
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from webapp.coins.admin.formats import Column
from webapp.coins.admin.model_admin import RowAdmin
from webapp.coins.admin.row_list import COLUMNS_VAR
from webapp.coins.models import ChosenColumns


class ColumnsAdmin(RowAdmin):
    """The columns are those of the address, or else those that the person has chosen, or else `default_columns`.

    `main_column` leads to the page of a row, and is always shown.
    """

    default_columns: ClassVar[tuple[str, ...]]
    main_column: ClassVar[str]

    def columns(self) -> Mapping[str, str | Column]:
        """All columns by name, in the order in which they are offered."""
        raise NotImplementedError

    def label_of(self, name: str) -> str:
        """The heading of a column."""
        column = self.columns()[name]
        shown = getattr(self, column) if isinstance(column, str) else column
        return str(getattr(shown, "short_description", name.replace("_", " ")))

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = self.columns()
        return [columns[name] for name in self.names_shown(request)]

    def names_shown(self, request: HttpRequest, query: QueryDict | None = None) -> list[str]:
        """The names of the columns, with the main one: of this query, which is the request's by default."""
        query = request.GET if query is None else query
        if COLUMNS_VAR in query:
            return self._possible(str(query[COLUMNS_VAR]).split(","))
        known = vars(request).get("chosen_columns")
        if known is None:
            of_person = ChosenColumns.objects.filter(user=request.user.pk, list=self.opts.label_lower)
            [known] = of_person.values_list("columns", flat=True) or [self.default_columns]
            vars(request)["chosen_columns"] = known  # a list asks several times
        return self._possible(known)

    def _possible(self, names: Iterable[Any]) -> list[str]:
        columns = self.columns()
        possible = [name for name in dict.fromkeys(map(str, names)) if name in columns]
        return possible if self.main_column in possible else [self.main_column, *possible]

    # The page on which they are chosen ----------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.columns_view)
        return [path("columns/", view, name=self.view_name("columns")), *super().get_urls()]

    def columns_view(self, request: HttpRequest) -> HttpResponse:
        """Works without JavaScript: each button that moves a column sends the whole form."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        shown, move = self.names_shown(request), ""
        if request.method == "POST":
            shown, move = self._possible(request.POST.getlist("shown")), request.POST.get("move", "")
            if "save" in request.POST or "reset" in request.POST:
                self._keep(request, None if "reset" in request.POST else shown)
                return redirect(self._list_address(request.POST.get("query", "")))
        shown = moved(shown, move)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Columns of {self.opts.verbose_name_plural}",
            "opts": self.opts,
            "shown": [(name, self.label_of(name)) for name in shown],
            "others": [(name, self.label_of(name)) for name in self.columns() if name not in shown],
            "main_column": self.main_column,
            "move": move,
            "query": request.POST.get("query", request.META["QUERY_STRING"]),
        }
        return TemplateResponse(request, "admin/columns.html", context)

    def _keep(self, request: HttpRequest, columns: list[str] | None) -> None:
        of_person: dict[str, Any] = {"user_id": request.user.pk, "list": self.opts.label_lower}
        if columns is None:
            ChosenColumns.objects.filter(**of_person).delete()
            self.message_user(request, "The list has its usual columns again.", messages.SUCCESS)
        else:
            ChosenColumns.objects.update_or_create(**of_person, defaults={"columns": columns})
            self.message_user(request, "The list has the columns that you have chosen.", messages.SUCCESS)

    def _list_address(self, query: str) -> str:
        """The list with the filters that it had. An order goes: its numbers are those of the columns before."""
        kept = QueryDict(query, mutable=True)
        for name in (COLUMNS_VAR, ORDER_VAR):
            kept.pop(name, None)
        address = self.view_address("changelist")
        return f"{address}?{kept.urlencode()}" if kept else address


def moved(names: list[str], move: str) -> list[str]:
    """The names with one of them moved: `first ath`, `up ath` or `down ath`. Other moves change nothing."""
    way, _, name = move.partition(" ")
    if name not in names or way not in {"first", "up", "down"}:
        return names
    place = names.index(name)
    others = [other for other in names if other != name]
    others.insert(max({"first": 0, "up": place - 1, "down": place + 1}[way], 0), name)
    return others
