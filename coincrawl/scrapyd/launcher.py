"""scrapyd's launcher: starts jobs, and loses neither a job nor the slot that it runs in, whatever goes wrong."""

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
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.task import LoopingCall
from twisted.python.components import Componentized

from coincrawl.scrapyd import database
from coincrawl.scrapyd.job import Job
from coincrawl.scrapyd.log import Log, RepeatedErrors
from webapp.coins.texts import one_line
from webapp.coins.upsert import DATABASE_ERRORS
from webapp.crawls import queue
from webapp.crawls.models import CrawlRun
from webapp.crawls.models.run import SILENT
from webapp.crawls.queue import Death
from webapp.crawls.verdict import Verdict

log = Log()

CHECK_EVERY = 0.5  # s
RENEW_EVERY = 5.0  # s
MAX_BEGIN_SECONDS = 300.0  # that a process may take to begin its run
MAX_END_SECONDS = 60.0  # that it may take to end once its run is over
MAX_KILL_SECONDS = 5.0  # only a process that waits for a disk takes any time
MAX_STOP_SECONDS = 15.0  # for all to end; a crawl takes ten at most while the database answers


class Launcher(Service):
    """Asks the poller for a job for each free slot, and checks on the processes.

    A crawl records its own verdict. If its process ends without one, the launcher records the job by its claim: as
    failed if the run had not begun, else as lost. If the database is away, it records it later.
    """

    name = "launcher"  # the web services find it by this name

    def __init__(self, config: Config, app: Componentized) -> None:
        self.processes: dict[int, Job] = {}  # by slot
        self.max_proc = config.getint("max_proc", 0) or multiprocessing.cpu_count() * config.getint(
            "max_proc_per_cpu", 4
        )
        self._poller = app.getComponent(IPoller)
        self._runner = config.get("runner")
        self._logs = Path(config.get("logs_dir"))
        self._unrecorded: list[Callable[[], None]] = []
        self._renewed_at = 0.0
        self._errors = RepeatedErrors(log, "The runs of jobs cannot be read", "The runs of jobs can be read again")

    def startService(self) -> None:
        super().startService()
        log.info("Up to {number} crawls at a time; their logs are in {logs}", number=self.max_proc, logs=self._logs)
        for slot in range(self.max_proc):
            self._request_job(slot)
        self._loop = LoopingCall(self._turn)
        self._stopped = self._loop.start(CHECK_EVERY)

    @inlineCallbacks
    def stopService(self) -> Generator["Deferred[Any]", Any, None]:
        """Stop the crawls and wait for them. Jobs that have not begun go back to the queue."""
        yield super().stopService()
        for job in self.processes.values():
            job.signalProcess(signal.SIGTERM)
        self._stop_by = monotonic() + MAX_STOP_SECONDS
        yield self._stopped
        for job in self.processes.values():
            self._kill(job, "it did not stop")
        yield self._check()

    def _request_job(self, slot: int) -> None:
        self._poller.next().addCallback(self._start, slot)

    def _start(self, message: dict[str, Any], slot: int) -> None:
        claim, key = message["settings"]["JOB_CLAIM"], message["_job"]
        if not self.running:
            self._record(lambda: queue.release(claim))
            return
        try:
            job = Job.start(message, self._runner, self._logs, settings.BASE_DIR)
        except Exception as error:  # whatever it is, the slot is free for another job
            log.error("{job} cannot be started: {error}", job=key, error=error)
            death = Death(f"its process could not be started ({error})")
            self._record(lambda: queue.settle(claim, death))
            self._request_job(slot)
        else:
            log.info("{job}: a run of {spider}, process {pid}", job=key, spider=job.spider, pid=job.pid)
            self.processes[slot] = job

    def _turn(self) -> "Deferred[None]":
        """A turn of the loop, which ends once scrapyd stops and nothing is left to be done."""
        if not self.running and (not (self.processes or self._unrecorded) or monotonic() > self._stop_by):
            self._loop.stop()
            return succeed(None)
        return self._check()

    @inlineCallbacks
    def _check(self) -> Generator["Deferred[Any]", Any, None]:
        for slot, job in [(slot, job) for slot, job in self.processes.items() if job.has_ended()]:
            self._end(slot, job)
        if self.processes and monotonic() > self._renewed_at + RENEW_EVERY:
            with self._errors:
                # Read before anything is written: on SQLite a process that hangs may keep all others from writing.
                verdicts = yield database.later(self._verdicts)
                self._kill_hanging(verdicts)
                if Verdict.PENDING in verdicts.values():
                    yield database.later(lambda: queue.renew(list(verdicts)))
                self._renewed_at = monotonic()
        try:
            while self._unrecorded:
                yield database.later(self._unrecorded[0])
                del self._unrecorded[0]
        except (*DATABASE_ERRORS, ProgrammingError) as error:  # away, or between two migrations
            log.warn("The end of jobs cannot be recorded yet: {error}", error=one_line(error))
        except Exception:
            log.failure("The end of a job cannot be recorded")
            del self._unrecorded[0]  # the next one may be

    def _end(self, slot: int, job: Job) -> None:
        del self.processes[slot]
        death = job.death()
        log.info("{job} has ended: {words}", job=job.job, words=death.words)
        if self.running:
            self._request_job(slot)
        else:
            self._record(lambda: queue.release(job.claim))
        self._record(lambda: queue.settle(job.claim, death))

    def _record(self, function: Callable[[], None]) -> None:
        """Call the function in the database's thread at the next check, and again at later ones until it succeeds."""
        self._unrecorded.append(function)

    def _verdicts(self) -> dict[str, str]:
        """The verdicts of the processes' runs, by claim. A run without a heartbeat counts as lost."""
        runs = CrawlRun.objects.filter(claim__in=[job.claim for job in list(self.processes.values())])
        silent = dict.fromkeys(runs.filter(SILENT).values_list("claim", flat=True), Verdict.LOST)
        return dict(runs.values_list("claim", "verdict")) | silent

    def _kill_hanging(self, verdicts: dict[str, str]) -> None:
        """Kill a process that hangs before its run has begun or after it is over: it would hold its slot for ever."""
        for job in self.processes.values():
            verdict = verdicts.get(job.claim)  # none: another process has the job
            allowed = MAX_BEGIN_SECONDS if verdict == Verdict.PENDING else MAX_END_SECONDS
            if job.seconds_with(verdict, monotonic()) > allowed and verdict != Verdict.RUNNING:
                self._kill(job, "it hung")

    @staticmethod
    def _kill(job: Job, fault: str) -> None:
        log.warn("{job}: killing process {pid}, because {fault}", job=job.job, pid=job.pid, fault=fault)
        job.kill(fault)
        with suppress(TimeoutExpired):  # a process that waits for a disk is removed at a later check
            job.process.wait(MAX_KILL_SECONDS)
