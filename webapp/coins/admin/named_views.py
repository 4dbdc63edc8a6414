"""Views of a list that people save under a name and share: `/admin/coins/fullcoin/views/<name>/`."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, re_path
from django.utils.html import format_html, format_html_join
from django.utils.text import slugify
from django.views.decorators.http import require_POST

from webapp.coins.admin.columns import ColumnsAdmin
from webapp.coins.admin.row_list import COLUMNS_VAR, VIEW_VAR, InvalidList
from webapp.coins.models import NamedView

NOT_KEPT = ("p", "e", "all", "_popup", "_to_field", VIEW_VAR)  # parameters of the moment
MAX_QUERY = 5_000  # characters
# No view has such an address: it is a page of the row with the key `views`.
PAGES_OF_A_ROW = ("change", "delete", "history", "review")
SLUG = rf"(?!(?:{'|'.join(PAGES_OF_A_ROW)})/)(?P<slug>[-\w]+)"
MAX_NAME = 100  # characters


class ViewForm(forms.Form):
    """The name of a view. `slug` is its part of an address."""

    # The form counts the characters. With a limit of the field, browsers would cut what is pasted.
    name = forms.CharField(
        error_messages={"required": "A view needs a name."}, widget=forms.TextInput({"class": "vTextField"})
    )
    query = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)
    slug = ""

    def clean_name(self) -> str:
        name = " ".join(self.cleaned_data["name"].split())
        self.slug = slugify(name, allow_unicode=True)[:MAX_NAME]
        if len(name) > MAX_NAME:
            raise ValidationError(f"A name has at most {MAX_NAME} characters, and this one has {len(name):,}.")
        if not self.slug:
            raise ValidationError("A view needs a name with letters or digits.")
        if self.slug in PAGES_OF_A_ROW:
            raise ValidationError(f"A view cannot have the name {name}: choose another.")
        return name


class NamedViewsAdmin(ColumnsAdmin):
    """Everybody who may view the list may use its views. Saving one needs `coins.add_namedview`.

    The maker of a view may update and delete it, and so may who has `coins.change_namedview` or
    `coins.delete_namedview`. The list's address keeps which view was opened, so that this can be updated.
    """

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, self.view_name
        return [
            path("views/", view(require_POST(self.save_named)), name=name("views")),
            re_path(rf"^views/{SLUG}/$", view(self.open_named), name=name("view")),
            path("views/<str:slug>/update/", view(require_POST(self.update_named)), name=name("view_update")),
            path("views/<str:slug>/delete/", view(require_POST(self.delete_named)), name=name("view_delete")),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        current, opened = self.query_of(request, request.GET), request.GET.get(VIEW_VAR)
        views = []
        for view in NamedView.objects.filter(list=self.opts.label_lower):
            is_current = self.query_of(request, self.parts(request, view)[0]) == current
            views.append(
                {
                    "name": view.name,
                    "address": self.view_address("view", view.slug),
                    "is_current": is_current,
                    "is_changed": not is_current and view.slug == opened,
                    "shared": request.build_absolute_uri(self.view_address("view", view.slug)),
                    "update": self.view_address("view_update", view.slug) if self.may(request, "change", view) else "",
                    "delete": self.view_address("view_delete", view.slug) if self.may(request, "delete", view) else "",
                }
            )
        context = {
            "views": views,
            "save_view": self.view_address("views") if self.may_save(request) else "",
            "query": request.META["QUERY_STRING"],
            "choose_columns": self.view_address("columns"),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def may_save(self, request: HttpRequest) -> bool:
        return request.user.has_perm("coins.add_namedview")

    def may(self, request: HttpRequest, what: str, view: NamedView) -> bool:
        """Whether the person may `change` or `delete` the view."""
        return view.made_by_id == request.user.pk or request.user.has_perm(f"coins.{what}_namedview")

    def query_of(self, request: HttpRequest, parameters: QueryDict) -> str:
        """What is saved of a list's address: all that decides about rows, order and columns."""
        kept = parameters.copy()
        for name in NOT_KEPT:
            kept.pop(name, None)
        kept[COLUMNS_VAR] = ",".join(self.names_shown(request, parameters))
        return QueryDict.urlencode(kept)

    def open_named(self, request: HttpRequest, slug: str) -> HttpResponse:
        """The list. A filter that it does not have any more is left out, and named in a message."""
        view = get_object_or_404(NamedView, list=self.opts.label_lower, slug=slug)
        known, unknown = self.parts(request, view)
        if unknown:
            names = format_html_join(", ", "<bdi>{}</bdi>", ((name[:100],) for name in unknown))
            words = (
                "The view <bdi>{}</bdi> was saved with a filter that the list does not have any more ({}). The list is "
                "not filtered by it. Delete the view, or save it again under another name."
            )
            self.message_user(request, format_html(words, view.name, names), messages.WARNING)
        known[VIEW_VAR] = slug
        return redirect(f"{self.view_address('changelist')}?{known.urlencode()}")

    def parts(self, request: HttpRequest, view: NamedView) -> tuple[QueryDict, list[str]]:
        """The parameters of a view that the list has, and the names of the others."""
        known = QueryDict(view.query, mutable=True)
        unknown = self.unknown_parameters(request, known)
        for name in unknown:
            del known[name]
        return known, unknown

    def save_named(self, request: HttpRequest) -> HttpResponse:
        """Save it and open it, or show what is wrong with what was typed."""
        if not (self.may_save(request) and self.has_view_permission(request)):
            raise PermissionDenied
        form = ViewForm(request.POST)
        if form.is_valid() and self._save(request, form):
            address = self.view_address("view", form.slug)
            shared = request.build_absolute_uri(address)
            words = 'The view <bdi>{}</bdi> is saved. Its address for others: <a href="{}">{}</a>'
            told = format_html(words, form.cleaned_data["name"], shared, shared)
            self.message_user(request, told, messages.SUCCESS)
            return redirect(address)
        query = QueryDict(request.POST.get("query", ""), mutable=True)
        for name in self.unknown_parameters(request, query):
            del query[name]
        context = {
            **self.admin_site.each_context(request),
            "title": f"Save a view of {self.opts.verbose_name_plural}",
            "opts": self.opts,
            "form": form,
            "back": f"{self.view_address('changelist')}?{query.urlencode()}",
        }
        return TemplateResponse(request, "admin/save_view.html", context, status=400)

    def _save(self, request: HttpRequest, form: ViewForm) -> bool:
        """Whether it is saved. If not, the form says why."""
        own = {"list": self.opts.label_lower, "slug": form.slug}
        try:
            query = self._query_to_save(request, form.cleaned_data["query"])
            with transaction.atomic():
                NamedView.objects.create(**own, name=form.cleaned_data["name"], query=query, made_by_id=request.user.pk)
        except InvalidList as error:
            form.add_error(None, [*error.reasons])
        except IntegrityError:
            other = NamedView.objects.filter(**own).values_list("name", flat=True).first()
            form.add_error("name", f"There is a view with the name {other} already: choose another.")
        return form.is_valid()

    def _query_to_save(self, request: HttpRequest, sent: str) -> str:
        """Raises InvalidList if it is none of this list."""
        query = self.query_of(request, QueryDict(sent))
        self.list_of(request, QueryDict(query))
        if len(query) > MAX_QUERY or "%00" in query:
            raise InvalidList([f"The list's address has more than {MAX_QUERY:,} characters, or a NUL character."])
        return query

    def update_named(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Keep under the view's name how the list is now. InvalidList is answered with 400."""
        view = self._view_to(request, "change", slug)
        query = self._query_to_save(request, request.POST.get("query", ""))
        NamedView.objects.filter(pk=view.pk).update(query=query)
        self.message_user(request, f"The view {view.name} is updated.", messages.SUCCESS)
        return redirect(self.view_address("view", slug))

    def _view_to(self, request: HttpRequest, what: str, slug: str) -> NamedView:
        view = get_object_or_404(NamedView, list=self.opts.label_lower, slug=slug)
        if not (self.may(request, what, view) and self.has_view_permission(request)):
            raise PermissionDenied
        return view

    def delete_named(self, request: HttpRequest, slug: str) -> HttpResponse:
        view = self._view_to(request, "delete", slug)
        view.delete()
        self.message_user(request, f"The view {view.name} is deleted.", messages.SUCCESS)
        return redirect(self.view_address("changelist"))
