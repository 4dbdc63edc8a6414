"""`manage.py watch`: runs all checks now and then, and notifies people when one fails or has recovered.

Each change is sent through each channel. The table of alarms has the channels that have still to send it: a channel
that fails tries again in the next round, also after a restart. A message is repeated if the table cannot be written
just after it was sent. If the database cannot be used, people are notified from memory.
"""

import logging
import signal
import sys
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from functools import partial
from threading import Thread
from time import monotonic, sleep
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, connection
from django.utils import timezone

from webapp.coins.texts import printable
from webapp.crawls import channels
from webapp.crawls.channels import ChannelError, Message, site_address
from webapp.crawls.models import Alarm
from webapp.crawls.monitoring import BEFORE_CHECKS, CHECKS, diagnose

logger = logging.getLogger(__name__)

CHECK_SECONDS = 30.0  # that the database may take; on SQLite it waits 20 s for another writer
SEND_SECONDS = 30.0  # that a channel may take in all; it has limits of its own for each answer
MAX_TEXT = 2_000  # characters of a message

T = TypeVar("T")


def in_thread(function: Callable[[], T]) -> Future[T]:
    """Call it in a daemon thread: what hangs there is not waited for at the end of the process."""
    future: Future[T] = Future()

    def call() -> None:
        try:
            try:
                result = function()
            finally:
                connection.close()  # the thread's own
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    Thread(target=call, name="watch", daemon=True).start()
    return future


def check(now: datetime | None, names: Collection[str]) -> tuple[dict[str, str], list[Alarm]]:
    """The problems and the alarms that follow from them. There are no alarms if their table cannot be used."""
    problems = diagnose(now)
    if problems.keys() & BEFORE_CHECKS:
        return problems, []
    try:
        return problems, Alarm.objects.update_all(problems, now or timezone.now(), names)
    except Error as error:
        return {"database": f"The table of alarms cannot be used: {printable(error, 300)}"}, []


def message_of(alarm: Alarm) -> Message:
    if alarm.is_failing:
        status, words = "failing", f"is failing since {alarm.since:%F %T} UTC. {alarm.reason}"
    else:
        words = f"recovered at {alarm.since:%F %T} UTC, after {alarm.lasted}. It was: {alarm.reason}"
        status = "recovered"
    text = f"coincrawl at {site_address()}: {alarm.pk} {words}"
    return Message(alarm.pk, status, alarm.since, text[:MAX_TEXT])


class Watch:
    """Runs the checks and notifies people. It remembers what the database cannot be asked for."""

    def __init__(self) -> None:
        self._asked: Future[Any] = Future()
        self._asked.set_result(None)
        self._own = {check: Alarm(check) for check in (*BEFORE_CHECKS, "watch")}  # if these fail, the table may too
        self._logged: dict[str, bool] = {}

    def run_checks(self, now: datetime | None = None) -> dict[str, str]:
        """Run all checks, send what has changed, and ping if nothing fails. Returns the problems."""
        names = list(channels.set_up())
        problems, kept = self._check(now, names)
        for check, alarm in self._own.items():
            alarm.update(problems.get(check, ""), now or timezone.now(), names)
        alarms = [*kept, *self._own.values()]
        for alarm in alarms:
            if alarm.is_failing != self._logged.get(alarm.pk, False):
                logger.warning("%s", printable(message_of(alarm).text, MAX_TEXT))
            self._logged[alarm.pk] = alarm.is_failing
        self._notify(alarms)
        if not (problems or any(alarm.is_failing or set(names) & set(alarm.unsent) for alarm in alarms)):
            self._send("ping", channels.ping)
        return problems

    def _check(self, now: datetime | None, names: Collection[str]) -> tuple[dict[str, str], list[Alarm]]:
        try:
            return self._ask(partial(check, now, names))
        except TimeoutError:
            return {"database": f"The database has not answered for {CHECK_SECONDS:g} s."}, []
        except Exception as error:
            logger.exception("A round of checks has failed")
            return {"watch": f"The checks cannot be run ({type(error).__name__}: {printable(error, 300)})."}, []

    def _ask(self, question: Callable[[], T]) -> T:
        """Ask the database; while it does not answer it is not asked anything else."""
        if not self._asked.done():
            raise TimeoutError
        self._asked = in_thread(question)
        return self._asked.result(CHECK_SECONDS)

    def _notify(self, alarms: Collection[Alarm]) -> None:
        for name, channel in channels.set_up().items():
            for alarm in alarms:
                if name not in alarm.unsent:
                    continue
                if not self._send(name, partial(channel, message_of(alarm))):
                    break  # the others would fail too
                alarm.unsent.remove(name)
                if alarm.pk not in self._own:
                    with suppress(Exception):  # then it is sent once more
                        self._ask(partial(Alarm.objects.filter(pk=alarm.pk).update, unsent=alarm.unsent))

    def _send(self, name: str, send: Callable[[], None]) -> bool:
        try:
            in_thread(send).result(SEND_SECONDS)
        except Exception as error:  # of any kind: nothing may end the watch
            words = str(error) if isinstance(error, ChannelError) else printable(type(error).__name__, 100)
            logger.warning("The channel %s fails (%s); the next round tries again", name, words)
            return False
        return True


class Command(BaseCommand):
    help = "Runs all checks every 30 seconds, and notifies people when one fails or recovers, until it is stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--every", type=float, default=30.0, metavar="SECONDS", help="from one round of checks to the next (30)"
        )
        parser.add_argument(
            "--once", action="store_true", help="one round of checks; a message needs the same result in two rounds"
        )
        parser.add_argument("--test", action="store_true", help="send a message through each channel")

    def handle(self, *args: Any, every: float, once: bool, test: bool, **options: Any) -> None:
        if not 0 < every <= 86_400:
            raise CommandError("--every must be a number of seconds, a day at most.")
        logging.basicConfig(format="%(asctime)s [%(name)s] %(levelname)s: %(message)s", level=logging.INFO)
        if test:
            self._test()
        elif once:
            self._once()
        else:
            self._watch(every)

    def _watch(self, every: float) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))  # without waiting for a thread
        names = ", ".join(channels.set_up()) or "nobody: set ALARM_WEBHOOK_URL or ALARM_EMAILS"
        logger.info("Checking every %g s, and notifying %s", every, names)
        watch = Watch()
        while True:
            began = monotonic()
            try:
                watch.run_checks()
            except Exception:  # if the watch ended, nobody would be notified
                logger.exception("A round of checks has failed")
            sleep(max(0.0, began + every - monotonic()))

    def _once(self) -> None:
        problems = Watch().run_checks()
        for check, problem in problems.items():
            self.stdout.write(f"{check}: {problem}")
        if problems.keys() - set(CHECKS):
            raise CommandError("Nobody was notified: the database, which keeps the results of rounds, cannot be used.")

    def _test(self) -> None:
        text = f"coincrawl at {site_address()}: this is a test message."
        message = Message("test", "recovered", timezone.now(), text)
        sends: dict[str, Callable[[], None]] = {
            name: partial(channel, message) for name, channel in channels.set_up().items()
        }
        if settings.ALARM_PING_URL:
            sends["ping"] = channels.ping
        if not sends:
            raise CommandError("There is no channel: set ALARM_WEBHOOK_URL, ALARM_EMAILS or ALARM_PING_URL.")
        failed = []
        for name, send in sends.items():
            try:
                in_thread(send).result(SEND_SECONDS)
            except (ChannelError, TimeoutError) as error:
                failed.append(name)
                self.stdout.write(f"{name}: failed ({error})")
            else:
                self.stdout.write(f"{name}: sent")
        if failed:
            raise CommandError(f"Not sent by {', '.join(failed)}.")
