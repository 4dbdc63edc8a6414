"""The admin of crawl runs: read them, and stop them."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db import models
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.text import Truncator

from webapp.coins import clock
from webapp.coins.admin.exporting import ExportAdmin
from webapp.coins.admin.formats import (
    address_of,
    address_of_list,
    column,
    counts,
    duration,
    in_words,
    mark,
    number,
    second,
)
from webapp.coins.admin.model_admin import ReadOnlyAdmin
from webapp.coins.numbers import NOTHING, exact
from webapp.crawls import past_runs, queue
from webapp.crawls.admin import nodes
from webapp.crawls.admin.buttons import ButtonAdmin, Pressed
from webapp.crawls.admin.run_beside import beside
from webapp.crawls.admin.run_list import (
    RunList,
    RunPaginator,
    ScheduleFilter,
    SpiderFilter,
    StartedFilter,
    VerdictFilter,
)
from webapp.crawls.admin.run_log import log
from webapp.crawls.admin.run_progress import Progress
from webapp.crawls.catalog import SPIDERS
from webapp.crawls.exports import RUNS
from webapp.crawls.models import CrawlRun, RejectedRecord
from webapp.crawls.models.run import RECORDS
from webapp.crawls.queue import JobError
from webapp.crawls.source_age import span
from webapp.crawls.verdict import Verdict

BUTTONS = {Verdict.PENDING.value: "Cancel", Verdict.RUNNING.value: "Stop"}  # by the run's verdict
SOON = "at its next heartbeat, within 15 s"


@admin.register(CrawlRun)
class CrawlRunAdmin(ExportAdmin, ButtonAdmin, ReadOnlyAdmin):
    exported = RUNS
    shown_by = {"started": ("started_at",), "duration": ("finished_at",)}
    REQUESTS = ("pages", "requests", "credits", "retries", "throttled")

    list_display = (
        column("verdict", mark),
        "spider",
        column("arguments", lambda arguments: Truncator(in_words(arguments)).chars(40)),
        "schedule",
        "started",
        "duration",
        *map(number, ("pages", *RECORDS)),
    )
    list_filter = (VerdictFilter, SpiderFilter, ScheduleFilter, StartedFilter)
    ordering = (F("began_at").desc(),)
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count all runs
    change_list_template = "admin/crawls/crawlrun/change_list.html"
    change_form_template = "admin/crawls/crawlrun/change_form.html"
    elsewhere = ("verdict", "reason")
    groups = (
        (None, ("messages", "spider", "arguments", "schedule", "slot", "due_again")),
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
        "arguments": in_words,
        "filled": counts,
        "rounded": counts,
        "log_tail": log,
        "settings": lambda settings: in_words(settings) if settings else NOTHING,
    }
    verbs: ClassVar = {"stop": "stop"}

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        """Without the logs: a list of them can be megabytes."""
        return super().get_queryset(request).defer("log_tail")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RunList

    def get_paginator(self, request: HttpRequest, queryset: models.QuerySet, *args: Any, **kwargs: Any) -> Paginator:
        """Of the list; Django pages the history of a run by it, too."""
        kind = RunPaginator if queryset.model is CrawlRun else Paginator
        return kind(queryset, *args, **kwargs)

    @admin.display(ordering="began_at", description="started (UTC)")
    def started(self, run: CrawlRun) -> str:
        return second(run.started_at)

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
        address = address_of_list(RejectedRecord, run=run.pk, status="All")
        return format_html(
            '<a href="{}">{} last seen by this run</a>, {} of them open', address, exact(number), exact(still_open)
        )

    # What its page shows at the top --------------------------------------------------------------
    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        run = context["original"]
        before = past_runs.complete_before(run)
        is_under_way = run.verdict in BUTTONS
        context |= {
            "run": run,
            "verdict": mark(run.verdict),
            "progress": Progress(run, before, clock.database_clock()) if is_under_way else None,
            "beside": beside(run, before),
            "others": _lists_with(run),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    # Stopping it --------------------------------------------------------------------------------
    def labels(self, row: CrawlRun) -> dict[str, str]:
        return {"stop": BUTTONS[row.verdict]} if row.verdict in BUTTONS and not row.stop_requested_at else {}

    def notes(self, run: CrawlRun) -> list[str]:
        notes = []
        if run.verdict in BUTTONS and run.stop_requested_at:
            notes.append(f"A stop was requested at {second(run.stop_requested_at)} UTC: the run ends {SOON}.")
        if run.verdict == Verdict.PENDING and (warning := nodes.warning()):
            notes.append(warning)
        return notes

    def press(self, verb: str, row: CrawlRun) -> Pressed:
        if row.verdict in BUTTONS and row.stop_requested_at:
            raise JobError(f"A stop was requested already, at {second(row.stop_requested_at)} UTC.")
        verdict = queue.stop(row.pk)
        if not verdict:
            raise JobError("The run has been deleted.")
        row.refresh_from_db()
        if verdict not in BUTTONS:
            raise JobError(f"The run is over: {verdict}, since {second(row.finished_at)} UTC.")
        if row.verdict == Verdict.SKIPPED:
            return Pressed("The job was removed from the queue.", "Cancelled, before it had begun.")
        if verdict == Verdict.PENDING:
            told = "The crawl is just beginning: it ends before its first request, or soon after."
        else:
            told = f"It ends {SOON}, as interrupted; what it has seen by then is stored."
        return Pressed(told, "Asked to stop.")


def _lists_with(run: CrawlRun) -> list[tuple[str, str]]:
    """The names and addresses of the lists that it is in."""
    lists = []
    if run.schedule:
        lists.append((run.schedule.name, address_of_list(CrawlRun, schedule=run.schedule.name)))
    if run.spider in SPIDERS:
        lists.append((run.spider, address_of_list(CrawlRun, spider=run.spider)))
    return lists


def began(run: CrawlRun) -> str:
    """When it began, or was to begin."""
    return second(run.started_at or run.slot or run.queued_at)


def mark_alone(run: CrawlRun) -> str:
    """A mark that links to the run, with words for a pointer and for screen readers."""
    words = f"{run.verdict}, {began(run)} UTC"
    return format_html(
        '<a class="verdict {0}" href="{1}" title="{2}" aria-label="{2}"></a>', run.verdict, address_of(run), words
    )
