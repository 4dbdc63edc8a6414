"""The admin of nodes: the scrapyds that share the queue, and whether they are alive."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.html import format_html

from webapp.coins.admin.formats import address_of_list, ago, column, number
from webapp.coins.admin.model_admin import ReadOnlyAdmin
from webapp.crawls.models import Node

IS_ALIVE = Q(heartbeat_at__gte=Now() - timedelta(minutes=1))  # there is a heartbeat every 15 s


def warning() -> str:
    """That nothing will run, if no node is alive; else empty."""
    if Node.objects.filter(IS_ALIVE).exists():
        return ""
    return format_html(
        'No scrapyd is alive: nothing will run until one is started. <a href="{}">Nodes</a> lists the earlier ones.',
        address_of_list(Node),
    )


@admin.register(Node)
class NodeAdmin(ReadOnlyAdmin):
    change_form_template = "admin/without_history.html"
    list_display = ("name", "alive", column("heartbeat_at", ago, "last heartbeat"), number("capacity"))
    ordering = ("name",)
    groups = ((None, ("name", "alive", "heartbeat_at", "capacity")),)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).annotate(is_alive=ExpressionWrapper(IS_ALIVE, BooleanField()))

    @admin.display(boolean=True)
    def alive(self, node: Any) -> bool:
        return bool(node.is_alive)
