"""/healthz and /readyz for load balancers and supervisors: on any host name, and with any problem."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from tests.support.broken_databases import away, checks_of_readyz, empty, silent
from tests.support.factories import DAY, HOUR, MINUTE, make_node, make_run, make_runs_of, make_schedule
from tests.support.processes import PATIENCE
from webapp import probes

pytestmark = pytest.mark.every_database

PROBES = ["/healthz", "/readyz"]
Trouble = Callable[[Path], AbstractContextManager[None]]
CHECKS = ("database", "migrations", "data", "schedule", "runs", "rejected", "source", "prices")
READY, UNKNOWN = (dict.fromkeys(CHECKS, word) for word in ("ok", "unknown"))


@pytest.fixture(autouse=True)
def no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer than the probes wait."""
    monkeypatch.setattr(probes, "LIMIT", PATIENCE)


def asked(client: Client) -> tuple[int, dict[str, str]]:
    """The status of /readyz, and what it says by check."""
    response = client.get("/readyz")
    assert response.json()["status"] == ("ready" if response.status_code == 200 else "not ready")
    return response.status_code, response.json()["checks"]


# Both --------------------------------------------------------------------------------------------
def test_the_process_answers_without_asking_the_database(client: Client) -> None:
    response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("host", ["10.1.2.3:8000", "foreign.example", "no host at all"])
def test_a_probe_is_answered_by_any_name_and_over_plain_http(
    settings: Any, client: Client, probe: str, host: str
) -> None:
    settings.ALLOWED_HOSTS = ["coins.example"]
    settings.SECURE_SSL_REDIRECT = True

    assert client.get(probe, headers={"host": host}).status_code == 200
    assert client.get("/", headers={"host": host}).status_code == 400
    assert client.get("/", headers={"host": "coins.example"}).status_code == 301


@pytest.mark.django_db
@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_is_json_that_is_not_cached_and_sets_no_cookie(client: Client, probe: str) -> None:
    response = client.get(probe)

    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies


@pytest.mark.django_db
@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize(
    ("method", "status"), [("GET", 200), ("HEAD", 200), ("POST", 405), ("PUT", 405), ("DELETE", 405), ("OPTIONS", 405)]
)
def test_a_probe_can_only_be_read(client: Client, probe: str, method: str, status: int) -> None:
    response = client.generic(method, probe)

    assert response.status_code == status
    assert response["Cache-Control"] == "no-store"
    assert response.get("Allow") == ("GET, HEAD" if status == 405 else None)


@pytest.mark.parametrize("path", ["/readyz/", "/healthz/x", "/x/healthz"])
def test_another_address_is_no_probe(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


# /readyz -----------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_it_is_ready_while_a_crawl_writes(client: Client) -> None:
    with transaction.atomic():
        make_run(verdict="running")
        answer = asked(client)

    assert answer == (200, READY)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("age", "verdict", "is_ready"),
    [
        pytest.param(timedelta(hours=11, minutes=59), "complete", True, id="new enough"),
        pytest.param(timedelta(hours=12, minutes=1), "complete", False, id="too old"),
        pytest.param(timedelta(0), "partial", False, id="none complete"),
    ],
)
def test_it_is_ready_while_the_copy_is_fresh_enough(
    settings: Any, client: Client, age: timedelta, verdict: str, is_ready: bool
) -> None:
    settings.DATA_MAX_AGE_HOURS = 12
    make_run(verdict=verdict, started_at=timezone.now() - age, finished_at=timezone.now() - age)

    answer = asked(client)

    assert answer == ((200, READY) if is_ready else (503, READY | {"data": "no run was complete for too long"}))


def not_beaten() -> None:
    make_schedule("hidden", changed_at=timezone.now() - DAY)


def failing() -> None:
    make_node(heartbeat_at=timezone.now())
    make_runs_of(
        make_schedule("hidden", changed_at=timezone.now() - HOUR),
        "failed",
        "lost",
        "failed",
        last=timezone.now(),
        every=MINUTE,
    )


def rejecting() -> None:
    make_node(heartbeat_at=timezone.now())
    schedule = make_schedule("hidden", changed_at=timezone.now() - 2 * DAY)
    make_runs_of(schedule, "complete", last=timezone.now() - DAY)
    make_run(schedule=schedule, rejected=10, queued_at=timezone.now(), finished_at=timezone.now())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("illness", "said"),
    [
        (not_beaten, {"schedule": "the schedule does not run", "data": "no run was complete for too long"}),
        (failing, {"runs": "runs fail one after the other"}),
        (rejecting, {"rejected": "more records are rejected than before"}),
    ],
)
def test_it_is_not_ready_while_a_check_fails_and_gives_no_details(
    client: Client, illness: Callable[[], None], said: dict[str, str]
) -> None:
    illness()

    answer = asked(client)

    assert answer == (503, READY | said)


@pytest.mark.django_db(transaction=True)
def test_a_503_sends_no_e_mail(
    settings: Any, client: Client, mailoutbox: list[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    settings.ALARM_EMAILS = ["ada@coins.example"]
    not_beaten()

    status, _ = asked(client)

    assert status == 503
    assert mailoutbox == []
    assert capfd.readouterr().err == ""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (away, UNKNOWN | {"database": "the database cannot be reached, or fails"}),
        (silent, UNKNOWN | {"database": "the database does not answer"}),
        (empty, UNKNOWN | {"database": "ok", "migrations": "the database is not migrated"}),
    ],
)
def test_trouble_with_the_database_is_said_and_over_when_it_is_over(
    client: Client, tmp_path: Path, trouble: Trouble, said: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with trouble(tmp_path), monkeypatch.context() as patch:
        if trouble is silent:
            patch.setattr(probes, "LIMIT", 0.5)
        during = asked(client)
    after = asked(client)

    assert during == (503, said)
    assert after == (200, READY)


@pytest.mark.django_db(transaction=True)
def test_a_check_that_hangs_is_not_started_again(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with silent(tmp_path):
        monkeypatch.setattr(probes, "LIMIT", 0.5)
        asked(client)
        monkeypatch.setattr(probes, "LIMIT", PATIENCE)
        again = asked(client)
        under_way = len(checks_of_readyz())

    assert again == (503, UNKNOWN | {"database": "the database does not answer"})
    assert under_way == 1


@pytest.mark.django_db(transaction=True)
def test_why_the_database_cannot_be_reached_stands_in_the_log(
    client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with away(tmp_path), caplog.at_level("WARNING", "webapp.crawls.monitoring"):
        client.get("/readyz")
        for thread in threading.enumerate():
            if thread.name == "readyz":  # a look that the answer has not waited for
                thread.join(PATIENCE)

    cause = "unable to open database file" if connection.vendor == "sqlite" else "Connection refused"
    assert cause in "\n".join(caplog.messages)
