"""Tokens of the read API. Users with permission add and delete them. A key is shown once, after it is made.

A key is as secret as a password, so no list, page, log entry or URL shows it.
"""

from typing import Any

import rest_framework.authtoken.admin  # noqa: F401 - registers an admin that shows keys; replaced below
from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from rest_framework.authtoken.models import Token, TokenProxy

from webapp.coins.admin.formats import column, instant, link, second
from webapp.coins.admin.model_admin import ReadOnlyAdmin

apps.get_app_config("authtoken").verbose_name = "Read API"
# The name of a token in messages, log entries and on pages that delete it or its user. Without this it is the key.
Token.add_to_class("__str__", lambda token: str(token.user))
admin.site.unregister(TokenProxy)


@admin.register(TokenProxy)
class TokenAdmin(ReadOnlyAdmin):
    list_display = ("of_user", column("created", second, "created (UTC)"))
    list_display_links = None  # their URLs would have the key
    list_select_related = ("user",)
    search_fields = ("user__username",)
    search_help_text = "Part of a user's name."
    ordering = ("user__username",)

    @admin.display(ordering="user__username", description="user")
    def of_user(self, token: TokenProxy) -> str:
        return link(token, str(token.user))

    # Django's own permissions, instead of ReadOnlyAdmin's
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super(ReadOnlyAdmin, self).has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super(ReadOnlyAdmin, self).has_delete_permission(request, obj)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> TokenProxy | None:
        """The token of a user: URLs have the user's id, not the key."""
        try:
            users = User.objects.filter(pk=object_id)
        except ValueError:  # not a number, or one with too many digits for Python
            return None
        return self.get_queryset(request).filter(user__in=users).first()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": ("user", column("created", instant)) if obj else ("user",)})]

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey, request: HttpRequest, **options: Any
    ) -> forms.ModelChoiceField | None:
        """Users who can use a token and have none."""
        options["queryset"] = User.objects.filter(is_active=True, auth_token=None).order_by("username")
        options["help_text"] = "An active user without a token. The user needs no password and no permission."
        return super().formfield_for_foreignkey(db_field, request, **options)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        only_save = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, only_save | (extra_context or {}))

    def response_add(self, request: HttpRequest, obj: TokenProxy, post_url_continue: str | None = None) -> HttpResponse:
        shown = format_html(
            "The token of {} is <code>{}</code>. Copy it now: it is not shown again. Requests send it in the header "
            "<code>Authorization: Token …</code>, a mirror has it in its .env as <code>API_TOKEN</code>.",
            obj,
            obj.key,
        )
        self.message_user(request, shown, messages.SUCCESS)
        return self.response_post_save_add(request, obj)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        """Redirects to the list. Django does so only for users who may change tokens."""
        super().response_delete(request, obj_display, obj_id)
        return self.response_post_save_add(request, None)
