"""The database fails in the middle of a crawl: nothing is lost, nothing is claimed, and nothing is fetched in vain."""

import re
import resource
import signal
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.db.models.functions import Now

from fake_api import Answer, FakeAPI, Market, Request, answers
from tests.support.crawls import Crawl, Crawling, crawl_command
from tests.support.databases import Away, administer, cut_all
from tests.support.processes import PATIENCE
from webapp.coins.models import FullCoin
from webapp.crawls.models import CrawlRun

pytestmark = pytest.mark.every_database


@pytest.fixture
def market() -> Iterator[FakeAPI]:
    with FakeAPI(Market(coins=4_000)) as fake:
        yield fake


def counted(run: CrawlRun) -> int:
    return run.created + run.updated + run.unchanged + run.stale + run.duplicates + run.rejected


def age() -> None:
    """Let three minutes pass for the run that says it is running."""
    CrawlRun.objects.filter(verdict="running").update(heartbeat_at=Now() - timedelta(seconds=181))


def test_a_database_that_is_away_for_a_while_costs_nothing(
    api: FakeAPI, crawling: Crawling, away: Away, database_url: str
) -> None:
    with crawling(api, COINGECKO_CALLS_PER_MINUTE="120") as process:
        api.wait_for(requests=1)
        with away():
            process.read_until("The database fails")
            process.read_until("The database fails")
        process.end()

    run = CrawlRun.objects.get()
    assert (process.returncode, run.verdict) == (0, "complete")
    assert (run.seen, counted(run), FullCoin.objects.count()) == (600, 600, 600)
    assert len(api.requests) == 7


def test_a_database_that_stays_away_ends_the_fetching_and_the_run(
    market: FakeAPI, crawling: Crawling, crawl: Crawl, away: Away
) -> None:
    with crawling(market, "-s", "DATABASE_PATIENCE=3", COINGECKO_CALLS_PER_MINUTE="600") as process:
        market.wait_for(requests=4)
        with away():
            process.read_until("The database fails")
            asked = len(market.requests)
            log = process.end()

    run = CrawlRun.objects.get()
    assert process.returncode == 1
    assert "markets: failed: the database fails (" in log[-1]
    assert "Traceback" not in "".join(log)
    assert len(market.requests) <= asked + 3
    assert run.seen == counted(run) == FullCoin.objects.count() < 4_000
    age()
    assert crawl(market).returncode == 0
    assert FullCoin.objects.count() == 4_000
    assert set(CrawlRun.objects.values_list("verdict", flat=True)) in ({"failed", "complete"}, {"lost", "complete"})


def fill_the_disk() -> None:
    """For the process that follows: no file gets longer than the test database, give or take a page of coins."""
    longest = Path(connection.settings_dict["NAME"]).stat().st_size + 200_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (longest, longest))


def test_a_full_disk_is_named_and_what_is_counted_is_stored(market: FakeAPI, crawl: Crawl, database_url: str) -> None:
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")  # room that earlier tests have left in the file would be used first
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        command = crawl_command(market.url, database_url, "-s", "DATABASE_PATIENCE=1")
        done = subprocess.run(
            **command, capture_output=True, text=True, timeout=PATIENCE, check=False, preexec_fn=fill_the_disk
        )
    else:
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "IF (SELECT count(*) FROM coins_fullcoin) > 500 THEN "
                "RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END IF; RETURN NEW; END $$;"
                "CREATE TRIGGER full_disk BEFORE INSERT ON coins_fullcoin FOR EACH ROW EXECUTE FUNCTION full_disk()"
            )
        try:
            done = crawl(market, "-s", "DATABASE_PATIENCE=1")
        finally:
            with connection.cursor() as cursor:
                cursor.execute("DROP FUNCTION full_disk CASCADE")

    run = CrawlRun.objects.get()
    assert done.returncode == 1
    assert "markets: failed: the database fails (" in done.stderr.splitlines()[-1]
    assert "disk" in done.stderr.splitlines()[-1] or "device" in done.stderr.splitlines()[-1]
    assert run.seen == counted(run) == FullCoin.objects.count() < 4_000


@pytest.mark.postgresql
def test_connections_killed_in_mid_batch_cost_nothing(market: FakeAPI, crawl: Crawl, database_url: str) -> None:
    name = urlsplit(database_url).path[1:]

    def kill(request: Request) -> Answer:
        administer(cut_all(name))
        return answers.SERVER_ERROR

    for page in (2, 3, 5, 8, 13):
        market.fault(kill, page=page)

    done = crawl(market)

    connection.close()
    run = CrawlRun.objects.get()
    assert (done.returncode, run.seen, counted(run), FullCoin.objects.count()) == (0, 4_000, 4_000, 4_000)


def test_a_signal_cuts_the_wait_for_a_database_that_is_away(api: FakeAPI, crawling: Crawling, away: Away) -> None:
    with crawling(api, COINGECKO_CALLS_PER_MINUTE="120") as process:
        api.wait_for(requests=1)
        with away():
            process.read_until("The database fails")
            process.send_signal(signal.SIGTERM)
            sent = monotonic()
            log = process.end()
            took = monotonic() - sent

    assert process.returncode == 1
    assert took < 10
    assert "markets: failed: the database fails (" in log[-1]
    assert CrawlRun.objects.get().verdict in ("failed", "running")


def test_a_database_that_is_away_from_the_start_is_named(api: FakeAPI, crawling: Crawling, away: Away) -> None:
    with away(), crawling(api, "-s", "DATABASE_PATIENCE=1") as process:
        log = process.end()

    assert process.returncode == 1
    if connection.vendor == "sqlite":
        assert re.search(r"the database is locked by another process, and stayed so for \d+ s: end that ", log[-1])
    else:
        assert log[-1].rstrip().endswith("check DATABASE_URL")
    assert api.requests == []


def test_a_signal_that_comes_while_a_run_is_closing_waits_for_its_last_word(
    api: FakeAPI, crawling: Crawling, away: Away
) -> None:
    is_away = threading.Event()
    api.fault(lambda request: api.usual(request, wait=is_away))
    with crawling(api, "-L", "DEBUG", "-a", "ids=bitcoin") as process:
        api.wait_for(requests=1)
        with away():
            is_away.set()
            process.read_until("Closing spider (finished)")
            process.send_signal(signal.SIGTERM)
            process.read_until("Received SIGTERM")
        process.end()

    run = CrawlRun.objects.get()
    assert (process.returncode, run.verdict, run.created) == (130, "interrupted", 1)
    assert FullCoin.objects.get().pk == "bitcoin"
