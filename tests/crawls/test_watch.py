"""`manage.py watch`: who is told what, how often, and what it survives. With real receivers on ports of their own."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from fake_api import Listener
from tests.support.broken_databases import away, empty, silent
from tests.support.factories import DAY, HOUR, MINUTE, NOON, make_node, make_runs_of, make_schedule
from tests.support.processes import PATIENCE, ROOT
from tests.support.receivers import MailServer, Receiver
from webapp.crawls.management.commands import watch
from webapp.crawls.management.commands.watch import Watch
from webapp.crawls.models import Alarm, CrawlSchedule

pytestmark = pytest.mark.django_db(transaction=True)

ROUND = timedelta(seconds=30)
SECRET = "/hooks/secret-token"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def _channels(settings: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The webhook alone, and no proxy before it."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    settings.ALARM_WEBHOOK_URL = receiver.url + SECRET
    settings.ALARM_PING_URL = ""
    settings.ALARM_EMAILS = []


@pytest.fixture
def mail(settings: Any) -> Iterator[MailServer]:
    with MailServer() as server:
        settings.ALARM_EMAILS = ["ada@coins.example", "grace@coins.example"]
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        yield server


def fail(now: datetime = NOON) -> None:
    """Runs fail, and nothing else is wrong."""
    make_node(heartbeat_at=now + DAY)
    schedule = make_schedule("failing", changed_at=now - HOUR, crontab="0 0 1 * *")
    make_runs_of(schedule, "failed", "failed", "failed", last=now, every=MINUTE)


def recover() -> None:
    make_runs_of(CrawlSchedule.objects.get(), "complete", last=NOON + MINUTE)


def rename(table: str, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {name}")


@contextmanager
def without_a_table(_: Path) -> Iterator[None]:
    """The alarms' table is not there."""
    rename("crawls_alarm", "elsewhere")
    yield
    rename("elsewhere", "crawls_alarm")


def run_checks(watch: Watch, number: int = 2, now: datetime = NOON) -> None:
    """So many in a row."""
    for count in range(number):
        watch.run_checks(now + count * ROUND)


# What is told ------------------------------------------------------------------------------------
@pytest.mark.every_database
def test_one_message_when_a_check_fails_and_one_when_it_recovers(receiver: Receiver) -> None:
    watching = Watch()

    fail()
    run_checks(watching, 10)
    recover()
    run_checks(watching, 10, NOON + HOUR)

    failing, recovered = receiver.messages
    reason = 'The last 3 runs of the schedule "failing", since 2026-02-05 11:57:00 UTC, were not complete '
    assert failing.items() >= {"check": "runs", "status": "failing", "since": "2026-02-05T12:00:00+00:00"}.items()
    assert f": runs is failing since 2026-02-05 12:00:00 UTC. {reason}" in failing["text"]
    assert recovered.items() >= {"check": "runs", "status": "recovered", "since": "2026-02-05T13:00:00+00:00"}.items()
    assert f": runs recovered at 2026-02-05 13:00:00 UTC, after 1:00:00. It was: {reason}" in recovered["text"]
    assert {path for _, path, _ in receiver.got} == {SECRET}


def test_a_check_that_never_fails_is_no_news(receiver: Receiver) -> None:
    run_checks(Watch(), 3)

    assert receiver.got == []


def test_what_a_single_round_has_found_is_no_news(receiver: Receiver) -> None:
    watching = Watch()
    fail()
    run_checks(watching, 1)
    recover()
    run_checks(watching, 3, NOON + HOUR)

    assert receiver.got == []


def test_single_good_rounds_are_no_news_either(receiver: Receiver) -> None:
    watching = Watch()
    fail()
    run_checks(watching, 2)
    for enabled in (False, True, False, True):
        CrawlSchedule.objects.update(enabled=enabled)
        run_checks(watching, 1, NOON + HOUR)

    assert receiver.said == ["runs failing"]


def test_a_check_that_fails_again_is_told_again(receiver: Receiver) -> None:
    watching = Watch()
    fail()
    for enabled in (True, False, True):
        CrawlSchedule.objects.update(enabled=enabled)
        run_checks(watching, 2)

    assert receiver.said == ["runs failing", "runs recovered", "runs failing"]


def test_another_sentence_of_a_lasting_failure_is_no_news_and_is_told_at_its_end(receiver: Receiver) -> None:
    watching = Watch()
    fail()
    run_checks(watching)
    make_runs_of(CrawlSchedule.objects.get(), "partial", last=NOON + MINUTE)
    run_checks(watching)
    CrawlSchedule.objects.update(enabled=False)
    run_checks(watching)

    assert receiver.said == ["runs failing", "runs recovered"]
    assert "The last one: the reason of 12:01." in receiver.messages[1]["text"]


def test_each_failing_check_has_a_message_of_its_own(receiver: Receiver) -> None:
    fail()
    make_schedule("wrong", crontab="never")

    run_checks(Watch())

    assert sorted(receiver.said) == ["runs failing", "schedule failing"]


def test_a_channel_that_fails_is_not_tried_with_every_message(receiver: Receiver) -> None:
    receiver.statuses = [500]
    fail()
    make_schedule("wrong", crontab="never")

    run_checks(Watch(), 2)
    at_first = len(receiver.said)
    run_checks(Watch(), 1)

    assert at_first == 1
    assert sorted(receiver.said[1:]) == ["runs failing", "schedule failing"]


def test_a_message_is_not_endless(receiver: Receiver) -> None:
    make_node(heartbeat_at=NOON)
    for number in range(100):
        make_schedule(f"wrong {number}", crontab="never")

    run_checks(Watch())

    assert len(receiver.messages[0]["text"]) == 2_000


@pytest.mark.every_database
def test_it_is_not_ready_meanwhile(client: Client, receiver: Receiver) -> None:
    fail(timezone.now())
    run_checks(Watch())
    during = client.get("/readyz").status_code
    CrawlSchedule.objects.update(enabled=False)
    run_checks(Watch())
    after = client.get("/readyz").status_code

    assert (during, after) == (503, 200)
    assert receiver.said == ["runs failing", "runs recovered"]


# Restarts ----------------------------------------------------------------------------------------
@pytest.mark.every_database
def test_a_restart_neither_repeats_nor_forgets(receiver: Receiver) -> None:
    fail()
    for _ in range(5):
        run_checks(Watch(), 1)
    recover()
    for _ in range(5):
        run_checks(Watch(), 1)

    assert receiver.said == ["runs failing", "runs recovered"]


def test_single_rounds_tell_as_well(receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    make_schedule("wrong", crontab="never", enabled=True)
    for _ in range(3):
        call_command("watch", "--once")
    CrawlSchedule.objects.update(enabled=False)
    for _ in range(3):
        call_command("watch", "--once")

    assert receiver.said == ["schedule failing", "schedule recovered"]
    assert "schedule: No scrapyd has had a heartbeat so far" in capsys.readouterr().out


# Channels ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_webhook_that_fails_is_tried_again_and_mail_is_not_repeated(
    receiver: Receiver, mail: MailServer, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    receiver.statuses = [status, status]
    fail()

    run_checks(Watch(), 2)
    run_checks(Watch(), 3)

    assert receiver.said == ["runs failing"] * 3
    assert [path for _, path, _ in receiver.got] == [SECRET] * 3
    assert len(mail.got) == 1
    assert caplog.messages.count(f"The channel webhook fails (it answered {status}); the next round tries again") == 2
    assert SECRET not in caplog.text


def test_what_was_not_told_while_it_lasted_is_told_at_its_end(receiver: Receiver) -> None:
    receiver.statuses = [500]
    watching = Watch()
    fail()
    run_checks(watching, 2)
    CrawlSchedule.objects.update(enabled=False)
    receiver.statuses = [500]
    run_checks(watching, 3)

    assert receiver.said == ["runs failing", "runs failing", "runs recovered"]


def test_mail_goes_to_all_and_says_the_same(receiver: Receiver, mail: MailServer) -> None:
    watching = Watch()
    fail()
    run_checks(watching)
    recover()
    run_checks(watching, now=NOON + HOUR)

    failing, recovered = map(message_from_bytes, mail.got)
    assert (failing["Subject"], recovered["Subject"]) == ("coincrawl: runs is failing", "coincrawl: runs recovered")
    assert (failing["To"], failing["From"]) == ("ada@coins.example, grace@coins.example", "coincrawl@localhost")
    assert " ".join(str(failing.get_payload()).split()) == receiver.messages[0]["text"]


def test_a_channel_that_is_not_there_holds_up_nobody(settings: Any, mail: MailServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    settings.ALARM_WEBHOOK_URL = f"http://127.0.0.1:{port}"
    settings.ALARM_PING_URL = f"http://127.0.0.1:{port}"
    fail()

    run_checks(Watch(), 3)

    assert len(mail.got) == 1


def test_a_channel_that_is_silent_is_given_up(
    settings: Any, mail: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "SEND_SECONDS", 0.1)
    fail()
    with Listener() as silent:
        settings.ALARM_WEBHOOK_URL = silent.url
        settings.EMAIL_PORT = int(silent.url.rpartition(":")[2])
        run_checks(Watch(), 2)

    fails = "The channel {} fails (TimeoutError); the next round tries again"
    assert {fails.format("webhook"), fails.format("email")} <= set(caplog.messages)


def test_while_nothing_fails_and_all_is_told_an_address_is_pinged(settings: Any, receiver: Receiver) -> None:
    settings.ALARM_PING_URL = f"{receiver.url}/ping"
    watching = Watch()
    run_checks(watching, 3)
    fail()
    run_checks(watching, 3)
    CrawlSchedule.objects.update(enabled=False)
    receiver.statuses = [500]  # the message that it recovered
    run_checks(watching, 4)

    asked = [(method, path) for method, path, _ in receiver.got]
    ping, post = ("GET", "/ping"), ("POST", SECRET)
    assert asked == [ping, ping, ping, post, post, post, ping, ping]


# The database ------------------------------------------------------------------------------------
@pytest.mark.every_database
@pytest.mark.parametrize(
    ("trouble", "check"), [(away, "database"), (empty, "migrations"), (without_a_table, "database")]
)
def test_trouble_with_the_database_is_told_and_all_else_waits_for_its_end(
    receiver: Receiver, tmp_path: Path, trouble: Any, check: str
) -> None:
    watching = Watch()
    fail()
    run_checks(watching, 3)
    with trouble(tmp_path):
        run_checks(watching, 3, NOON + HOUR)
    run_checks(watching, 3, NOON + 2 * HOUR)
    CrawlSchedule.objects.update(enabled=False)
    run_checks(watching, 3, NOON + 3 * HOUR)

    assert receiver.said == ["runs failing", f"{check} failing", f"{check} recovered", "runs recovered"]
    assert receiver.messages[2]["since"] == "2026-02-05T14:00:00+00:00"


@pytest.mark.every_database
def test_a_database_that_is_silent_is_told_and_is_asked_once(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asking() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "watch"]

    watching = Watch()
    with silent(tmp_path):
        monkeypatch.setattr(watch, "CHECK_SECONDS", 0.1)
        run_checks(watching, 3)
        at_once = len(asking())
    for thread in asking():
        thread.join()
    monkeypatch.setattr(watch, "CHECK_SECONDS", 30)
    run_checks(watching, 3)

    assert at_once == 1
    assert receiver.said == ["database failing", "database recovered"]
    assert "The database has not answered for 0.1 s." in receiver.messages[0]["text"]


@pytest.mark.every_database
def test_what_is_told_while_the_table_goes_away_is_told_once_more(receiver: Receiver) -> None:
    def take_the_table_away() -> None:
        rename("crawls_alarm", "elsewhere")
        connection.close()  # the receiver's own

    watching = Watch()
    fail()
    receiver.on_message = take_the_table_away
    run_checks(watching, 2)
    receiver.on_message = lambda: None
    rename("elsewhere", "crawls_alarm")
    run_checks(watching, 3)

    assert receiver.said == ["runs failing"] * 2
    assert Alarm.objects.get().unsent == []


def test_a_round_that_breaks_is_told_too(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watch()
    with monkeypatch.context() as patch:
        patch.setattr(watch, "diagnose", lambda now: 1 / 0)
        run_checks(watching, 3)
    run_checks(watching, 3)

    assert receiver.said == ["watch failing", "watch recovered"]
    assert "The checks cannot be run (ZeroDivisionError: division by zero)" in receiver.messages[0]["text"]


# The command -------------------------------------------------------------------------------------
@pytest.mark.every_database
def test_it_watches_until_it_is_stopped_and_then_stops_at_once(database_url: str) -> None:
    make_schedule(changed_at=timezone.now() - HOUR)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(PATIENCE)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        environment = {"DATABASE_URL": database_url, "ALARM_WEBHOOK_URL": url, "ALARM_PING_URL": ""}
        process = subprocess.Popen(
            [sys.executable, "webapp/manage.py", "watch", "--every", "0.1"],
            cwd=ROOT,
            env=os.environ | environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        client, _ = server.accept()  # it tells, and waits for an answer
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=PATIENCE)
        client.close()

    assert process.returncode == 0
    assert "Checking every 0.1 s, and notifying webhook" in log
    assert "schedule is failing since" in log
    assert "Traceback" not in log
    assert "fails" not in log  # it has not waited for that


def test_a_single_round_says_what_it_cannot_remember(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with away(tmp_path), pytest.raises(CommandError, match="Nobody was notified"):
        call_command("watch", "--once")

    assert capsys.readouterr().out.startswith("database: The database cannot be reached, or fails: ")
