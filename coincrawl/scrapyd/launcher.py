"""scrapyd's launcher: runs jobs, and loses neither a job nor its room for one, whatever goes wrong."""

import multiprocessing
import signal
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import ProgrammingError
from scrapyd.config import Config
from scrapyd.interfaces import IPoller
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock, inlineCallbacks
from twisted.internet.task import LoopingCall, deferLater
from twisted.python.components import Componentized

from coincrawl.scrapyd import database
from coincrawl.scrapyd.faults import Fault
from coincrawl.scrapyd.job import Job
from coincrawl.scrapyd.log import Log
from coincrawl.scrapyd.process import reactor
from webapp.coins.texts import one_line
from webapp.coins.upsert import DATABASE_ERRORS
from webapp.crawls import queue
from webapp.crawls.models import CrawlRun, Verdict
from webapp.crawls.models.run import SILENT
from webapp.crawls.queue import Death

log = Log()

LOOK_EVERY = 0.5  # s
RENEW_EVERY = 5.0  # s
BEGIN_WITHIN = 300.0  # s that a process may take to begin its run
END_WITHIN = 60.0  # s that it may take to end once its run is over
KILLED_WITHIN = 5.0  # s; only what waits for a disk takes any time at all
STOP_WITHIN = 15.0  # s for all to end; a crawl takes ten at most while the database answers


class Launcher(Service):
    """Asks the poller for a job for each slot that is free, and looks after the processes.

    What a process has not said itself is recorded by its claim: as failed where it did not begin, else as lost. What
    the database cannot be told now is told later.
    """

    name = "launcher"  # by which the web services find it

    def __init__(self, config: Config, app: Componentized) -> None:
        self.processes: dict[int, Job] = {}  # by slot
        self.max_proc = config.getint("max_proc", 0) or multiprocessing.cpu_count() * config.getint(
            "max_proc_per_cpu", 4
        )
        self._poller = app.getComponent(IPoller)
        self._runner = config.get("runner")
        self._logs = Path(config.get("logs_dir"))
        self._untold: list[Callable[[], None]] = []
        self._one_at_a_time = DeferredLock()
        self._renewed = 0.0
        self._fault = Fault(log, "It cannot be seen how jobs are", "It can be seen again how jobs are")
        self._looking: LoopingCall | None = None

    def startService(self) -> None:
        super().startService()
        log.info("Up to {number} crawls at a time; their logs are in {logs}", number=self.max_proc, logs=self._logs)
        for slot in range(self.max_proc):
            self._offer(slot)
        self._looking = LoopingCall(self._look)
        self._looking.start(LOOK_EVERY)

    @inlineCallbacks
    def stopService(self) -> Generator["Deferred[Any]", Any, None]:
        """Stop the crawls, and wait for them: jobs that had not begun go back to the queue."""
        yield super().stopService()
        if self._looking:
            self._looking.stop()
        for job in self.processes.values():
            job.signalProcess(signal.SIGTERM)
        until = monotonic() + STOP_WITHIN
        while (self.processes or self._untold) and monotonic() < until:
            yield self._look()
            yield deferLater(reactor(), 0.1)
        for job in self.processes.values():
            self._kill(job, "it did not stop")
        yield self._look()

    def _offer(self, slot: int) -> None:
        self._poller.next().addCallback(self._start, slot)

    def _start(self, message: dict[str, Any], slot: int) -> None:
        claim, key = message["settings"]["JOB_CLAIM"], message["_job"]
        if not self.running:
            self._tell(lambda: queue.release(claim))
            return
        try:
            job = Job.start(message, self._runner, self._logs, settings.BASE_DIR)
        except Exception as error:  # whatever it is, the slot is free for another job
            log.error("{job} cannot be started: {error}", job=key, error=error)
            death = Death(f"its process could not be started ({error})")
            self._tell(lambda: queue.settle(claim, death))
            self._offer(slot)
        else:
            log.info("{job}: a run of {spider}, process {pid}", job=key, spider=job.spider, pid=job.pid)
            self.processes[slot] = job

    def _look(self) -> "Deferred[None]":
        """Nothing that happens here may end the looking."""
        return self._one_at_a_time.run(self._look_once)

    @inlineCallbacks
    def _look_once(self) -> Generator["Deferred[Any]", Any, None]:
        for slot, job in [(slot, job) for slot, job in self.processes.items() if job.has_ended()]:
            self._take_leave(slot, job)
        try:
            if self.processes and monotonic() > self._renewed + RENEW_EVERY:
                # Read before anything is written: on SQLite a process that hangs may keep all others from writing.
                verdicts = yield database.later(self._verdicts)
                self._end_overtime(verdicts)
                if Verdict.PENDING in verdicts.values():
                    yield database.later(lambda: queue.renew(list(verdicts)))
                self._renewed = monotonic()
                self._fault.is_over()
        except Exception as error:  # the next look is in half a second
            self._fault.tell(error)
        try:
            while self._untold:
                yield database.later(self._untold[0])
                del self._untold[0]
        except (*DATABASE_ERRORS, ProgrammingError) as error:  # away, or between two migrations
            log.warn("The database cannot be told how jobs ended: {error}", error=one_line(error))
        except Exception:
            log.failure("How a job ended cannot be told")  # and the next one can
            del self._untold[0]

    def _take_leave(self, slot: int, job: Job) -> None:
        del self.processes[slot]
        death = job.death()
        log.info("{job} has ended: {words}", job=job.job, words=death.words)
        if self.running:
            self._tell(lambda: queue.settle(job.claim, death))
            self._offer(slot)
        else:
            self._tell(lambda: queue.release(job.claim))
            self._tell(lambda: queue.settle(job.claim, death))

    def _tell(self, function: Callable[[], None]) -> None:
        """Have the database know it at the next look, or at one after that."""
        self._untold.append(function)

    def _verdicts(self) -> dict[str, str]:
        """Those of the runs that the processes are for, by claim; what shows no life counts as lost."""
        runs = CrawlRun.objects.filter(claim__in=[job.claim for job in list(self.processes.values())])
        silent = dict.fromkeys(runs.filter(SILENT).values_list("claim", flat=True), Verdict.LOST)
        return dict(runs.values_list("claim", "verdict")) | silent

    def _end_overtime(self, verdicts: dict[str, str]) -> None:
        """Kill what hangs before its run has begun, or after that is over: it would hold its slot for ever."""
        for job in self.processes.values():
            verdict = verdicts.get(job.claim)  # none: another process has the job
            if job.idle is None or job.idle[0] != verdict:
                job.idle = verdict, monotonic()
            if verdict != Verdict.RUNNING and monotonic() > job.idle[1] + (
                BEGIN_WITHIN if verdict == Verdict.PENDING else END_WITHIN
            ):
                self._kill(job, "it hung")

    @staticmethod
    def _kill(job: Job, fault: str) -> None:
        log.warn("{job}: killing process {pid}, because {fault}", job=job.job, pid=job.pid, fault=fault)
        job.fault = f"killed by scrapyd, because {fault}"
        job.signalProcess(signal.SIGKILL)
        with suppress(TimeoutExpired):  # a process that waits for a disk is seen off at a later look
            job.process.wait(KILLED_WITHIN)
