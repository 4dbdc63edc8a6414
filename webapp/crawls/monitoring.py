"""What is failing: one place for /readyz, /api/health and `manage.py watch`, so that they never disagree.

A check is failing in these cases. Where a schedule is named, its runs since it was last changed count.

data       no run of a whole source has been complete for DATA_MAX_AGE_HOURS, or two slots of a schedule have passed,
           the later one an hour ago, and no run of it has been complete since the first
schedule   no scrapyd ticks, a schedule cannot run, or a slot or a job waits though its spider is free
runs       the last three runs of a schedule have failed, or were lost or partial
rejected   the last run of a schedule rejected more than twice as many records as the one a day before, and 10 more,
           and they are not all resolved
source     the source answers, but its data is old (see source_age.py)
prices     observations of prices have been waiting for two days to get into bars, or into the archive
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db import Error
from django.db.models import Case, Count, DateTimeField, Max, Min, OuterRef, Q, QuerySet, Subquery, Value, When

from webapp.coins import clock
from webapp.coins.models import PriceHour
from webapp.coins.prices.retention import LATE_AFTER, late_days
from webapp.coins.texts import are, counted, printable
from webapp.crawls import queue
from webapp.crawls.copy_age import Copy
from webapp.crawls.migrated import NotMigrated, check_migrated
from webapp.crawls.models import CrawlRun, CrawlSchedule, Node, RejectedRecord
from webapp.crawls.models.run import UNDER_WAY
from webapp.crawls.problem import Problem, joined
from webapp.crawls.source_age import old_sources
from webapp.crawls.verdict import Verdict

logger = logging.getLogger(__name__)

CHECKS = ("data", "schedule", "runs", "rejected", "source", "prices")
BEFORE_CHECKS = ("database", "migrations")  # if one of these fails, the others cannot be checked
UNUSABLE = (NotMigrated, Error)  # the errors then

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SILENT_AFTER = timedelta(minutes=2)  # a node has a heartbeat every 15 s
OVERDUE_AFTER = timedelta(minutes=5)  # a due slot waits for a second if its spider is free
IN_A_ROW = 3
BAD = (Verdict.FAILED, Verdict.LOST, Verdict.PARTIAL)
PROVED = (Verdict.COMPLETE, Verdict.PARTIAL)
RISE = 10  # records


def diagnose(now: datetime | None = None) -> dict[str, str]:
    """As `problems`, also if the database cannot be asked. It writes nothing, and opens no transaction."""
    try:
        check_migrated()
        return problems(now)
    except UNUSABLE as error:
        return unusable(error)


def unusable(error: Exception) -> dict[str, str]:
    """The problem that one of the errors UNUSABLE stands for, by check."""
    if isinstance(error, NotMigrated):
        return {"migrations": str(error)}
    words = printable(error, 300)
    logger.warning("The database fails: %s", words)
    return {"database": f"The database cannot be reached, or fails: {words}"}


def problems(now: datetime | None = None, copy: Copy | None = None) -> dict[str, str]:
    """By failing check, what is wrong and what to do about it, in a text of one sentence or more. See `failing`."""
    return {check: joined(found) for check, found in failing(now, copy).items()}


def failing(now: datetime | None = None, copy: Copy | None = None) -> dict[str, list[Problem]]:
    """The problems of each check that fails.

    `now` is by default the database's clock, by which runs and nodes are timed. `copy` is given by who has it already.
    """
    now = now or clock.database_clock()
    copy = copy or Copy(now)
    enabled = list(CrawlSchedule.objects.filter(enabled=True).order_by("pk"))
    faults = {schedule: fault for schedule in enabled if (fault := schedule.fault())}
    faulty = [
        Problem(f'The schedule "{schedule}" cannot run: {fault} Correct or disable it in the admin.', schedule)
        for schedule, fault in faults.items()
    ]
    able = [schedule for schedule in enabled if schedule not in faults]
    found = {
        "data": [*_old_copy(copy), *_without_complete_run(able, now)],
        "schedule": [*_no_node(enabled, now), *faulty, *_overdue(able, now), *_not_begun(now)],
        "runs": [*_bad_runs(able)],
        "rejected": [*_rejected(able)],
        "source": [*old_sources()],
        "prices": [*_late_bars(now), *_late_archive(now)],
    }
    return {check: found[check] for check in CHECKS if found[check]}


# How old the copy is -----------------------------------------------------------------------------
def _old_copy(copy: Copy) -> Iterator[Problem]:
    if copy.is_fresh is False:
        hours = counted(settings.DATA_MAX_AGE_HOURS, "hour")
        yield Problem(
            f"No run of a whole source has been complete for {hours} (DATA_MAX_AGE_HOURS): "
            "the last runs say why, or there is no schedule for one.",
            CrawlRun,
        )


# Schedules and their runs ------------------------------------------------------------------------
# A schedule's runs since it was last changed, the newest first. They are ordered by when they were queued: a job that
# could not begin has no other time, and an index has this order.
RUNS = CrawlRun.objects.filter(schedule=OuterRef("pk"), queued_at__gte=OuterRef("changed_at")).order_by("-queued_at")


def _first(
    number: int, runs: QuerySet[CrawlRun], schedules: Iterable[CrawlSchedule], **moments: Mapping[int, datetime]
) -> dict[CrawlSchedule, list[CrawlRun]]:
    """By schedule, the newest `number` of `runs`. Two queries for any number of schedules.

    `runs` may refer to `moments`, each of which has a moment by schedule's key.
    """
    by_key = {schedule.pk: schedule for schedule in schedules}
    own = {
        name: Case(*(When(pk=pk, then=Value(moment)) for pk, moment in of.items()), output_field=DateTimeField())
        for name, of in moments.items()
    }
    # A subquery for each place finds its run by the index; a window function would read all runs.
    places = [Subquery(runs.values("pk")[place : place + 1]) for place in range(number)]
    of_each = CrawlSchedule.objects.filter(pk__in=by_key).annotate(**own).order_by("pk")
    keys = list(of_each.values_list("pk", *places))
    rows = CrawlRun.objects.filter(pk__in=[key for _, *row in keys for key in row if key])
    found = {run.pk: run for run in rows.defer("log_tail")}
    return {by_key[pk]: [found[key] for key in row if key in found] for pk, *row in keys}


def _without_complete_run(schedules: Iterable[CrawlSchedule], now: datetime) -> Iterator[Problem]:
    latest = {schedule: schedule.timetable().latest(schedule.changed_at, now - HOUR, 2) for schedule in schedules}
    since = {schedule: slots[0] for schedule, slots in latest.items() if len(slots) == 2}
    complete = RUNS.filter(
        verdict=Verdict.COMPLETE,
        queued_at__gte=OuterRef("day_before"),  # no run takes longer
        finished_at__gte=OuterRef("slot"),
    )
    moments = {schedule.pk: slot for schedule, slot in since.items()}
    found = _first(1, complete, since, slot=moments, day_before={pk: slot - DAY for pk, slot in moments.items()})
    for schedule, slot in since.items():
        if not found.get(schedule):
            has_run = schedule.last_run_id is not None  # else the list of its runs may be empty
            yield Problem(
                f'The schedule "{schedule}" has had no complete run since {slot:%F %T} UTC, which is two slots ago: '
                "its runs in the admin say why.",
                CrawlRun if has_run else schedule,
                {"schedule": schedule.name} if has_run else {},
            )


def _no_node(enabled: list[CrawlSchedule], now: datetime) -> Iterator[Problem]:
    silent_since = now - SILENT_AFTER
    if all(schedule.changed_at > silent_since for schedule in enabled):
        return  # there is nothing to run, or a scrapyd may be just starting
    last = Node.objects.aggregate(last=Max("heartbeat_at"))["last"]
    if last is None or last < silent_since:
        when = f"since {last:%F %T} UTC" if last else "so far"
        yield Problem(f"No scrapyd has had a heartbeat {when}: start one, or read in its log why it does not.", Node)


def _overdue(schedules: Iterable[CrawlSchedule], now: datetime) -> Iterator[Problem]:
    busy = set(CrawlRun.objects.filter(UNDER_WAY).values_list("spider", flat=True).distinct())
    for schedule in schedules:
        slot, overdue_since = schedule.next_run_at, now - OVERDUE_AFTER
        is_late = slot and max(schedule.due_at(slot), schedule.changed_at) < overdue_since
        if is_late and schedule.spider not in busy:
            yield Problem(
                f'The slot {slot:%F %T} UTC of the schedule "{schedule}" is overdue, though its spider is free: '
                "scrapyd's log says why.",
                schedule,
            )


def _not_begun(now: datetime) -> Iterator[Problem]:
    """Jobs that no scrapyd begins, though their spider is free."""
    first = queue.ready().order_by("queued_at").first()
    if first and first.queued_at < now - OVERDUE_AFTER:
        yield Problem(
            f"The job {first.pk} of {first.spider} has been waiting since {first.queued_at:%F %T} UTC, though its "
            "spider is free: scrapyd's log says why.",
            first,
        )


def _bad_runs(schedules: Iterable[CrawlSchedule]) -> Iterator[Problem]:
    for schedule, last in _first(IN_A_ROW, RUNS.filter(verdict__in=(Verdict.COMPLETE, *BAD)), schedules).items():
        if len(last) == IN_A_ROW and all(run.verdict in BAD for run in last):
            verdicts = ", ".join(run.verdict for run in reversed(last))
            yield Problem(
                f'The last {IN_A_ROW} runs of the schedule "{schedule}", since {last[-1].queued_at:%F %T} UTC, were '
                f"not complete ({verdicts}). The last one: {last[0].reason or 'it gives no reason'}.",
                CrawlRun,
                {"schedule": schedule.name},
            )


def _rejected(schedules: Iterable[CrawlSchedule]) -> Iterator[Problem]:
    runs = RUNS.filter(verdict__in=PROVED)
    last = {schedule: run for schedule, found in _first(1, runs, schedules).items() for run in found}
    a_day_before = {schedule.pk: run.queued_at - DAY for schedule, run in last.items()}
    earlier = _first(1, runs.filter(queued_at__lte=OuterRef("a_day_before")), last, a_day_before=a_day_before)
    before = {schedule: run for schedule, found in earlier.items() for run in found}
    risen = [
        schedule
        for schedule, run in before.items()
        if last[schedule].rejected > max(2 * run.rejected, run.rejected + RISE - 1)
    ]
    resolved = _resolved(last[schedule].pk for schedule in risen)
    still_open = RejectedRecord.objects.open().count() if risen else 0
    for schedule in risen:
        if last[schedule].pk not in resolved:
            yield Problem(
                f'The last run of the schedule "{schedule}" rejected {last[schedule].rejected:,} records, and that of '
                f"a day before {before[schedule].rejected:,}: the rejected records in the admin say why. "
                f"Still open: {still_open:,}.",
                RejectedRecord,
            )


def _resolved(runs: Iterable[str]) -> set[str]:
    """Those of these runs that have rejected records, none of which is open."""
    records = RejectedRecord.objects.filter(run__in=list(runs))
    of_each = records.values_list("run").annotate(still_open=Count("pk", filter=Q(status=RejectedRecord.Status.OPEN)))
    return {run for run, still_open in of_each if not still_open}


# Prices over time --------------------------------------------------------------------------------
def _late_bars(now: datetime) -> Iterator[Problem]:
    late = PriceHour.objects.new().filter(changed_at__lt=now - LATE_AFTER)
    first = late.aggregate(first=Min("changed_at"))["first"]
    if first:
        yield Problem(
            f"Prices that were stored since {first:%F %T} UTC are not in the bars yet: scrapyd's log says why, or "
            "`manage.py rollup` has not run."
        )


def _late_archive(now: datetime) -> Iterator[Problem]:
    days = late_days(now) if settings.ARCHIVE_URL else []
    if days:
        yield Problem(
            f"{counted(len(days), 'day')} of prices since {days[0]} {are(len(days))} not archived, "
            "so the database grows: run `manage.py archive` every day, and read what it says."
        )
