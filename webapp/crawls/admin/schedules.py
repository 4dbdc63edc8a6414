"""The admin of schedules: edit them, enable them, run them now, see how they went and what they cost."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from webapp.coins import clock
from webapp.coins.admin.formats import address_of, address_of_list, due, duration, in_words, link, mark, second, table
from webapp.coins.admin.row_list import RowList
from webapp.coins.numbers import NOTHING, exact
from webapp.coins.texts import counted
from webapp.crawls import ticker
from webapp.crawls.admin import nodes
from webapp.crawls.admin.buttons import ButtonAdmin, Pressed
from webapp.crawls.admin.outlook import outlook_of, remember
from webapp.crawls.admin.run_columns import reason
from webapp.crawls.admin.runs import began, mark_alone
from webapp.crawls.admin.schedule_costs import of_cost, price, price_of_a_run
from webapp.crawls.admin.schedule_form import SLOTS_SHOWN, ScheduleForm, in_its_zone
from webapp.crawls.costs import Bill
from webapp.crawls.models import CrawlRun, CrawlSchedule
from webapp.crawls.models.run import SILENT


class ScheduleList(RowList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        remember(self.result_list)


def warnings(bill: Bill) -> list[str]:
    return [warning for warning in (nodes.warning(), bill.warning) if warning]


@admin.register(CrawlSchedule)
class CrawlScheduleAdmin(ButtonAdmin):
    FACTS = (
        ("Next runs", ("next_slots",)),
        ("Last runs", ("last_runs",)),
        ("Cost", ("cost_of_a_run", "cost_of_a_month", "cost_of_all")),
    )

    form = ScheduleForm
    # What matters most comes first, with the button: a phone shows it.
    list_display = (
        "name",
        "next_run",
        "last_verdict",
        "last_marks",
        "what",
        "when",
        "enabled",
        "number_calls",
        "number_credits",
    )
    list_select_related = ("last_run",)
    ordering = ("name",)
    change_list_template = "admin/crawls/crawlschedule/change_list.html"
    actions = ("enable", "disable")
    readonly_fields = tuple(name for _, names in FACTS for name in names)
    written = {"arguments": in_words}
    verbs: ClassVar = {"run": "run"}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ScheduleList

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("last_run__log_tail")

    def get_list_display(self, request: HttpRequest) -> Any:
        name, next_run, *others = self.list_display
        return (name, next_run, *(["button"] if self.may_press(request, "run") else []), *others)

    def get_fieldsets(self, request: HttpRequest, obj: CrawlSchedule | None = None) -> Any:
        """What can be edited; for a schedule that exists, also what follows from it."""
        fields = ScheduleForm.Meta.fields
        may_set = self.has_change_permission(request, obj) if obj else True
        settings = [(None, {"fields": fields if may_set else [self.line(name) for name in fields]})]
        return settings + [(title, {"fields": names}) for title, names in self.FACTS if obj]

    # What a list shows --------------------------------------------------------------------------
    @admin.display(description="what it crawls")
    def what(self, schedule: CrawlSchedule) -> str:
        return f"{schedule.spider}: {in_words(schedule.arguments)}"

    @admin.display(description="when", ordering="crontab")
    def when(self, schedule: CrawlSchedule) -> str:
        return format_html('<code>{}</code> <span class="quiet">{}</span>', schedule.crontab, schedule.time_zone)

    @admin.display(description="next run (UTC)", ordering="next_run_at")
    def next_run(self, schedule: CrawlSchedule) -> str:
        seen = outlook_of(schedule)
        if seen.fault:
            return format_html('<span class="fault">It cannot run: {}</span>', seen.fault)
        if not schedule.enabled:
            return "disabled"
        if seen.due_since:
            again_at = schedule.due_at(seen.due_since)
            if again_at > seen.now:
                failed = f"has failed, and is run again at {second(again_at)}:"
                return format_html('<span class="quiet">{}</span><br>{}', failed, second(seen.due_since))
            waits = f"waits for {'its spider' if seen.is_busy else 'a scrapyd'}"
            return format_html('{}<br><span class="quiet">{}</span>', due(seen.due_since, seen.now), waits)
        return second(seen.next_slot)

    @admin.display(description="last run", ordering="last_run__started_at")
    def last_verdict(self, schedule: CrawlSchedule) -> str:
        run = schedule.last_run
        if run is None:
            return NOTHING
        return format_html('{} <span class="quiet">{}</span>', link(run, mark(run.verdict)), began(run))

    @admin.display(description="last 20 runs, older to newer")
    def last_marks(self, schedule: CrawlSchedule) -> str:
        marks = format_html_join("", "{}", ((mark_alone(run),) for run in outlook_of(schedule).runs))
        return format_html('<span class="marks">{}</span>', marks) if marks else NOTHING

    number_calls = of_cost("requests a month", lambda cost: exact(cost.calls_a_month))
    number_credits = of_cost("credits a month", lambda cost: exact(cost.credits_a_month))

    @admin.display(description=mark_safe('<span class="visually-hidden">Run now</span>'))
    def button(self, schedule: CrawlSchedule) -> str:
        """In the list's own form, which has the CSRF token."""
        return format_html(
            '<button class="button" formaction="{}" name="in_list" title="Run {} now">Run now</button>',
            address_of(schedule, "run"),
            schedule.name,
        )

    # What a page shows besides ------------------------------------------------------------------
    @admin.display(description="next slots")
    def next_slots(self, schedule: CrawlSchedule) -> str:
        seen = outlook_of(schedule)
        if seen.fault:
            return format_html('<span class="fault">It cannot run: {}</span>', seen.fault)
        slots = schedule.timetable().upcoming(seen.now, SLOTS_SHOWN)
        if seen.next_slot and seen.next_slot <= seen.now:
            slots = [seen.next_slot, *slots[:-1]]
        shown = in_its_zone(slots, schedule)
        return shown if schedule.enabled else format_html("It is disabled. If enabled, it would run at {}", shown)

    @admin.display(description="last 20 runs")
    def last_runs(self, schedule: CrawlSchedule) -> str:
        runs, now = reversed(outlook_of(schedule).runs), outlook_of(schedule).now
        rows = [
            [
                link(run, mark(run.verdict)),
                second(run.started_at) if run.started_at else "",  # a phone shows the slot then
                duration(run.duration_at(now)),
                second(run.slot),
                reason(run),
            ]
            for run in runs
        ]
        if not rows:
            return "It has not run yet."
        address = address_of_list(CrawlRun, schedule=schedule.name)
        shown = table(["Verdict", "Started (UTC)", "Duration", "Slot (UTC)", "Reason"], rows)
        return format_html('<div class="last-runs">{}<a href="{}">All its runs</a></div>', shown, address)

    cost_of_a_run = of_cost("a run", price_of_a_run)
    cost_of_a_month = of_cost(
        "a month", lambda cost: f"{counted(cost.runs_a_month, 'run')} in 30 days: {price(cost, cost.calls_a_month)}"
    )

    @admin.display(description="all schedules")
    def cost_of_all(self, schedule: CrawlSchedule) -> str:
        return Bill.of_all().sentence

    # Changing it --------------------------------------------------------------------------------
    def save_model(self, request: HttpRequest, obj: CrawlSchedule, form: ModelForm, change: bool) -> None:
        """Write only what was edited: a tick may have written the rest meanwhile."""
        edited = form.changed_data
        if "enabled" in edited:
            obj.next_run_at = None  # an earlier slot has passed
            edited = [*edited, "next_run_at"]
        if not change:
            obj.save()
        elif edited:
            obj.save(update_fields=[*edited, "changed_at"])

    def response_post_save_add(self, request: HttpRequest, obj: CrawlSchedule) -> HttpResponseRedirect:
        self._tell_slots(request, obj)
        return super().response_post_save_add(request, obj)

    def response_post_save_change(self, request: HttpRequest, obj: CrawlSchedule) -> HttpResponseRedirect:
        self._tell_slots(request, obj)
        return super().response_post_save_change(request, obj)

    def _tell_slots(self, request: HttpRequest, schedule: CrawlSchedule) -> None:
        """The list, to which people return, shows only the next slot."""
        if schedule.enabled:
            slots = schedule.timetable().upcoming(clock.database_clock(), SLOTS_SHOWN)
            told = ", ".join(f"{slot:%a} {second(slot)}" for slot in slots)
            self.message_user(request, f"Its next slots (UTC): {told}.")

    @admin.action(description="Enable selected schedules", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[CrawlSchedule]) -> None:
        self._switch(request, queryset, on=True)

    @admin.action(description="Disable selected schedules", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[CrawlSchedule]) -> None:
        self._switch(request, queryset, on=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[CrawlSchedule], *, on: bool) -> None:
        word = "enabled" if on else "disabled"
        others = list(queryset.filter(enabled=not on))
        keys = [schedule.pk for schedule in others]
        with transaction.atomic():
            # Without its slot: else one that came before it was disabled would be run now.
            CrawlSchedule.objects.filter(pk__in=keys).update(enabled=on, next_run_at=None, changed_at=Now())
            for schedule in others:
                self.log_change(request, schedule, f"{word.capitalize()}.")
        names = ", ".join(schedule.name for schedule in others)
        self.message_user(request, f"Now {word}: {names}." if names else f"All of them were {word} already.")

    # Running it now -----------------------------------------------------------------------------
    def labels(self, row: CrawlSchedule) -> dict[str, str]:
        return {"run": "Run now"}

    def press(self, verb: str, row: CrawlSchedule) -> Pressed:
        silent = list(CrawlRun.objects.filter(SILENT, spider=row.spider).defer("log_tail"))
        run = ticker.run_now(row)
        told = format_html("{} is queued: {}.", row.name, link(run, f"job {run.pk}"))
        for lost in silent:
            told = format_html("{} {} had no heartbeat any more, and is marked as lost.", told, link(lost, "A run"))
        return Pressed(told, f"Run now, as job {run.pk}.")

    # Warnings -----------------------------------------------------------------------------------
    def notes(self, row: CrawlSchedule | None) -> list[str]:
        return warnings(Bill.of_all())

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        bill = Bill.of_all()
        context = {"notes": warnings(bill), "bill": "" if bill.warning else bill.sentence}
        return super().changelist_view(request, context | (extra_context or {}))
