"""No run is complete whose coins are not in the database, whatever has become of the database meanwhile."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from coincrawl.stored import check_stored
from fake_api import Answer, FakeAPI, Market, Request
from tests.support.crawls import Crawl
from webapp.coins.models import FullCoin
from webapp.crawls import recording
from webapp.crawls.models import CrawlRun
from webapp.crawls.recording import NotStored, RunLost
from webapp.crawls.verdict import Verdict

pytestmark = pytest.mark.every_database

GONE = "the database no longer has this run as it was last written: its row was deleted, or "
ANOTHER = "the file that DATABASE_URL names is not the one that this run wrote into"
DAMAGED = "the database's file is damaged ("


def meanwhile(api: FakeAPI, act: Callable[[], object], *, is_last_batch_stored: bool = False) -> None:
    """When all pages have been stored. Then a coin comes that only the list names, unless nothing else is to come."""

    def list_one_more(request: Request) -> Answer:
        usual = api.usual(request)
        return replace(usual, body=usual.body[:-1] + b', {"id": "late"}]')

    def answer(request: Request) -> Answer:
        try:
            act()
        finally:
            connection.close()  # the server's thread has one of its own
        if not is_last_batch_stored:
            api.market.add({"id": "late"})
        return api.usual(request)

    api.fault(list_one_more, path="/coins/list")
    api.fault(answer, ids="late")


# Files ------------------------------------------------------------------------------------------------


def empty_log(path: Path) -> None:
    """Have all that was written so far in the file itself."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def delete(path: Path) -> None:
    for part in path.parent.glob(f"{path.name}*"):
        part.unlink()


def delete_log(path: Path) -> None:
    for end in ("wal", "shm"):
        Path(f"{path}-{end}").unlink()


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 16_384)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("act", "is_last_batch_stored", "reasons"),
    [
        (delete, False, [ANOTHER]),
        (delete_log, False, [GONE]),
        (lambda path: Path(shutil.copy(path, path.parent / "copy")).rename(path), False, [ANOTHER]),
        (lambda path: os.truncate(path, 0), True, [ANOTHER, DAMAGED]),
        (lambda path: os.truncate(path, 0), False, [ANOTHER, DAMAGED]),
        (lambda path: path.write_bytes((path.parent / "backup").read_bytes()), False, [GONE, DAMAGED]),
        (damage, False, [DAMAGED]),
    ],
    ids=[
        "deleted",
        "log deleted",
        "replaced by its own copy",
        "truncated after the last batch",
        "truncated before it",
        "overwritten with a backup",
        "overwritten in the middle",
    ],
)
def test_a_file_that_is_not_what_was_written_makes_the_run_failed(
    act: Callable[[Path], object], is_last_batch_stored: bool, reasons: list[str], crawl: Crawl, tmp_path: Path
) -> None:
    path, backup = tmp_path / "coins.sqlite3", tmp_path / "backup"
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as database:
        database.execute(f"VACUUM INTO '{path}'")  # without unused pages: nobody would notice damage to those
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
    shutil.copy(path, backup)

    def happens() -> None:
        empty_log(path)
        act(path)

    with FakeAPI(Market(coins=500)) as api, closing(sqlite3.connect(path)) as reader:
        reader.execute("SELECT 1 FROM crawls_crawlrun")  # as the site does: the crawl's is not the only connection
        meanwhile(api, happens, is_last_batch_stored=is_last_batch_stored)

        done = crawl(api, "-s", "DATABASE_PATIENCE=1", DATABASE_URL=f"sqlite:///{path}")

    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert any(f"markets: failed: {reason}" in last for reason in reasons)
    assert "crawl again" in last.lower()
    assert "Traceback" not in done.stderr
    assert path.exists() is (act is not delete)


@pytest.mark.sqlite
@pytest.mark.django_db
@pytest.mark.parametrize(("small", "is_checked"), [(100_000_000, True), (1, False)], ids=["small", "large"])
def test_a_file_is_checked_for_damage_where_that_costs_little(
    small: int, is_checked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coincrawl.stored.MAX_CHECKED", small)
    run = recording.begin("markets", {})

    with CaptureQueriesContext(connection) as queries:
        check_stored(run, {})

    assert any("quick_check" in query["sql"] for query in queries) is is_checked


# Rows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda: CrawlRun.objects.all().delete(), GONE),
        (lambda: CrawlRun.objects.update(flushes=0), GONE),
        (lambda: FullCoin.objects.filter(pk="bitcoin").delete(), "1 of the 601 coins that this run has stored are not"),
    ],
    ids=["run deleted", "run of a backup", "coin deleted"],
)
def test_rows_that_are_gone_make_the_run_failed(
    act: Callable[[], object], reason: str, api: FakeAPI, crawl: Crawl
) -> None:
    meanwhile(api, act)

    done = crawl(api)

    assert done.returncode == 1
    assert f"markets: failed: {reason}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert {run.verdict for run in CrawlRun.objects.all()} <= {"failed"}


@pytest.mark.django_db
@pytest.mark.parametrize("number", [0, 1, 1_001])
def test_all_coins_that_a_run_has_stored_have_to_be_there(number: int) -> None:
    run, coins = recording.begin("markets", {}), {f"coin-{place}" for place in range(number)}
    FullCoin.objects.upsert({"coin_id": coin_id} for coin_id in [*coins, "another"])

    check_stored(run, coins)

    FullCoin.objects.filter(pk__in=["coin-0"]).delete()
    with pytest.raises(NotStored, match=f"1 of the {number:,} coins") if number else nullcontext():
        check_stored(run, coins)


@pytest.mark.django_db
def test_a_run_that_has_lost_its_lock_is_lost_and_not_gone() -> None:
    run = recording.begin("markets", {})
    CrawlRun.objects.update(verdict=Verdict.LOST)

    with pytest.raises(RunLost):
        check_stored(run, {})


@pytest.mark.django_db
def test_a_database_without_tables_has_not_the_run() -> None:
    run = recording.begin("markets", {})
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE crawls_crawlrun RENAME TO elsewhere")

    with pytest.raises(NotStored, match=GONE):
        check_stored(run, {})
