"""A button on the page of a row, for something that people do with it."""

from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from webapp.coins.admin.formats import address_of
from webapp.coins.admin.model_admin import RowAdmin
from webapp.crawls.queue import JobError


class ButtonAdmin(RowAdmin):
    """The button has a permission of its own, works by POST only, and is recorded in the row's history."""

    change_form_template = "admin/page_with_button.html"
    verb: ClassVar[str]  # in the address and in the permission

    def label(self, row: Any) -> str:
        """What the button says; empty if there is none."""
        raise NotImplementedError

    def press(self, row: Any) -> tuple[str, str]:
        """Do it. Returns what to tell the person, and the history. Raises JobError if it cannot be done."""
        raise NotImplementedError

    def notes(self, row: Any) -> list[str]:
        """Warnings for the top of the page."""
        return []

    def may_press(self, request: HttpRequest) -> bool:
        permission = f"{self.opts.app_label}.{get_permission_codename(self.verb, self.opts)}"
        return request.user.has_perm(permission)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.button_view))
        name = f"{self.opts.app_label}_{self.opts.model_name}_{self.verb}"
        return [path(f"<path:object_id>/{self.verb}/", view, name=name), *super().get_urls()]

    def button_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Press it, and return to the row's page or to the list."""
        if not (self.may_press(request) and self.has_view_permission(request)):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]  # Django's own pages end so
        try:
            with transaction.atomic():
                told, recorded = self.press(row)
                self.log_change(request, row, recorded)
        except JobError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, told, messages.SUCCESS)
        if "in_list" in request.POST:
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        return redirect(address_of(row))

    def render_change_form(  # noqa: PLR0917 - as Django has it
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context["notes"] = self.notes(obj)
        if obj and self.may_press(request) and (label := self.label(obj)):
            context["button"] = {"label": label, "address": address_of(obj, self.verb)}
        return super().render_change_form(request, context, add, change, form_url, obj)
