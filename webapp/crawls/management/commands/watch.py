"""`manage.py watch`: looks now and then whether something is ill, and tells people when that turns.

A turn is told once through each channel: what is told stands in the table of alarms, so that a restart neither repeats
nor forgets it, and a channel that fails has it again at the next look. What keeps that table away is told all the same,
from memory. Nothing that the database or a channel does ends it, or holds it up for long.
"""

import logging
import signal
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from datetime import datetime, timedelta
from functools import partial
from threading import Thread
from time import monotonic, sleep
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, connection
from django.utils import timezone

from webapp.api.management.commands.apitoken import site
from webapp.coins.texts import printable
from webapp.crawls import channels
from webapp.crawls.channels import ChannelError, Message
from webapp.crawls.models import Alarm
from webapp.crawls.monitoring import BEFORE_CHECKS, CHECKS, diagnose

logger = logging.getLogger(__name__)

LOOK_SECONDS = 30.0  # that the database may take; on SQLite it waits 20 s for another writer
SEND_SECONDS = 30.0  # that a channel may take in all; it has limits of its own for each answer
LONGEST_TEXT = 2_000  # characters of a message

T = TypeVar("T")


def aside(function: Callable[[], T]) -> Future[T]:
    """Call it in a thread that nobody has to wait for, neither here nor at the end of the process."""
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

    Thread(target=call, name="aside", daemon=True).start()
    return future


def look_and_note(now: datetime | None, names: Collection[str]) -> tuple[dict[str, str], list[Alarm]]:
    """What is wrong, and the alarms that follow from it; none where it is their table's database."""
    problems = diagnose(now)
    if problems.keys() & BEFORE_CHECKS:
        return problems, []
    try:
        return problems, Alarm.objects.take_note(problems, now or timezone.now(), names)
    except Error as error:
        return {"database": f"The table of alarms cannot be used: {printable(error, 300)}"}, []


def message_of(alarm: Alarm) -> Message:
    if alarm.is_ill:
        status, words = "ill", f"is ill since {alarm.since:%F %T} UTC. {alarm.reason}"
    else:
        lasted = timedelta(seconds=int((alarm.since - alarm.ill_since).total_seconds())) if alarm.ill_since else ""
        status, words = "well", f"is well again since {alarm.since:%F %T} UTC, after {lasted}. It was: {alarm.reason}"
    text = f"coincrawl at {site()}: {alarm.pk} {words}"
    return Message(alarm.pk, status, alarm.since, text[:LONGEST_TEXT])


class Watch:
    """Looks and tells; in memory it has what the database cannot be asked for."""

    def __init__(self) -> None:
        self._asked: Future[Any] = Future()
        self._asked.set_result(None)
        self._unkept: dict[str, Alarm] = {}  # of what keeps the table away
        self._told: set[tuple[str, datetime, str]] = set()  # what the table could not be told to be told
        self._logged: dict[str, bool] = {}

    def look(self, now: datetime | None = None) -> dict[str, str]:
        """Look once, tell what has turned to all who have not heard of it, and ping where all is well."""
        told_by = channels.set_up()
        problems, kept = self._look(now, told_by)
        for check in (*BEFORE_CHECKS, "watch"):
            alarm = self._unkept.setdefault(check, Alarm(check))
            alarm.take_note(problems.get(check, ""), now or timezone.now(), told_by)
        alarms = [*kept, *self._unkept.values()]
        for alarm in alarms:
            if alarm.is_ill != self._logged.get(alarm.pk, False):
                logger.warning("%s", printable(message_of(alarm).text, LONGEST_TEXT))
            self._logged[alarm.pk] = alarm.is_ill
        self._tell(alarms, told_by)
        if not (problems or any(alarm.is_ill or told_by.keys() & set(alarm.untold) for alarm in alarms)):
            self._send("ping", channels.ping)
        return problems

    def _look(self, now: datetime | None, names: Collection[str]) -> tuple[dict[str, str], list[Alarm]]:
        try:
            return self._ask(partial(look_and_note, now, list(names)))
        except TimeoutError:
            return {"database": f"The database has not answered for {LOOK_SECONDS:g} s."}, []
        except Exception as error:
            logger.exception("A look has failed")
            words = printable(error, 300)
            return {"watch": f"Nobody can tell how it is, for a look fails ({type(error).__name__}: {words})."}, []

    def _ask(self, question: Callable[[], T]) -> T:
        """Ask the database; while it is silent it is not asked anything else."""
        if not self._asked.done():
            raise TimeoutError
        self._asked = aside(question)
        return self._asked.result(LOOK_SECONDS)

    def _tell(self, alarms: Collection[Alarm], told_by: Mapping[str, Callable[[Message], None]]) -> None:
        for name, channel in told_by.items():
            for alarm in alarms:
                if name not in alarm.untold:
                    continue
                told = (alarm.pk, alarm.since, name)
                if told not in self._told and not self._send(name, partial(channel, message_of(alarm))):
                    break  # the others would not fare better now
                self._told.add(told)
                alarm.untold.remove(name)
                if self._keep(alarm):
                    self._told.discard(told)

    def _send(self, name: str, send: Callable[[], None]) -> bool:
        try:
            aside(send).result(SEND_SECONDS)
        except Exception as error:
            # Whatever it is: this may be the last one who can tell anybody.
            words = str(error) if isinstance(error, ChannelError) else printable(type(error).__name__, 100)
            logger.warning("The channel %s fails (%s); the next look tries again", name, words)
            return False
        return True

    def _keep(self, alarm: Alarm) -> bool:
        """Whether the table, too, knows who has still to be told."""
        if alarm.pk in self._unkept:
            return True
        try:
            self._ask(partial(Alarm.objects.filter(pk=alarm.pk).update, untold=alarm.untold))
        except Exception as error:
            logger.warning("It cannot be kept that it was told (%s)", printable(error, 300))
            return False
        return True


def seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number <= 86_400:
        raise ArgumentTypeError("must be a number of seconds, a day at most")
    return number


class Command(BaseCommand):
    help = "Look now and then whether something is ill, and tell people when that turns, until it is stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--every", type=seconds, default=30.0, metavar="SECONDS", help="(default: 30)")
        parser.add_argument("--once", action="store_true", help="look once; the second look in a row tells")
        parser.add_argument(
            "--test", action="store_true", help="send a message through each channel, and say how it went"
        )

    def handle(self, *args: Any, every: float, once: bool, test: bool, **options: Any) -> None:
        logging.basicConfig(format="%(asctime)s [%(name)s] %(levelname)s: %(message)s", level=logging.INFO)
        if test:
            self._test()
        elif once:
            self._once()
        else:
            self._watch(every)

    def _watch(self, every: float) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))  # whatever it waits for
        names = ", ".join(channels.set_up()) or "nobody: set ALARM_WEBHOOK_URL or ALARM_EMAILS"
        logger.info("Looking every %g s, and telling %s", every, names)
        watch = Watch()
        while True:
            began = monotonic()
            try:
                watch.look()
            except Exception:
                # One that ends is the illness that nobody hears of.
                logger.exception("A look has failed")
            sleep(max(0.0, began + every - monotonic()))

    def _once(self) -> None:
        problems = Watch().look()
        for check, problem in problems.items():
            self.stdout.write(f"{check}: {problem}")
        if problems.keys() - set(CHECKS):
            raise CommandError(
                "This cannot be told by a single look: it would have to be remembered where it cannot be."
            )

    def _test(self) -> None:
        message = Message("test", "well", timezone.now(), f"coincrawl at {site()}: this is a test of who is told.")
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
                aside(send).result(SEND_SECONDS)
            except (ChannelError, TimeoutError) as error:
                failed.append(name)
                self.stdout.write(f"{name}: failed ({error})")
            else:
                self.stdout.write(f"{name}: taken")
        if failed:
            raise CommandError(f"Not taken by {', '.join(failed)}.")
