"""`manage.py fromsqlite FILE`: all that SQLite has is on PostgreSQL afterwards, and nothing else changes."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from tests.support.databases import migrated
from tests.support.everything import THEN, fill, rows
from webapp.coins.models import FullCoin
from webapp.crawls.models import CrawlRun, CrawlSchedule, RejectedRecord
from webapp.crawls.verdict import Verdict

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True, reset_sequences=True),
]

FILE = "file"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database that has been migrated and not been used."""
    return migrated(tmp_path_factory.mktemp("moving") / "empty.sqlite3")


@pytest.fixture(autouse=True)
def any_database(transactional_db: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Tests may ask other databases than Django knew of when they began."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def file(empty: Path, tmp_path: Path) -> Iterator[Path]:
    """A SQLite database that Django knows as FILE meanwhile."""
    path = tmp_path / "a name & 100%25 more?.sqlite3"
    path.write_bytes(empty.read_bytes())
    engine = {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": {}}
    connections.settings[FILE] = connections["default"].settings_dict | engine
    yield path
    connections[FILE].close()
    del connections[FILE], connections.settings[FILE]


def test_every_row_of_every_table_is_there_with_every_value(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(FILE)
    before = rows(FILE)

    call_command("fromsqlite", file)

    assert rows("default") == rows(FILE) == before
    assert [name for name, of_it in before.items() if not of_it] == ["sessions.Session"]  # nothing else was not tried
    said = capsys.readouterr().out.splitlines()
    assert {"      303 coins", "        2 crawl runs", "        1 users"} <= set(said)


def test_what_is_made_afterwards_has_keys_of_its_own_and_rights_are_what_they_were(file: Path) -> None:
    fill(FILE)
    call_command("fromsqlite", file)

    CrawlSchedule.objects.create(name="T", spider="markets", crontab="0 5 * * *")
    User.objects.create(username="grace")
    ada = User.objects.get(username="ada")

    assert ada.has_perms(["coins.view_fullcoin", "crawls.run_crawlschedule"])
    assert not ada.has_perm("crawls.stop_crawlrun")


def test_what_is_written_meanwhile_is_left_out_as_a_whole(file: Path) -> None:
    fill(FILE)
    before = rows(FILE)

    def delete_it(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        if sql.startswith('INSERT INTO "coins_fullcoin"'):
            for model in (FullCoin, CrawlRun, RejectedRecord, User):
                model._base_manager.using(FILE).all().delete()
        return execute(sql, *arguments)

    with connections["default"].execute_wrapper(delete_it):
        call_command("fromsqlite", file)

    assert rows("default") == before
    assert not FullCoin.objects.using(FILE).exists()


# Refusals -----------------------------------------------------------------------------------------


def used_already() -> None:
    CrawlSchedule.objects.create(name="T", spider="markets", crontab="0 5 * * *")


def under_way() -> None:
    CrawlRun.objects.using(FILE).create(spider="markets", verdict=Verdict.RUNNING, heartbeat_at=timezone.now())


def of_an_older_version() -> None:
    with connections[FILE].cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'coins'")


def nul() -> None:
    """Among others."""
    names = {"before": "a", "nul": "\0", "then": "b"}
    stamps = {"vs_currency": "usd", "first_seen_at": THEN, "changed_at": THEN}
    FullCoin.objects.using(FILE).bulk_create(FullCoin(coin_id=pk, name=name, **stamps) for pk, name in names.items())


def half_a_character() -> None:
    CrawlRun.objects.using(FILE).create(pk="half", spider="markets", arguments={"category": "\ud83d"})


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        (used_already, r"The database that DATABASE_URL names is not empty: it has schedules\. "),
        (under_way, r"A run of markets is under way in .*: stop it, or wait for its end\."),
        (
            of_an_older_version,
            r".*sqlite3: The database is not migrated: run `python webapp/manage\.py migrate` first\.",
        ),
        (half_a_character, r"The crawl run half cannot be stored \(.*\)\. Nothing was copied\."),
        (nul, r"The coin nul cannot be stored \(.*\)\. Nothing was copied\."),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_it_says_why_not_and_leaves_all_as_it_was(trouble: Callable[[], None], sentence: str, file: Path) -> None:
    trouble()
    before = rows("default")

    with pytest.raises(CommandError, match=sentence):
        call_command("fromsqlite", file)

    assert rows("default") == before


def test_a_run_that_was_killed_does_not_hinder_it(file: Path) -> None:
    long_ago = timezone.now() - timedelta(minutes=4)
    CrawlRun.objects.using(FILE).create(spider="markets", verdict=Verdict.RUNNING, heartbeat_at=long_ago)

    call_command("fromsqlite", file)

    assert CrawlRun.objects.get().verdict == Verdict.RUNNING


@pytest.mark.parametrize(
    ("name", "sentence"), [("none", "There is no file .*none"), ("text", "text is not a SQLite database")]
)
def test_a_file_that_is_none_is_a_sentence(name: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database " * 100)

    with pytest.raises(CommandError, match=sentence):
        call_command("fromsqlite", tmp_path / name)

    assert not (tmp_path / "none").exists()
