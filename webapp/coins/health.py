"""What is ill: one place for /readyz, /api/health and `manage.py watch`, so that they never disagree.

A check is ill or well. Three of them look at each enabled schedule by itself, at its runs since it was last changed:

data       no run of a whole source has been complete for DATA_MAX_AGE_HOURS, or two slots of a schedule have passed,
           the later one an hour ago, and no run of it has been complete since the first
schedule   no scrapyd beats, or a schedule cannot run, or is not beaten
runs       the last three runs of a schedule have failed, or were lost or partial
rejected   the last run of a schedule rejected more than twice as many records as the one a day before, and 10 more,
           and they are not all resolved
source     the source answers, but its data is old (see standstill.py)
"""

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import cast

from django.conf import settings
from django.db import Error
from django.db.models import Max, QuerySet

from .catalog import SPIDERS
from .models import CrawlRun, CrawlSchedule, Node, RejectedRecord, Verdict
from .models.run import NotMigrated
from .standstill import standing_still
from .texts import printable

logger = logging.getLogger(__name__)

CHECKS = ("data", "schedule", "runs", "rejected", "source")
BEFORE_CHECKS = ("database", "migrations")  # where one of these is ill, nobody can look at the others

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SILENT_AFTER = timedelta(minutes=2)  # a scrapyd beats every 15 s
OVERDUE_AFTER = timedelta(minutes=5)  # a due slot waits for a second, where its spider is free
IN_A_ROW = 3
BAD = (Verdict.FAILED, Verdict.LOST, Verdict.PARTIAL)
PROVED = (Verdict.COMPLETE, Verdict.PARTIAL)
RISE = 10  # records


def diagnose(now: datetime | None = None) -> dict[str, str]:
    """As `problems`, and also where the database cannot be asked. It writes nothing, and opens no transaction."""
    try:
        CrawlRun.objects.check_migrated()
        return problems(now)
    except NotMigrated as error:
        return {"migrations": str(error)}
    except Error as error:
        words = printable(error, 300)
        logger.warning("The database fails: %s", words)
        return {"database": f"The database cannot be reached, or fails: {words}"}


def problems(now: datetime | None = None) -> dict[str, str]:
    """By check, what is wrong and what to do about it; nothing of what is well.

    `now` is the database's clock where it is not given: runs and nodes are timed by that.
    """
    now = now or CrawlSchedule.objects.clock()
    enabled = list(CrawlSchedule.objects.filter(enabled=True).order_by("pk"))
    faults = {schedule: fault for schedule in enabled if (fault := schedule.fault())}
    able = [schedule for schedule in enabled if schedule not in faults]
    found = {
        "data": [*_old_copy(now), *_without_complete_run(able, now)],
        "schedule": [*_no_beat(enabled, now), *_faulty(faults), *_overdue(able, now), *_not_begun(now)],
        "runs": _bad_runs(able),
        "rejected": _rejected(able),
        "source": standing_still(),
    }
    told = {check: " ".join(found[check]) for check in CHECKS}
    return {check: _one_line(text) for check, text in told.items() if text}


def _one_line(text: str) -> str:
    """What anybody can show and any database can keep, whatever stands in names, arguments and reasons."""
    return "".join(character if character.isprintable() else " " for character in text)


# How old the copy is -----------------------------------------------------------------------------
def last_complete() -> CrawlRun | None:
    """The complete run of a whole source that ended last: a narrower one says nothing of what it did not ask for."""
    # Runs of one spider never overlap: the last to begin, which an index finds, is the last to end.
    newest = (_newest(spider, entry.narrowing) for spider, entry in SPIDERS.items())
    return max((run for run in newest if run), key=_end, default=None)


def is_fresh(now: datetime) -> bool | None:
    """Whether that run ended at most DATA_MAX_AGE_HOURS ago; None where the setting says that age does not matter."""
    if not settings.DATA_MAX_AGE_HOURS:
        return None
    run = last_complete()
    return run is not None and (now - _end(run)).total_seconds() <= settings.DATA_MAX_AGE_HOURS * 3600


def _newest(spider: str, narrowing: tuple[str, ...]) -> CrawlRun | None:
    whole = CrawlRun.objects.whole(spider, narrowing)
    ended = whole.filter(verdict=Verdict.COMPLETE, finished_at__isnull=False)
    return ended.order_by("-started_at").first()


def _end(run: CrawlRun) -> datetime:
    return cast(datetime, run.finished_at)  # it has ended


def _old_copy(now: datetime) -> Iterator[str]:
    if is_fresh(now) is False:
        hours = settings.DATA_MAX_AGE_HOURS
        yield (
            f"No run of a whole source has been complete in the last {hours} hours (DATA_MAX_AGE_HOURS): "
            "the last runs say why, or there is no schedule for one."
        )


# Schedules and their runs ------------------------------------------------------------------------
def _runs(schedule: CrawlSchedule) -> QuerySet[CrawlRun]:
    """Its runs since it was last changed, the newest first: earlier ones were another schedule's, so to speak.

    By when they were queued: a job that could not begin has no other time, and an index has them in this order.
    """
    return CrawlRun.objects.filter(schedule=schedule, queued_at__gte=schedule.changed_at).order_by("-queued_at")


def _without_complete_run(schedules: Iterable[CrawlSchedule], now: datetime) -> Iterator[str]:
    for schedule in schedules:
        slots = schedule.timetable().latest(schedule.changed_at, now - HOUR, 2)
        if len(slots) < 2:
            continue
        recent = _runs(schedule).filter(queued_at__gte=slots[0] - DAY)  # no run takes longer
        if not recent.filter(verdict=Verdict.COMPLETE, finished_at__gte=slots[0]).exists():
            yield (
                f"The schedule {schedule} has had no complete run since {slots[0]:%F %T} UTC, which is two slots ago: "
                "its runs in the admin say why."
            )


def _no_beat(enabled: list[CrawlSchedule], now: datetime) -> Iterator[str]:
    silent_since = now - SILENT_AFTER
    if all(schedule.changed_at > silent_since for schedule in enabled):
        return  # there is nothing to beat, or a scrapyd may be just starting
    last = Node.objects.aggregate(beat=Max("beat_at"))["beat"]
    if last is None or last < silent_since:
        when = f"since {last:%F %T} UTC" if last else "ever"
        yield f"No scrapyd has looked after the schedules {when}: start it, or read in its log why it does not."


def _faulty(faults: dict[CrawlSchedule, str]) -> Iterator[str]:
    for schedule, fault in faults.items():
        yield f"The schedule {schedule} cannot run: {fault} Mend or disable it in the admin."


def _overdue(schedules: Iterable[CrawlSchedule], now: datetime) -> Iterator[str]:
    for schedule in schedules:
        slot, overdue_since = schedule.next_run_at, now - OVERDUE_AFTER
        if slot and max(schedule.due_at(slot), schedule.changed_at) < overdue_since and not schedule.is_busy():
            yield (
                f"The slot {slot:%F %T} UTC of the schedule {schedule} is overdue, though its spider is free: "
                "scrapyd's log says why."
            )


def _not_begun(now: datetime) -> Iterator[str]:
    """Jobs that no scrapyd takes up, though nothing is in their way."""
    first = CrawlRun.objects.ready().order_by("queued_at").first()
    if first and first.queued_at < now - OVERDUE_AFTER:
        yield (
            f"The job {first.pk} of {first.spider} has been waiting since {first.queued_at:%F %T} UTC, though its "
            "spider is free: scrapyd's log says why."
        )


def _bad_runs(schedules: Iterable[CrawlSchedule]) -> Iterator[str]:
    for schedule in schedules:
        last = list(_runs(schedule).filter(verdict__in=(Verdict.COMPLETE, *BAD))[:IN_A_ROW])
        if len(last) == IN_A_ROW and all(run.verdict in BAD for run in last):
            verdicts = ", ".join(run.verdict for run in reversed(last))
            yield (
                f"The last {IN_A_ROW} runs of the schedule {schedule}, since {last[-1].queued_at:%F %T} UTC, were not "
                f"complete ({verdicts}). The last one: {last[0].reason or 'it gives no reason'}."
            )


def _rejected(schedules: Iterable[CrawlSchedule]) -> Iterator[str]:
    for schedule in schedules:
        runs = _runs(schedule).filter(verdict__in=PROVED)
        last = runs.first()
        before = last and runs.filter(queued_at__lte=last.queued_at - DAY).first()
        rises = last and before and last.rejected > max(2 * before.rejected, before.rejected + RISE - 1)
        if last and before and rises and not _is_resolved(last):
            still_open = RejectedRecord.objects.open().count()
            yield (
                f"The last run of the schedule {schedule} rejected {last.rejected:,} records, and that of a day before "
                f"{before.rejected:,}: the rejected records in the admin say why. Still open: {still_open:,}."
            )


def _is_resolved(run: CrawlRun) -> bool:
    """Whether all that a run has rejected, and no run after it, has been dealt with."""
    records = RejectedRecord.objects.filter(run=run)
    return records.exists() and not records.open().exists()
