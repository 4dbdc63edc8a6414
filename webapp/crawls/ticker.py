"""What one tick of the schedule's timer does: slots that are due become jobs."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Least

from webapp.coins import clock
from webapp.crawls import queue
from webapp.crawls.models.run import UNDER_WAY, CrawlRun
from webapp.crawls.models.schedule import CrawlSchedule, Due
from webapp.crawls.queue import JobError, Turns
from webapp.crawls.verdict import Verdict

CLOCK_JUMP = timedelta(minutes=5)  # a run whose slot is further in the future was made by a wrong clock
BUSY = "another run of {} was under way until the next slot came"
MISSED = (
    "nothing could run it until the next slot had come: no scrapyd was up, none had room, or the schedule was wrong"
)


def tick(now: datetime | None = None) -> None:
    """Turn slots that are due into jobs, at most one for each spider.

    If several schedules of a spider are due, the rarest gets the job. Any number of nodes may tick at the same time.
    The default of `now` is the database's clock.
    """
    queue.mark_silent_lost()
    now = now or clock.database_clock()
    rows = CrawlSchedule.objects.order_by("pk")  # also the order in which all lock them
    if not _due(rows, now, queue.turns()):
        return  # without writing, which on SQLite would keep a crawl waiting
    with transaction.atomic():
        rows = rows.select_related("last_run").defer("last_run__log_tail").select_for_update(of=("self",))
        locked = list(rows)
        turns = queue.turns()  # after the lock: another node may have made a job until then
        for schedule in sorted(_due(locked, now, turns), key=lambda schedule: schedule.rank(now)):
            # Once more, because the one before may have taken the spider.
            due = _what_is_due(schedule, now, turns)
            if due and _take(schedule, due, now):
                turns.taken.add(schedule.spider)


def _due(schedules: Iterable[CrawlSchedule], now: datetime, turns: Turns) -> list[CrawlSchedule]:
    return [schedule for schedule in schedules if _what_is_due(schedule, now, turns)]


def _what_is_due(schedule: CrawlSchedule, now: datetime, turns: Turns) -> Due | None:
    return schedule.due(now, is_taken=turns.is_taken(schedule.spider, schedule.next_run_at))


def _take(schedule: CrawlSchedule, due: Due, now: datetime) -> bool:
    """Do what is due, in the tick's transaction. Returns whether the schedule has a new job."""
    if due.is_new:
        # If a clock was ahead, it made runs for slots in the future. Those slots become free again. Slots less than
        # five minutes ahead stay taken: if a clock is set back by seconds, no slot has a second run.
        CrawlRun.objects.filter(schedule=schedule, slot__gt=now + CLOCK_JUMP).update(slot=None)
    _record_passed(schedule, due.passed, due.slot or due.next_run_at or now, now)
    run = None
    if due.slot:
        with suppress(IntegrityError), transaction.atomic():  # the slot has had its run
            run = queue.enqueue(schedule.spider, schedule.arguments, schedule=schedule, slot=due.slot)
    facts: dict[str, Any] = {"last_run": run} if run else {}
    CrawlSchedule.objects.filter(pk=schedule.pk).update(next_run_at=due.next_run_at, not_before=None, **facts)
    return run is not None


def _record_passed(schedule: CrawlSchedule, passed: Sequence[datetime], following: datetime, now: datetime) -> None:
    """Record a skipped run with a reason for each slot that passed without a run before the `following` one."""
    if not passed:
        return
    of_spider = CrawlRun.objects.filter(spider=schedule.spider, started_at__lte=now)
    overlapping = of_spider.filter(Q(finished_at=None) | Q(finished_at__gte=passed[0]))
    times = overlapping.exclude(verdict=Verdict.SKIPPED).values_list(Least("queued_at", "started_at"), "finished_at")
    under_way = [(start, end or now) for start, end in times]
    runs = []
    for slot, until in pairwise((*passed, following)):
        was_busy = any(start < until and end >= slot for start, end in under_way)
        runs.append(
            CrawlRun(
                spider=schedule.spider,
                arguments=schedule.arguments,
                schedule=schedule,
                slot=slot,
                verdict=Verdict.SKIPPED,
                reason=BUSY.format(schedule.spider) if was_busy else MISSED,
                started_at=slot,
                finished_at=now,
            )
        )
    if schedule.next_run_at and passed[0] > schedule.next_run_at:
        runs[0].reason += f"; the same is true of all slots since {schedule.next_run_at:%F %T} UTC"
    CrawlRun.objects.bulk_create(runs, ignore_conflicts=True)


def run_now(schedule: CrawlSchedule) -> CrawlRun:
    """Queue a run besides the schedule's slots. Raises JobError if it cannot run.

    A run of its spider that has had no heartbeat for LOST_AFTER is marked lost, and is no obstacle.
    """
    if fault := schedule.fault():
        raise JobError(f"It cannot run: {fault}")
    with transaction.atomic():
        # Lock all schedules of the spider, so that only one of two simultaneous requests succeeds.
        list(CrawlSchedule.objects.filter(spider=schedule.spider).order_by("pk").select_for_update())
        queue.mark_silent_lost(schedule.spider)
        if CrawlRun.objects.filter(UNDER_WAY, spider=schedule.spider).exists():
            raise JobError(f"A run of {schedule.spider} is queued or under way: wait for its end, or stop it.")
        run = queue.enqueue(schedule.spider, schedule.arguments, schedule=schedule)
        CrawlSchedule.objects.filter(pk=schedule.pk).update(last_run=run)
    return run
