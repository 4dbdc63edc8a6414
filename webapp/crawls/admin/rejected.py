"""The admin of rejected records: why they could not be stored, try them again, ignore them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from webapp.coins import clock
from webapp.coins.admin.formats import Column, ago, column, link, number
from webapp.coins.admin.model_admin import ReadOnlyAdmin
from webapp.coins.admin.row_list import RowList
from webapp.coins.models import FullCoin
from webapp.crawls import retrying
from webapp.crawls.admin import rejected_comparison
from webapp.crawls.admin.buttons import Pressed
from webapp.crawls.admin.rejected_filters import IgnoredFilter, ReasonFilter, RunFilter, StatusFilter
from webapp.crawls.admin.rejected_many import undo_address
from webapp.crawls.admin.rejected_next import NextRecordAdmin
from webapp.crawls.admin.rejected_tally import recorded
from webapp.crawls.admin.rejected_undo import UndoAdmin
from webapp.crawls.exports import REJECTED
from webapp.crawls.models import RejectedRecord
from webapp.crawls.retrying import Outcome

Status = RejectedRecord.Status


class RecordList(RowList):
    """Reads the names of the coins of a page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        labels = {record.coin_id for record in self.result_list}
        names: Mapping[str, str] = dict(FullCoin.objects.filter(pk__in=labels).values_list("pk", "name"))
        for record in self.result_list:
            vars(record)["name"] = names.get(record.coin_id)


@admin.register(RejectedRecord)
class RejectedRecordAdmin(NextRecordAdmin, UndoAdmin, ReadOnlyAdmin):
    exported = REJECTED
    shown_by = {"last_run": ("run",)}
    REASONS_SHOWN = 3

    list_display = (
        "coin",
        "status",
        "first_reasons",
        number("count"),
        "page",
        column("last_seen_at", ago, "last seen"),
        "last_run",
    )
    list_filter = (StatusFilter, RunFilter, ReasonFilter, IgnoredFilter)
    list_select_related = ("run",)
    search_fields = ("coin_id", "reasons")
    search_help_text = "Part of a coin's id or of a reason, among the records of the chosen status."
    ordering = ("-last_seen_at",)
    change_list_template = "admin/crawls/rejectedrecord/change_list.html"
    actions = ("retry", "ignore", "reopen")  # type: ignore[assignment]  # other read-only lists have none
    groups = (
        (None, ("coin_id", "status", "reasons", "side_by_side", "raw")),
        ("Where and when", ("page", "run", "count", "first_seen_at", "last_seen_at", "ignored_at")),
    )
    elsewhere = ("values",)  # side by side with the stored ones
    hidden = ("fingerprint",)
    verbs: ClassVar = dict.fromkeys(("retry", "ignore", "reopen"), "resolve")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RecordList

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        """Without the raw records: a list of them can be 6 MB."""
        return super().get_queryset(request).defer("raw", "values", "run__log_tail")

    def line(self, name: str) -> str | Column:
        own: dict[str, Column] = {
            "coin_id": rejected_comparison.coin_id,
            "side_by_side": rejected_comparison.side_by_side,
            "raw": rejected_comparison.raw,
        }
        return own.get(name) or super().line(name)

    @admin.display(ordering="coin_id")
    def coin(self, record: RejectedRecord) -> str:
        """The id, and the name of the coin if it is stored."""
        name = (vars(record).get("name") or "").strip()
        shown = record.coin_id or "(no id)"
        return format_html('<bdi>{}</bdi> <bdi class="quiet">{}</bdi>', shown, name) if name else shown

    @admin.display(ordering="reasons", description="reasons")
    def first_reasons(self, record: RejectedRecord) -> str:
        reasons = record.reasons.splitlines()
        more = len(reasons) - self.REASONS_SHOWN
        lines = [*reasons[: self.REASONS_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        return format_html_join(mark_safe("<br>"), "{}", ((line,) for line in lines))

    @admin.display(ordering="run__started_at")
    def last_run(self, record: RejectedRecord) -> str:
        return link(record.run, ago(record.run.started_at))

    # One record ---------------------------------------------------------------------------------
    def has_resolve_permission(self, request: HttpRequest) -> bool:
        return self.has_permission_to("resolve", request)

    def labels(self, row: RejectedRecord) -> dict[str, str]:
        if row.status == Status.OPEN:
            return {"retry": "Try again", "ignore": "Ignore"} if row.values else {"ignore": "Ignore"}
        return {"reopen": "Open again"} if row.status == Status.IGNORED else {}

    def press(self, verb: str, row: RejectedRecord) -> Pressed:
        if verb == "retry":
            tried = retrying.retry([row.pk])[row.pk]
            levels = {Outcome.NOT_TRIED: messages.ERROR, Outcome.REJECTED: messages.WARNING}
            level = levels.get(tried.outcome, messages.SUCCESS)
            return Pressed(tried.told, recorded(tried), level, is_done=tried.is_resolved)
        own = RejectedRecord.objects.filter(pk=row.pk)
        if verb == "ignore":
            at = clock.database_clock()
            if own.ignore(at):
                told = "It is ignored, also when it comes again."
                return Pressed(told, "Ignored.", is_done=True, undo=undo_address(at))
            return Pressed("It is not open any more.", "", messages.ERROR)
        if own.reopen():
            return Pressed("It is open again.", "Opened again.")
        return Pressed("It is not ignored any more.", "", messages.ERROR)
