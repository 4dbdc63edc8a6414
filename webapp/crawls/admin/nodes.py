"""Nodes: the scrapyds that share the queue, and whether they beat."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from webapp.coins.admin.base import ReadOnlyAdmin
from webapp.coins.admin.writing import column, number, second
from webapp.crawls.models import Node

BEATS = Q(heartbeat_at__gte=Now() - timedelta(minutes=1))  # there is one every 15 s


def warning() -> str:
    """That nothing will run, where that is so."""
    if Node.objects.filter(BEATS).exists():
        return ""
    return format_html(
        'No scrapyd is beating: nothing will run until one is started. <a href="{}">Nodes</a> lists those there were.',
        reverse("admin:crawls_node_changelist"),
    )


@admin.register(Node)
class NodeAdmin(ReadOnlyAdmin):
    change_form_template = "admin/without_history.html"
    list_display = ("name", "beats", column("heartbeat_at", second, "last beat (UTC)"), number("capacity"))
    ordering = ("name",)
    groups = ((None, ("name", "beats", "heartbeat_at", "capacity")),)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).annotate(beats=ExpressionWrapper(BEATS, BooleanField()))

    @admin.display(boolean=True)
    def beats(self, node: Any) -> bool:
        return bool(node.beats)
