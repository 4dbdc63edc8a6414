"""What people and programs are told while the database cannot be reached, or another process has locked it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from tests.support.broken_databases import away, caused_by, held, locked, of_sqlite
from tests.support.factories import make_rejected
from webapp.crawls.admin.rejected import RejectedRecordAdmin
from webapp.crawls.models import RejectedRecord
from webapp.unavailable import note_writes

pytestmark = [pytest.mark.every_database, pytest.mark.django_db(transaction=True)]

COINS = reverse("admin:coins_fullcoin_changelist")
LOGIN = reverse("admin:login")
AWAY, LOCKED = "The database cannot be reached.", "The database is locked by another process."
NOTHING, MAYBE = "Nothing of this request was stored.", "What you sent may have been stored"


@pytest.fixture
def person() -> Client:
    """A superuser's, who is shown what goes wrong."""
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("admin"))
    return client


@pytest.fixture
def ignore() -> str:
    """The button of a record."""
    return reverse("admin:crawls_rejectedrecord_ignore", args=[make_rejected("bitcoin").pk])


@contextmanager
def gone(folder: Path) -> Iterator[None]:
    """There is no database, for the connection of this thread either."""
    connection.close()
    with away(folder):
        connection.close()
        yield
    connection.close()


@contextmanager
def impatient() -> Iterator[None]:
    """The connection of this thread does not wait for locks."""
    connection.close()
    with pytest.MonkeyPatch.context() as patch:
        if connection.vendor == "sqlite":
            patch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0)
        else:
            patch.setitem(connection.settings_dict["OPTIONS"], "options", "-c lock_timeout=50")
        yield
        connection.close()


def errors(log: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in log.records if record.levelno >= logging.ERROR]


def test_the_log_has_a_line_for_each_answer(person: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with gone(tmp_path):
        person.get(COINS)

    (line,) = errors(caplog)
    (stderr,) = logging.getLogger(line.name).handlers
    assert line.getMessage().startswith(f"GET {COINS}: {AWAY} (")
    assert "\n" not in line.getMessage()
    assert line.exc_info is None
    assert stderr.filter(line)


@pytest.mark.parametrize(("method", "address"), [("get", COINS), ("get", "/admin/"), ("post", LOGIN)])
def test_a_page_says_that_the_database_is_away_without_asking_it(
    person: Client, tmp_path: Path, method: str, address: str
) -> None:
    with gone(tmp_path):
        response = getattr(person, method)(address, {"username": "admin", "password": "x"})
    after = person.get(COINS)

    page = response.content.decode()
    assert response.status_code == 503
    assert response["Retry-After"] == "10"
    assert response["Cache-Control"] == "no-store"
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert AWAY in page
    assert NOTHING in page
    assert ("Try again</a>" in page) == (method == "get")
    assert not response.cookies
    assert after.status_code == 200


@pytest.mark.parametrize("address", ["/api/health/", "/api/coins/", "/api/coins.csv", "/api/"])
def test_under_the_api_it_is_json(tmp_path: Path, address: str) -> None:
    client = Client(raise_request_exception=False)
    with gone(tmp_path):
        response = client.get(address, headers={"Authorization": "Token abc"})

    assert (response.status_code, response["Retry-After"]) == (503, "10")
    assert response.json() == {"detail": f"{AWAY} Try again in a moment."}


def test_a_button_that_waited_for_a_lock_in_vain_has_stored_nothing(person: Client, ignore: str) -> None:
    record = RejectedRecord.objects.get()
    with impatient(), held(record):
        response = person.post(ignore)

    assert response.status_code == 503
    assert LOCKED in response.content.decode()
    assert NOTHING in response.content.decode()
    assert RejectedRecord.objects.get().status == "open"


def test_what_was_written_before_may_have_been_stored(
    person: Client, ignore: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise locked()

    monkeypatch.setattr(RejectedRecordAdmin, "log_change", fail)

    page = person.post(ignore).content.decode()

    assert MAYBE in page
    assert NOTHING not in page


def test_a_session_is_not_what_somebody_has_sent(rf: RequestFactory) -> None:
    def save(request: HttpRequest) -> HttpResponse:
        SessionStore().save()
        return HttpResponse()

    request = rf.post("/")
    note_writes(save)(request)

    assert Session.objects.exists()
    assert "has_written" not in vars(request)


def test_a_message_that_the_session_cannot_keep_is_shown_at_once(
    person: Client, ignore: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def save(*arguments: Any, **options: Any) -> None:
        try:
            raise locked()
        except DatabaseError:
            raise UpdateError  # noqa: B904 - as Django raises it

    monkeypatch.setattr(SessionStore, "save", save)

    response = person.post(ignore)

    page = response.content.decode()
    assert response.status_code == 503
    assert LOCKED in page
    assert "It is ignored, also when it comes again." in page
    assert NOTHING not in page
    assert RejectedRecord.objects.get().status == "ignored"
    assert len(errors(caplog)) == 1


def test_a_session_that_somebody_has_deleted_is_no_trouble_of_the_database(
    person: Client, ignore: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(*arguments: Any, **options: Any) -> None:
        raise UpdateError

    monkeypatch.setattr(SessionStore, "save", save)

    assert person.post(ignore).status_code == 400


def test_an_error_of_ours_stays_one(person: Client, ignore: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        on_sqlite = connection.vendor == "sqlite"
        raise caused_by(of_sqlite("no such table: x", 1) if on_sqlite else psycopg.errors.QueryCanceled())

    monkeypatch.setattr(RejectedRecordAdmin, "press", fail)

    response = person.post(ignore)

    assert response.status_code == 500
    assert "The site has failed" in response.content.decode()
