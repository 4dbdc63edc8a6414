"""The admin of crawl runs: read them, and stop them."""

from collections.abc import Iterable
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db import models
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join

from webapp.coins.admin.exporting import ExportAdmin
from webapp.coins.admin.formats import (
    address_of,
    address_of_list,
    counts,
    in_words,
    mark,
    number,
    second,
)
from webapp.coins.admin.model_admin import ReadOnlyAdmin
from webapp.coins.numbers import NOTHING, exact
from webapp.crawls import past_runs, queue
from webapp.crawls.admin import nodes
from webapp.crawls.admin.buttons import Button, ButtonAdmin, Pressed
from webapp.crawls.admin.run_beside import beside
from webapp.crawls.admin.run_columns import number_duration, reason, started, verdict, what
from webapp.crawls.admin.run_list import (
    RunList,
    RunPaginator,
    ScheduleFilter,
    SpiderFilter,
    StartedFilter,
    VerdictFilter,
)
from webapp.crawls.admin.run_log import log
from webapp.crawls.admin.run_progress import Progress, moment_of
from webapp.crawls.catalog import SPIDERS
from webapp.crawls.exports import RUNS
from webapp.crawls.models import CrawlRun, CrawlSchedule, RejectedRecord
from webapp.crawls.models.run import RECORDS
from webapp.crawls.queue import JobError
from webapp.crawls.source_age import span
from webapp.crawls.verdict import Verdict

BUTTONS = {Verdict.PENDING.value: "Cancel", Verdict.RUNNING.value: "Stop"}  # by the run's verdict
MARK_LOST = "Mark as lost"
SOON = "at its next heartbeat, within 15 s"
WENT_WRONG = (Verdict.FAILED, Verdict.LOST, Verdict.PARTIAL, Verdict.INTERRUPTED)


def yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


@admin.register(CrawlRun)
class CrawlRunAdmin(ExportAdmin, ButtonAdmin, ReadOnlyAdmin):
    exported = RUNS
    shown_by = {"started": ("started_at",), "number_duration": ("finished_at",), "what": ("arguments",)}
    REQUESTS = ("pages", "requests", "credits", "retries", "throttled")

    list_display = (
        verdict,
        started,
        number_duration,
        number("seen"),
        number("rejected"),
        number("created", "new"),
        number("updated"),
        number("missing"),
        reason,
        "schedule",
        what,
    )
    list_filter = (VerdictFilter, SpiderFilter, ScheduleFilter, StartedFilter)
    ordering = (F("began_at").desc(),)
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count all runs
    change_list_template = "admin/crawls/crawlrun/change_list.html"
    change_form_template = "admin/crawls/crawlrun/change_form.html"
    elsewhere = ("verdict", "reason", "messages", "log_tail", "log_file")
    groups = (
        (None, ("spider", "arguments", "schedule", "slot", "due_again")),
        ("Records", (*RECORDS, "went_back", "rounded", "filled", "rejected_records")),
        ("Requests", REQUESTS),
        (
            "Time",
            (
                "queued_at",
                "claimed_at",
                "started_at",
                "heartbeat_at",
                "stop_requested_at",
                "finished_at",
                "not_before",
                "newest_change",
                "newest_update",
                "age_of_data",
            ),
        ),
        ("Job", ("id", "node", "priority", "settings", "claim")),
    )
    FOLDED = ("Records", "Requests", "Time", "Job", "Further fields")
    renamed = {"created": "new"}
    written = {
        "arguments": in_words,
        "filled": counts,
        "rounded": counts,
        "settings": in_words,
        **dict.fromkeys(("due_again", "is_whole", "stores_prices"), yes_or_no),
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

    def get_fieldsets(self, request: HttpRequest, obj: CrawlRun | None = None) -> Any:
        """Of a run, only what it has; what few people look for is folded."""
        groups = []
        for title, options in super().get_fieldsets(request, obj):
            fields = [line for line in options["fields"] if obj is None or not _is_empty(obj, line)]
            classes = ["collapse"] if title in self.FOLDED else []
            groups += [(title, {"fields": fields, "classes": classes})] if fields else []
        return groups

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
        now = moment_of(run)
        context |= {
            "run": run,
            "verdict": mark(run.verdict),
            "went_wrong": run.verdict in WENT_WRONG,
            "progress": Progress(run, before, now) if run.verdict in BUTTONS else None,
            "log": log(run.log_tail),
            "beside": beside(run, before, now) if run.started_at else "",
            "others": _lists_with(run),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    # Stopping it --------------------------------------------------------------------------------
    def labels(self, row: CrawlRun) -> dict[str, str]:
        if row.verdict not in BUTTONS:
            return {}
        if row.is_silent(moment_of(row)):
            return {"stop": MARK_LOST}
        return {} if row.stop_requested_at else {"stop": BUTTONS[row.verdict]}

    def buttons(self, request: HttpRequest, row: CrawlRun) -> list[Button]:
        """Also the one of its schedule, if the run went wrong."""
        buttons = super().buttons(request, row)
        if row.verdict in WENT_WRONG and row.schedule:
            schedules = cast(ButtonAdmin, self.admin_site.get_model_admin(CrawlSchedule))
            if schedules.may_press(request, "run") and schedules.has_view_permission(request):
                buttons.append(Button("Run its schedule now", address_of(row.schedule, "run")))
        return buttons

    def notes(self, run: CrawlRun) -> list[str]:
        notes = []
        if run.verdict in BUTTONS and run.stop_requested_at:
            what = f"the run ends {SOON}." if not run.silence(moment_of(run)) else "the run has had no heartbeat since."
            notes.append(f"A stop was requested at {second(run.stop_requested_at)} UTC: {what}")
        if run.verdict == Verdict.PENDING and (warning := nodes.warning()):
            notes.append(warning)
        return notes

    def press(self, verb: str, row: CrawlRun) -> Pressed:
        if row.verdict == Verdict.RUNNING and (lost := _mark_lost(row)):
            heartbeat = f"its last heartbeat was at {second(lost.heartbeat_at)} UTC"
            again = " Its slot is due once more." if lost.due_again else ""
            return Pressed(f"The run is marked as lost: {heartbeat}.{again}", f"Marked as lost: {heartbeat}.")
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


def _is_empty(run: CrawlRun, line: Any) -> bool:
    """Whether it has nothing to show in this line of its page. A zero is something, and so is a lack of arguments."""
    name = line if isinstance(line, str) else line.__name__
    if name == "arguments":
        return False
    value = run.rejected or None if name == "rejected_records" else getattr(run, name)
    return value in (None, "", {}) or value is False


def _mark_lost(run: CrawlRun) -> CrawlRun | None:
    """The run, if it is lost: nobody can stop one that has had no heartbeat for LOST_AFTER."""
    queue.mark_silent_lost(run.spider)
    return CrawlRun.objects.filter(pk=run.pk, verdict=Verdict.LOST).defer("log_tail").first()


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


def legend(verdicts: Iterable[str]) -> str:
    """What the marks of these verdicts mean, each once, in the order of the verdicts."""
    given = {*verdicts}
    return format_html_join(" ", "{}", ((mark(verdict),) for verdict in Verdict if verdict in given))


def mark_alone(run: CrawlRun) -> str:
    """A mark that links to the run, with words for a pointer and for screen readers."""
    words = f"{run.verdict}, {began(run)} UTC"
    return format_html(
        '<a class="verdict {0}" href="{1}" title="{2}" aria-label="{2}"></a>', run.verdict, address_of(run), words
    )
