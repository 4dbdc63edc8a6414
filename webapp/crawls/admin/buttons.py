"""Buttons on the page of a row, for what people do with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from webapp.coins.admin.formats import address_of
from webapp.coins.admin.keys import unquote
from webapp.coins.admin.model_admin import RowAdmin
from webapp.crawls.queue import JobError


@dataclass(frozen=True)
class Pressed:
    """What to tell the person, and what to write into the row's history: nothing if it is empty."""

    told: str
    recorded: str
    level: int = messages.SUCCESS
    is_done: bool = False  # whether the person has nothing more to do with the row
    undo: str = ""  # the address of a page that undoes it


@dataclass(frozen=True)
class Button:
    label: str
    address: str  # to which it posts


class ButtonAdmin(RowAdmin):
    """Buttons have permissions of their own, work by POST only, and are recorded in the row's history."""

    change_form_template = "admin/page_with_button.html"
    verbs: ClassVar[Mapping[str, str]]  # of the buttons, as in their addresses: the verb in the permission for each

    def labels(self, row: Any) -> dict[str, str]:
        """By verb, what the button says. A row has only these buttons."""
        raise NotImplementedError

    def press(self, verb: str, row: Any) -> Pressed:
        """Do it. Raises JobError if it cannot be done. The row may have changed since its page was loaded."""
        raise NotImplementedError

    def notes(self, row: Any) -> list[str]:
        """Warnings for the top of the page."""
        return []

    def buttons(self, request: HttpRequest, row: Any) -> list[Button]:
        """Those that this person may press."""
        return [
            Button(label, self.with_list(request, address_of(row, verb)))
            for verb, label in self.labels(row).items()
            if self.may_press(request, verb)
        ]

    def may_press(self, request: HttpRequest, verb: str) -> bool:
        return self.has_permission_to(self.verbs[verb], request)

    def has_permission_to(self, permission: str, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.{get_permission_codename(permission, self.opts)}")

    def get_urls(self) -> list[URLPattern]:
        own = []
        for verb in self.verbs:
            view = self.admin_site.admin_view(require_POST(partial(self.button_view, verb=verb)))
            own.append(path(f"<path:object_id>/{verb}/", view, name=self.view_name(verb)))
        return [*own, *super().get_urls()]

    def button_view(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
        """Press it, and leave."""
        if not (self.may_press(request, verb) and self.has_view_permission(request)):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]  # Django's own pages end so
        try:
            with transaction.atomic():
                pressed = self.press(verb, row)
                if pressed.recorded:
                    self.log_change(request, row, pressed.recorded)
        except JobError as error:
            pressed = Pressed(str(error), "", messages.ERROR)
        return self.leave(request, row, pressed)

    def leave(self, request: HttpRequest, row: Any, pressed: Pressed) -> HttpResponse:
        """Tell the person, and return to the row's page or to the list."""
        self.message_user(request, pressed.told, pressed.level)
        if "in_list" in request.POST:
            return redirect(self.view_address("changelist"))
        return redirect(self.with_list(request, address_of(row)))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row: Any = context.get("original")  # none on the page that adds one
        context["notes"] = self.notes(row)
        context["buttons"] = self.buttons(request, row) if row else []
        return super().render_change_form(request, context, *args, **kwargs)
