"""The admin of rejected records."""

from django.contrib import admin
from django.db import models
from django.db.models import Q
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from webapp.coins.admin.exporting import ExportAdmin
from webapp.coins.admin.formats import column, indented, link, number, second
from webapp.coins.admin.model_admin import ReadOnlyAdmin, TableFilter
from webapp.crawls.exports import REJECTED
from webapp.crawls.models import RejectedRecord


class StatusFilter(TableFilter):
    title = parameter_name = "status"
    conditions = {status.label: Q(status=status) for status in RejectedRecord.Status}


class RunFilter(admin.SimpleListFilter):
    """The records of one run: runs are too many to choose from, so the run's page links here."""

    title = parameter_name = "run"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        run = self.value()
        return [(run, run)] if run else []

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        return queryset.filter(run=self.value()) if self.value() else queryset


@admin.register(RejectedRecord)
class RejectedRecordAdmin(ExportAdmin, ReadOnlyAdmin):
    exported = REJECTED
    change_form_template = "admin/without_history.html"
    REASONS_SHOWN = 3

    list_display = (
        column("coin_id", lambda coin_id: coin_id or "(no id)", "coin"),
        "first_reasons",
        "page",
        "status",
        number("count"),
        column("last_seen_at", second, "last seen (UTC)"),
        "last_run",
    )
    list_filter = (StatusFilter, RunFilter)
    list_select_related = ("run",)
    search_fields = ("coin_id", "reasons")
    search_help_text = "Part of a coin's id or of a reason."
    ordering = ("-last_seen_at",)
    groups = (
        (None, ("coin_id", "status", "reasons", "raw")),
        ("Where and when", ("page", "run", "count", "first_seen_at", "last_seen_at", "fingerprint")),
    )
    written = {"raw": indented}

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        """Without the raw records: a list of them can be 6 MB."""
        return super().get_queryset(request).defer("raw")

    @admin.display(ordering="reasons")
    def first_reasons(self, record: RejectedRecord) -> str:
        reasons = record.reasons.splitlines()
        more = len(reasons) - self.REASONS_SHOWN
        lines = [*reasons[: self.REASONS_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        return format_html_join(mark_safe("<br>"), "{}", ((line,) for line in lines))

    @admin.display(ordering="run__started_at", description="last run (UTC)")
    def last_run(self, record: RejectedRecord) -> str:
        return link(record.run, second(record.run.started_at))
