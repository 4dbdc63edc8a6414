"""The filters of the list of rejected records."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.db.models import Count, Q
from django.http import HttpRequest

from webapp.coins.admin.filters import Fault, RowFilter, TableFilter
from webapp.coins.admin.time_filter import TimeFilter
from webapp.crawls.models import RejectedRecord
from webapp.crawls.reasons import can_be, having

ALL = "All"

Status = RejectedRecord.Status


class StatusFilter(TableFilter):
    """Open ones by default: they are what is left to do. Each choice has the number of records in the table."""

    title = parameter_name = "status"
    conditions = {**{status.label: Q(status=status) for status in Status}, ALL: Q()}

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        counts = dict(RejectedRecord.objects.order_by().values_list("status").annotate(Count("pk")))
        numbers = {status.label: counts.get(status, 0) for status in Status} | {ALL: sum(counts.values())}
        return [(choice, f"{choice} ({numbers[choice]:,})") for choice in self.conditions]

    def value(self) -> str:
        return super().value() or Status.OPEN.label

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for choice, words in self.lookup_choices:
            query = changelist.get_query_string({self.parameter_name: choice})
            yield {"selected": self.value() == choice, "query_string": query, "display": words}


class LinkedFilter(RowFilter):
    """One that other pages link to: there are too many to choose from."""

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        chosen = self.value()
        return [(chosen, chosen)] if chosen else []


class RunFilter(LinkedFilter):
    title = parameter_name = "run"

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        return queryset.filter(run=self.value()) if self.value() else queryset


class ReasonFilter(LinkedFilter):
    title = parameter_name = "reason"

    @property
    def faults(self) -> list[Fault]:
        reason = self.value()
        return [self.fault("No reason is so long, or longer than a line.")] if reason and not can_be(reason) else []

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        reason = self.value()
        return having(reason, queryset) if reason and can_be(reason) else queryset


class IgnoredFilter(TimeFilter):
    """When a record was ignored. It is offered where ignored records are listed."""

    title, name, column = "time of ignoring", "ignored_at", "ignored_at"

    def called(self, field: str) -> str:
        return "ignored"

    def has_output(self) -> bool:
        return bool(self.texts) or self.request.GET.get(StatusFilter.parameter_name) == Status.IGNORED.label
