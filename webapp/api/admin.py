"""Tokens of the read API: whoever may adds and deletes them, and a key is shown once, to whom it was made for.

A key is as good as a password, so it stands in no list, page, log entry or address.
"""

from typing import Any

import rest_framework.authtoken.admin  # noqa: F401 - registers an admin that shows the keys, to be replaced here
from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from rest_framework.authtoken.models import Token, TokenProxy

from webapp.coins.admin.base import ReadOnlyAdmin
from webapp.coins.admin.writing import column, instant, link, second

apps.get_app_config("authtoken").verbose_name = "Read API"
# What messages, log entries, and the pages that delete a token or its user call it; it was the key itself.
Token.add_to_class("__str__", lambda token: str(token.user))
admin.site.unregister(TokenProxy)


@admin.register(TokenProxy)
class TokenAdmin(ReadOnlyAdmin):
    list_display = ("of_user", column("created", second, "created (UTC)"))
    list_display_links = None  # they would carry the key
    list_select_related = ("user",)
    search_fields = ("user__username",)
    search_help_text = "Part of a user's name."
    ordering = ("user__username",)

    @admin.display(ordering="user__username", description="user")
    def of_user(self, token: TokenProxy) -> str:
        return link(token, str(token.user))

    # Django's own permissions, which ReadOnlyAdmin passes over
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super(ReadOnlyAdmin, self).has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super(ReadOnlyAdmin, self).has_delete_permission(request, obj)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> TokenProxy | None:
        """By the user's id, which is what addresses have of a token."""
        try:
            users = User.objects.filter(pk=object_id)
        except ValueError:  # no number, or one of more digits than Python reads
            return None
        return self.get_queryset(request).filter(user__in=users).first()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": ("user", column("created", instant)) if obj else ("user",)})]

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey, request: HttpRequest, **options: Any
    ) -> forms.ModelChoiceField | None:
        """Those who can use a token and have none."""
        options["queryset"] = User.objects.filter(is_active=True, auth_token=None).order_by("username")
        options["help_text"] = "An active user without a token, who needs neither a password nor any permission."
        return super().formfield_for_foreignkey(db_field, request, **options)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict | None = None) -> HttpResponse:
        only_save = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, only_save | (extra_context or {}))

    def response_add(self, request: HttpRequest, obj: TokenProxy, post_url_continue: str | None = None) -> HttpResponse:
        shown = format_html(
            "The token of {}, shown this once: <code>{}</code>. Requests send it in the header "
            "<code>Authorization: Token …</code>, a mirror has it in its .env as <code>API_TOKEN</code>.",
            obj,
            obj.key,
        )
        self.message_user(request, shown, messages.SUCCESS)
        return self.response_post_save_add(request, obj)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        """Back to the list; Django leads there only those who may change something."""
        super().response_delete(request, obj_display, obj_id)
        return self.response_post_save_add(request, None)
