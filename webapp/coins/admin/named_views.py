"""Views of a list that people save under a name and share: `/admin/coins/fullcoin/views/<name>/`."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, re_path
from django.utils.html import format_html
from django.utils.text import slugify
from django.views.decorators.http import require_POST

from webapp.coins.admin.columns import ColumnsAdmin
from webapp.coins.admin.model_admin import COLUMNS_VAR
from webapp.coins.models import NamedView

NOT_KEPT = ("p", "e", "all", "_popup", "_to_field")  # parameters of the moment
MAX_QUERY = 5_000  # characters
# No view has such an address: it is a page of the row with the key `views`.
PAGES_OF_A_ROW = ("change", "delete", "history", "review")
SLUG = rf"(?!(?:{'|'.join(PAGES_OF_A_ROW)})/)(?P<slug>[-\w]+)"


class NamedViewsAdmin(ColumnsAdmin):
    """Everybody who may view the list may use its views. Saving one needs `coins.add_namedview`.

    The maker of a view may delete it, and whoever has `coins.delete_namedview`.
    """

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, self.view_name
        return [
            path("views/", view(require_POST(self.save_named)), name=name("views")),
            re_path(rf"^views/{SLUG}/$", view(self.open_named), name=name("view")),
            path("views/<str:slug>/delete/", view(require_POST(self.delete_named)), name=name("view_delete")),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        current = self.query_of(request, request.GET)
        views = [
            {
                "name": view.name,
                "address": self.view_address("view", view.slug),
                "is_current": view.query == current,
                "shared": request.build_absolute_uri(self.view_address("view", view.slug)),
                "delete": self.view_address("view_delete", view.slug) if self.may_delete(request, view) else "",
            }
            for view in NamedView.objects.filter(list=self.opts.label_lower)
        ]
        context = {
            "views": views,
            "save_view": self.view_address("views") if self.may_save(request) else "",
            "query": request.META["QUERY_STRING"],
            "choose_columns": self.view_address("columns"),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def may_save(self, request: HttpRequest) -> bool:
        return request.user.has_perm("coins.add_namedview")

    def may_delete(self, request: HttpRequest, view: NamedView) -> bool:
        return view.made_by_id == request.user.pk or request.user.has_perm("coins.delete_namedview")

    def query_of(self, request: HttpRequest, parameters: QueryDict) -> str:
        """What is saved of a list's address: all that decides about rows, order and columns."""
        kept = parameters.copy()
        for name in NOT_KEPT:
            kept.pop(name, None)
        kept[COLUMNS_VAR] = ",".join(self.names_shown(request, parameters))
        return QueryDict.urlencode(kept)

    def open_named(self, request: HttpRequest, slug: str) -> HttpResponse:
        view = get_object_or_404(NamedView, list=self.opts.label_lower, slug=slug)
        return redirect(f"{self.view_address('changelist')}?{view.query}")

    def save_named(self, request: HttpRequest) -> HttpResponse:
        if not (self.may_save(request) and self.has_view_permission(request)):
            raise PermissionDenied
        name = " ".join(request.POST.get("name", "").replace("\0", "").split())[:100]
        slug = slugify(name, allow_unicode=True)[:100]
        parameters = QueryDict(request.POST.get("query", "")[:MAX_QUERY])
        query = self.query_of(request, parameters)
        if not slug:
            self.message_user(request, "A view needs a name with letters or digits.", messages.ERROR)
            return redirect(f"{self.view_address('changelist')}?{parameters.urlencode()}")
        if slug in PAGES_OF_A_ROW:
            self.message_user(request, f"A view cannot have the name {name}: choose another.", messages.ERROR)
            return redirect(f"{self.view_address('changelist')}?{query}")
        try:
            with transaction.atomic():
                NamedView.objects.create(
                    list=self.opts.label_lower, slug=slug, name=name, query=query, made_by_id=request.user.pk
                )
        except IntegrityError:
            self.message_user(request, f"There is a view with the name {name} already.", messages.ERROR)
            return redirect(f"{self.view_address('changelist')}?{query}")
        address = request.build_absolute_uri(self.view_address("view", slug))
        words = format_html('The view {} is saved. Its address for others: <a href="{}">{}</a>', name, address, address)
        self.message_user(request, words, messages.SUCCESS)
        return redirect(self.view_address("view", slug))

    def delete_named(self, request: HttpRequest, slug: str) -> HttpResponse:
        view = get_object_or_404(NamedView, list=self.opts.label_lower, slug=slug)
        if not (self.may_delete(request, view) and self.has_view_permission(request)):
            raise PermissionDenied
        view.delete()
        self.message_user(request, f"The view {view.name} is deleted.", messages.SUCCESS)
        return redirect(self.view_address("changelist"))
