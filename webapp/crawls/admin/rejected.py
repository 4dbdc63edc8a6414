"""The admin of rejected records: why they could not be stored, try them again, ignore them."""

from collections.abc import Callable, Iterator
from itertools import groupby
from time import monotonic
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from webapp.coins.admin.exporting import ExportAdmin
from webapp.coins.admin.filters import RowFilter, TableFilter
from webapp.coins.admin.formats import Column, address_of_list, column, link, number, second
from webapp.coins.admin.model_admin import ReadOnlyAdmin
from webapp.coins.texts import counted
from webapp.crawls import retrying
from webapp.crawls.admin import rejected_comparison
from webapp.crawls.admin.buttons import ButtonAdmin, Pressed
from webapp.crawls.admin.rejected_tally import recorded, told_of_all
from webapp.crawls.exports import REJECTED
from webapp.crawls.models import RejectedRecord
from webapp.crawls.reasons import having, open_reasons
from webapp.crawls.retrying import Outcome, Tried

ALL = "All"
MAX_SECONDS = 15  # that an action takes; proxies and gunicorn wait for 30
REASONS_ON_PAGE = 200

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
        chosen = super().value()
        return Status.OPEN.label if chosen is None else chosen

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

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        reason = self.value()
        try:
            return having(reason, queryset) if reason else queryset
        except ValueError:
            raise IncorrectLookupParameters from None


@admin.register(RejectedRecord)
class RejectedRecordAdmin(ExportAdmin, ButtonAdmin, ReadOnlyAdmin):
    exported = REJECTED
    shown_by = {"last_run": ("run",)}
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
    list_filter = (StatusFilter, RunFilter, ReasonFilter)
    list_select_related = ("run",)
    search_fields = ("coin_id", "reasons")
    search_help_text = "Part of a coin's id or of a reason, among the records of the chosen status."
    ordering = ("-last_seen_at",)
    change_list_template = "admin/crawls/rejectedrecord/change_list.html"
    actions = ("retry", "ignore", "reopen")  # type: ignore[assignment]  # other read-only lists have none
    groups = (
        (None, ("coin_id", "status", "reasons", "values", "raw")),
        ("Where and when", ("page", "run", "count", "first_seen_at", "last_seen_at", "fingerprint")),
    )
    verbs: ClassVar = dict.fromkeys(("retry", "ignore", "reopen"), "resolve")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        """Without the raw records: a list of them can be 6 MB."""
        return super().get_queryset(request).defer("raw", "values", "run__log_tail")

    def line(self, name: str) -> str | Column:
        own: dict[str, Column] = {
            "coin_id": rejected_comparison.coin_id,
            "values": rejected_comparison.values,
            "raw": rejected_comparison.raw,
        }
        return own.get(name) or super().line(name)

    @admin.display(ordering="reasons")
    def first_reasons(self, record: RejectedRecord) -> str:
        reasons = record.reasons.splitlines()
        more = len(reasons) - self.REASONS_SHOWN
        lines = [*reasons[: self.REASONS_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        return format_html_join(mark_safe("<br>"), "{}", ((line,) for line in lines))

    @admin.display(ordering="run__started_at", description="last run (UTC)")
    def last_run(self, record: RejectedRecord) -> str:
        return link(record.run, second(record.run.started_at))

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
            words = " ".join([tried.words, *tried.reasons])
            return Pressed(words, recorded(tried), levels.get(tried.outcome, messages.SUCCESS))
        own = RejectedRecord.objects.filter(pk=row.pk)
        if verb == "ignore":
            return self._pressed(own.ignore(), "It is ignored, also when it comes again.", "Ignored.", "not open")
        return self._pressed(own.reopen(), "It is open again.", "Opened again.", "not ignored")

    @staticmethod
    def _pressed(done: int, told: str, history: str, otherwise: str) -> Pressed:
        return Pressed(told, history) if done else Pressed(f"It is {otherwise} any more.", "", messages.ERROR)

    # Many records -------------------------------------------------------------------------------
    @admin.action(description="Try selected records again", permissions=["resolve"])
    def retry(self, request: HttpRequest, queryset: QuerySet[RejectedRecord]) -> None:
        tried: list[Tried] = []

        def try_again(records: QuerySet[RejectedRecord]) -> None:
            found = retrying.retry(list(records.values_list("pk", flat=True)))
            tried.extend(found.values())
            by_history = sorted(found, key=lambda key: recorded(found[key]))
            for history, keys in groupby(by_history, key=lambda key: recorded(found[key])):
                if history:
                    self._record(request, RejectedRecord.objects.filter(pk__in=list(keys)), history)

        left = self._in_parts(queryset, Status.OPEN, retrying.AT_ONCE, try_again)
        self.message_user(request, *told_of_all(tried, left))

    @admin.action(description="Ignore selected records", permissions=["resolve"])
    def ignore(self, request: HttpRequest, queryset: QuerySet[RejectedRecord]) -> None:
        self._change(request, queryset, Status.OPEN, Status.IGNORED, "Ignored.")

    @admin.action(description="Open selected records again", permissions=["resolve"])
    def reopen(self, request: HttpRequest, queryset: QuerySet[RejectedRecord]) -> None:
        self._change(request, queryset, Status.IGNORED, Status.OPEN, "Opened again.")

    def _change(
        self, request: HttpRequest, queryset: QuerySet[RejectedRecord], before: Status, after: Status, history: str
    ) -> None:
        changed = 0

        def change(records: QuerySet[RejectedRecord]) -> None:
            nonlocal changed
            # Locked in the order in which a crawl locks them.
            locked = records.filter(status=before).order_by("fingerprint").select_for_update()
            keys = list(locked.values_list("pk", flat=True))
            own = RejectedRecord.objects.filter(pk__in=keys)
            changed += own.update(status=after)
            self._record(request, own, history)

        left = self._in_parts(queryset, before, 500, change)
        told = f"{counted(changed, 'record')} {'is' if changed == 1 else 'are'} now {after.label.lower()}."
        if left:
            told += f" {left:,} are left: do it again."
        self.message_user(request, told, messages.SUCCESS if changed else messages.WARNING)

    def _in_parts(
        self,
        queryset: QuerySet[RejectedRecord],
        status: Status,
        size: int,
        do: Callable[[QuerySet[RejectedRecord]], None],
    ) -> int:
        """Do it to those with this status, `size` in a transaction. Returns how many are left after MAX_SECONDS."""
        keys = list(queryset.filter(status=status).values_list("pk", flat=True))
        until = monotonic() + MAX_SECONDS
        for start in range(0, len(keys), size):
            if monotonic() > until:
                return len(keys) - start
            with transaction.atomic():
                do(RejectedRecord.objects.filter(pk__in=keys[start : start + size]))
        return 0

    def _record(self, request: HttpRequest, records: QuerySet[RejectedRecord], history: str) -> None:
        found = records.defer("raw", "values")
        LogEntry.objects.log_actions(cast(int, request.user.pk), found, CHANGE, change_message=history)

    # By reason ----------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_safe(self.reasons_view))
        return [path("reasons/", view, name=self.view_name("reasons")), *super().get_urls()]

    def reasons_view(self, request: HttpRequest) -> HttpResponse:
        """The reasons of open records, with links to these records."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = open_reasons()
        context = {
            **self.admin_site.each_context(request),
            "title": "Reasons of open rejected records",
            "opts": self.opts,
            "may_resolve": self.has_resolve_permission(request),
            "reasons": [(one, address_of_list(RejectedRecord, reason=one.text)) for one in found[:REASONS_ON_PAGE]],
            "more": len(found) - REASONS_ON_PAGE,
        }
        return TemplateResponse(request, "admin/crawls/rejectedrecord/reasons.html", context)
