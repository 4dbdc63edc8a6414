"""The admin of crawl runs: read them, and stop them."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models import F, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.text import Truncator

from webapp.coins.admin.exporting import ExportAdmin
from webapp.coins.admin.formats import address_of, column, counts, duration, in_words, log, mark, number, second
from webapp.coins.admin.model_admin import ReadOnlyAdmin, TableFilter
from webapp.coins.numbers import NOTHING, exact
from webapp.crawls import queue
from webapp.crawls.admin import nodes
from webapp.crawls.admin.buttons import ButtonAdmin
from webapp.crawls.catalog import SPIDERS
from webapp.crawls.exports import RUNS
from webapp.crawls.models import CrawlRun, CrawlSchedule, RejectedRecord
from webapp.crawls.models.run import RECORDS
from webapp.crawls.queue import JobError
from webapp.crawls.source_age import span
from webapp.crawls.verdict import Verdict

BUTTONS = {Verdict.PENDING.value: "Cancel", Verdict.RUNNING.value: "Stop"}  # by the run's verdict
SOON = "at its next heartbeat, within 15 s"


class VerdictFilter(TableFilter):
    title = parameter_name = "verdict"
    conditions = {verdict.value: Q(verdict=verdict) for verdict in Verdict}


class SpiderFilter(TableFilter):
    title = parameter_name = "spider"
    conditions = {spider: Q(spider=spider) for spider in SPIDERS}


class ScheduleFilter(TableFilter):
    title = parameter_name = "schedule"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        names = CrawlSchedule.objects.order_by("name").values_list("name", flat=True)
        self.conditions = {"(none)": Q(schedule=None)} | {name: Q(schedule__name=name) for name in names}
        super().__init__(*args, **kwargs)


@admin.register(CrawlRun)
class CrawlRunAdmin(ExportAdmin, ButtonAdmin, ReadOnlyAdmin):
    exported = RUNS
    REQUESTS = ("pages", "requests", "credits", "retries", "throttled")

    list_display = (
        column("verdict", mark),
        "spider",
        column("arguments", lambda arguments: Truncator(in_words(arguments)).chars(40)),
        "schedule",
        column("started_at", second, "started (UTC)"),
        "duration",
        *map(number, ("pages", *RECORDS)),
    )
    list_filter = (VerdictFilter, SpiderFilter, ScheduleFilter)
    list_select_related = ("schedule",)
    ordering = (F("started_at").desc(nulls_first=True),)  # what has not started yet is the newest
    groups = (
        (None, ("verdict", "reason", "messages", "spider", "arguments", "schedule", "slot", "due_again")),
        ("Log", ("log_tail", "log_file")),
        ("Job", ("id", "node", "priority", "settings", "claim")),
        (
            "Time",
            (
                "queued_at",
                "claimed_at",
                "started_at",
                "heartbeat_at",
                "stop_requested_at",
                "finished_at",
                "duration",
                "not_before",
                "newest_change",
                "newest_update",
                "age_of_data",
            ),
        ),
        ("Requests", REQUESTS),
        ("Records", (*RECORDS, "went_back", "rounded", "filled", "rejected_records")),
    )
    written = {
        "verdict": mark,
        "arguments": in_words,
        "filled": counts,
        "rounded": counts,
        "log_tail": log,
        "settings": lambda settings: in_words(settings) if settings else NOTHING,
    }
    verb = "stop"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        """Without the logs: a list of them can be megabytes."""
        return super().get_queryset(request).defer("log_tail")

    @admin.display
    def duration(self, run: CrawlRun) -> str:
        return duration(run.duration)

    @admin.display(description="age of that at the end")
    def age_of_data(self, run: CrawlRun) -> str:
        """It shows whether the source stands still."""
        return NOTHING if run.age_of_data is None else span(run.age_of_data)

    @admin.display
    def rejected_records(self, run: CrawlRun) -> str:
        records = RejectedRecord.objects.filter(run=run)
        number, still_open = records.count(), records.open().count()
        address = reverse("admin:crawls_rejectedrecord_changelist") + "?" + urlencode({"run": run.pk})
        return format_html(
            '<a href="{}">{} last seen by this run</a>, {} of them open', address, exact(number), exact(still_open)
        )

    # Stopping it --------------------------------------------------------------------------------
    def label(self, run: CrawlRun) -> str:
        return "" if run.stop_requested_at else BUTTONS.get(run.verdict, "")

    def notes(self, run: CrawlRun) -> list[str]:
        notes = []
        if run.verdict in BUTTONS and run.stop_requested_at:
            notes.append(f"A stop was requested at {second(run.stop_requested_at)} UTC: the run ends {SOON}.")
        if run.verdict == Verdict.PENDING and (warning := nodes.warning()):
            notes.append(warning)
        return notes

    def press(self, run: CrawlRun) -> tuple[str, str]:
        if run.verdict in BUTTONS and run.stop_requested_at:
            raise JobError(f"A stop was requested already, at {second(run.stop_requested_at)} UTC.")
        verdict = queue.stop(run.pk)
        if not verdict:
            raise JobError("The run has been deleted.")
        run.refresh_from_db()
        if verdict not in BUTTONS:
            raise JobError(f"The run is over: {verdict}, since {second(run.finished_at)} UTC.")
        if run.verdict == Verdict.SKIPPED:
            return "The job was removed from the queue.", "Cancelled, before it had begun."
        if verdict == Verdict.PENDING:
            return "The crawl is just beginning: it ends before its first request, or soon after.", "Asked to stop."
        return f"It ends {SOON}, as interrupted; what it has seen by then is stored.", "Asked to stop."


def began(run: CrawlRun) -> str:
    """When it began, or was to begin."""
    return second(run.started_at or run.slot or run.queued_at)


def mark_alone(run: CrawlRun) -> str:
    """A mark that links to the run, with words for a pointer and for screen readers."""
    words = f"{run.verdict}, {began(run)} UTC"
    return format_html(
        '<a class="verdict {0}" href="{1}" title="{2}" aria-label="{2}"></a>', run.verdict, address_of(run), words
    )
