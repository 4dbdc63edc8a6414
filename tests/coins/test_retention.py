"""With an archive, nothing is deleted that is not in it, and what is put back is not counted twice."""

from contextlib import ExitStack
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings

from tests.support.factories import DAY, HOUR, MINUTE, NOON, row
from tests.support.prices import Simulation, expected_bars, flush, stored_bars
from tests.support.racing import meanwhile, wait_until_somebody_waits_for_a_lock
from webapp.coins.fields import EPOCH
from webapp.coins.models import ArchivedDay, Price, PriceBar, PriceSeries
from webapp.coins.prices import archive, rollup
from webapp.coins.prices.archive import observations
from webapp.coins.prices.parquet import read
from webapp.coins.prices.restoring import restore
from webapp.coins.prices.retention import Deletable, waiting_days
from webapp.coins.prices.storage import ArchiveError, DamagedError, Storage
from webapp.coins.prices.tiers import Step, Tiers, start_of

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

TODAY = NOON.date()
MONTH = 30 * DAY


@pytest.fixture
def storage(tmp_path: Path, settings: Settings) -> Storage:
    settings.ARCHIVE_URL = str(tmp_path)
    return Storage(settings.ARCHIVE_URL)


def archive_all(storage: Storage, now: datetime) -> None:
    for day in waiting_days(before=Step.DAY.start(now)):
        archive.write(storage, day)


def observed() -> list[tuple[Any, ...]]:
    return list(Price.objects.order_by("series__coin_id", "time").values_list("series__coin_id", "time", "price"))


def bars() -> list[tuple[Any, ...]]:
    return list(PriceBar.objects.order_by("pk").values_list())


def test_nothing_is_deleted_since_the_first_day_that_is_not_archived(storage: Storage) -> None:
    flush(*(row(f"{days}", minutes=-1440 * days) for days in range(9)), at=NOON)
    for day in waiting_days(before=NOON + DAY):
        if day != TODAY - 5 * DAY:
            archive.write(storage, day)

    rollup.roll_up(NOON)

    assert [coin for coin, *_ in observed()] == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.sqlite
@pytest.mark.parametrize("restored", [(), (TODAY, TODAY - DAY)], ids=["none", "days that were put back"])
def test_what_may_be_deleted_is_found_by_its_key_alone(restored: tuple[date, ...]) -> None:
    of_a_coin = Deletable(NOON, NOON, restored).among(Price.objects.filter(series=1))

    assert "(series_id=? AND time<?)" in of_a_coin.order_by("time")[:1].explain()


def test_a_day_that_is_archived_is_deleted_when_it_is_old_enough(storage: Storage) -> None:
    flush(*(row(f"{days}", minutes=-1440 * days) for days in range(9)), at=NOON)
    archive_all(storage, NOON)

    rollup.roll_up(NOON)

    assert [coin for coin, *_ in observed()] == ["0", "1", "2"]


def test_hours_of_days_that_are_kept_are_kept(storage: Storage, settings: Settings) -> None:
    settings.PRICE_HOURLY_DAYS = 2
    flush(row("a", minutes=-9 * 1440), row("b", minutes=-5 * 1440), at=NOON)

    rollup.roll_up(NOON)
    before = [time for _, time in stored_bars(Step.HOUR)]
    archive_all(storage, NOON)
    rollup.roll_up(NOON)

    assert before == [NOON - 9 * DAY, NOON - 5 * DAY]
    assert stored_bars(Step.HOUR) == {}


def test_without_an_archive_nothing_waits_for_it(settings: Settings) -> None:
    flush(row("a", minutes=-9 * 1440), at=NOON)
    settings.ARCHIVE_URL = ""

    rollup.roll_up(NOON)

    assert observed() == []


@pytest.mark.parametrize("minutes", [5, -720], ids=["in its hour", "in the first hour of its day"])
def test_an_observation_that_comes_before_the_deletion_is_kept(minutes: int, storage: Storage) -> None:
    flush(row("a", minutes=-9 * 1440), row("now"), at=NOON)
    archive_all(storage, NOON)
    transactions = rollup.transactions(NOON)
    next(transactions)  # the border is known

    flush(row("late", minutes=-9 * 1440 + minutes), at=NOON + MINUTE)
    list(transactions)

    assert [coin for coin, *_ in observed()] == ["a", "late", "now"]
    archive_all(storage, NOON)
    rollup.roll_up(NOON)
    assert [coin for coin, *_ in observed()] == ["now"]
    assert {coin for coin, _ in stored_bars(Step.DAY)} == {"a", "late", "now"}


def test_a_day_whose_file_is_of_a_later_time_than_its_observations_is_archived_again(storage: Storage) -> None:
    flush(row(), at=NOON)
    archive_all(storage, NOON + DAY)
    ArchivedDay.objects.update(changed_at=NOON + HOUR)  # as if the database were an older copy than the archive

    assert waiting_days(before=start_of(TODAY) + DAY) == [TODAY]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_flush_that_is_under_way_is_waited_for(storage: Storage) -> None:
    flush(row("a", minutes=-9 * 1440), at=NOON)
    archive_all(storage, NOON)

    with ExitStack() as stack, transaction.atomic():
        flush(row("late", minutes=-9 * 1440 + 5), at=NOON + MINUTE)
        stack.enter_context(meanwhile(lambda: rollup.roll_up(NOON)))
        wait_until_somebody_waits_for_a_lock()

    assert [coin for coin, *_ in observed()] == ["a", "late"]


@pytest.fixture
def archived(storage: Storage) -> list[tuple[Any, ...]]:
    """Observations that were archived and deleted a month ago. Their bars of an hour are kept."""
    for minutes in (0, 7, 65, 300):
        flush(
            row("a", minutes=minutes, current_price=Decimal("1E-18") * (minutes + 1), market_cap=Decimal(-1)),
            row("b/c\nd", minutes=minutes + 1, total_volume=Decimal("1234.5"), market_cap_rank=3),
            at=NOON + 6 * HOUR,
        )
    prices = list(observations(TODAY))
    archive_all(storage, NOON + MONTH)
    rollup.roll_up(NOON + MONTH)
    assert observed() == []
    return prices


@pytest.mark.parametrize("times", [1, 2])
def test_a_day_is_put_back_exactly(storage: Storage, archived: list[tuple[Any, ...]], times: int) -> None:
    for _ in range(times):
        assert restore(storage, TODAY, NOON + MONTH) == len(archived)

    assert list(observations(TODAY)) == archived


@pytest.mark.parametrize("hourly_days", [0, 90, 3], ids=["hours", "hours for 90 days", "days only"])
def test_what_was_put_back_is_kept_as_long_as_new_ones_and_never_counted_again(
    storage: Storage, archived: list[tuple[Any, ...]], settings: Settings, hourly_days: int
) -> None:
    settings.PRICE_HOURLY_DAYS = hourly_days
    now = NOON + MONTH
    rollup.roll_up(now)
    before = bars()
    restore(storage, TODAY, now)

    rollup.roll_up(now + 2 * DAY)
    kept = list(observations(TODAY))
    rollup.roll_up(now + 2 * DAY + HOUR)

    assert kept == archived
    assert observed() == []
    assert bars() == before


def test_what_was_put_back_is_kept_and_not_counted_again_if_there_is_no_archive_any_more(
    storage: Storage, archived: list[tuple[Any, ...]], settings: Settings
) -> None:
    before = bars()
    restore(storage, TODAY, NOON + MONTH)
    settings.ARCHIVE_URL = ""

    rollup.roll_up(NOON + MONTH + DAY)
    kept = list(observations(TODAY))
    rollup.roll_up(NOON + MONTH + 3 * DAY)

    assert kept == archived
    assert observed() == []
    assert bars() == before


@pytest.mark.parametrize("hourly_days", [90, 3], ids=["with its hours", "without its hours"])
def test_a_late_observation_of_a_day_that_was_put_back_is_counted_once(
    storage: Storage, archived: list[tuple[Any, ...]], settings: Settings, hourly_days: int
) -> None:
    settings.PRICE_HOURLY_DAYS = hourly_days
    now = NOON + MONTH
    rollup.roll_up(now)
    restore(storage, TODAY, now)
    flush(row("a", minutes=301, current_price=Decimal(9)), at=now)
    archive_all(storage, now)

    rollup.roll_up(now + 3 * DAY)

    assert observed() == []
    day = stored_bars(Step.DAY)["a", start_of(TODAY)]
    assert (day.observations, day.open, day.close) == (5, Decimal("1E-18"), Decimal(9))
    hours = stored_bars(Step.HOUR)
    assert sum(hour.observations for (coin, _), hour in hours.items() if coin == "a") == (5 if hourly_days == 90 else 0)
    assert ArchivedDay.objects.get(day=TODAY).rows == len(archived) + 1


@pytest.mark.parametrize("is_archived", [True, False])
def test_bars_get_a_late_observation_of_a_day_that_was_put_back_at_once(
    storage: Storage, archived: list[tuple[Any, ...]], is_archived: bool, settings: Settings
) -> None:
    now = NOON + MONTH
    before = stored_bars(Step.DAY)["a", start_of(TODAY)]
    restore(storage, TODAY, now)
    flush(row("a", minutes=301, current_price=Decimal(9)), at=now)
    if is_archived:
        archive_all(storage, now)
    else:
        settings.ARCHIVE_URL = ""

    rollup.roll_up(now)
    rollup.roll_up(now)

    day = stored_bars(Step.DAY)["a", start_of(TODAY)]
    assert (day.observations, day.close) == (before.observations + 1, Decimal(9))


def test_hours_are_kept_as_long_as_they_lack_observations(storage: Storage, settings: Settings) -> None:
    settings.PRICE_HOURLY_DAYS = 3
    flush(row(minutes=300), at=NOON + 6 * HOUR)
    rollup.roll_up(NOON + 6 * HOUR)
    archive_all(storage, NOON + DAY)
    restore(storage, TODAY, NOON + 3 * DAY)  # so they are kept until noon of the fifth day
    flush(row(minutes=60, current_price=Decimal(5)), at=NOON + 3 * DAY)
    archive_all(storage, NOON + 3 * DAY)

    rollup.roll_up(NOON + 4 * DAY)
    rollup.roll_up(NOON + 6 * DAY)

    assert (observed(), stored_bars(Step.HOUR)) == ([], {})
    day = stored_bars(Step.DAY)["bitcoin", start_of(TODAY)]
    assert (day.observations, day.open, day.close) == (2, Decimal(5), Decimal(1))


@pytest.mark.parametrize("age", [timedelta(), 2 * DAY], ids=["now", "as long ago as observations are kept"])
def test_a_roll_up_that_is_under_way_does_not_delete_what_is_put_back(
    age: timedelta, storage: Storage, archived: list[tuple[Any, ...]]
) -> None:
    now = NOON + MONTH
    flush(row("now", minutes=30 * 1440), at=now)
    transactions = rollup.transactions(now)
    next(transactions)

    restore(storage, TODAY, now - age)
    list(transactions)

    assert list(observations(TODAY)) == archived


def test_a_coin_without_series_and_bars_gets_them_again(storage: Storage, archived: list[tuple[Any, ...]]) -> None:
    before = (stored_bars(Step.HOUR), stored_bars(Step.DAY))
    PriceSeries.objects.filter(coin_id="a").delete()

    restore(storage, TODAY, NOON + MONTH)
    put_back = list(observations(TODAY))
    rollup.roll_up(NOON + MONTH + 3 * DAY)

    assert put_back == archived
    assert (stored_bars(Step.HOUR), stored_bars(Step.DAY)) == before


def test_a_new_database_takes_a_day_from_an_old_archive(storage: Storage, archived: list[tuple[Any, ...]]) -> None:
    for model in (ArchivedDay, PriceSeries):
        model._base_manager.all().delete()

    restore(storage, TODAY, NOON + MONTH)

    assert list(observations(TODAY)) == archived
    assert ArchivedDay.objects.get().checksum == storage.checksum(archive.name_of(TODAY))
    assert waiting_days(before=NOON + MONTH) == []


def test_a_damaged_file_is_not_put_back(storage: Storage, archived: list[tuple[Any, ...]]) -> None:
    path = Path(storage.root, archive.name_of(TODAY))
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(DamagedError, match=r"2026-02-05.parquet is damaged"):
        restore(storage, TODAY)

    assert observed() == []
    assert ArchivedDay.objects.get().restored_at is None


@pytest.mark.parametrize(
    ("day", "words"), [(TODAY - DAY, "2026-02-04.parquet is not in the archive"), (TODAY - 2 * DAY, "There is no file")]
)
def test_a_day_without_a_file_is_a_sentence(storage: Storage, day: date, words: str) -> None:
    flush(row(minutes=-2 * 1440), at=NOON)
    Price.objects.all().delete()
    archive_all(storage, NOON)

    with pytest.raises(ArchiveError, match=words):
        restore(storage, day)


def test_what_the_database_has_otherwise_is_said(storage: Storage) -> None:
    flush(row("a"), row("b"), at=NOON)
    archive_all(storage, NOON + DAY)
    flush(row("b", current_price=Decimal(2)), at=NOON + MINUTE)

    with pytest.raises(ArchiveError, match="1 of 2 observations of 2026-02-05 are in the database with other values"):
        restore(storage, TODAY)

    assert [price for *_, price in observed()] == [1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_bars_and_files_have_all_observations_whatever_was_archived_and_put_back(
    seed: int, storage: Storage, settings: Settings
) -> None:
    settings.PRICE_RAW_DAYS, settings.PRICE_HOURLY_DAYS = 1, 3
    simulation = Simulation(coins=4, seed=seed)
    now = NOON
    for _ in range(60):
        now += simulation.random.choice((7 * MINUTE, HOUR, 9 * HOUR))
        simulation.crawl(now)
        if simulation.random.random() < 0.3:
            archive_all(storage, now)
        days = list(ArchivedDay.objects.exclude(file="").order_by("day").values_list("day", flat=True))
        if days and simulation.random.random() < 0.3:
            restore(storage, simulation.random.choice(days), now)
        if simulation.random.random() < 0.4:
            for _ in islice(rollup.transactions(now), simulation.random.choice((1, 3, None))):
                pass
    now += 5 * DAY
    archive_all(storage, now)
    rollup.roll_up(now)

    tiers = Tiers.at(now)
    hours = expected_bars(simulation.observed, Step.HOUR)
    assert stored_bars(Step.DAY) == expected_bars(simulation.observed, Step.DAY)
    assert stored_bars(Step.HOUR) == {key: bar for key, bar in hours.items() if key[1] >= tiers.hours_since}
    assert not Price.objects.filter(time__lt=tiers.raw_since).exists()
    assert archived_prices(storage) == {
        (coin, time): Decimal(values[0]) for (coin, time), values in simulation.observed.items()
    }


def archived_prices(storage: Storage) -> dict[tuple[str, datetime], Decimal]:
    """All that the archive has, by coin and time."""
    found = {}
    for day in ArchivedDay.objects.exclude(file=""):
        with storage.reading(day.file) as file:
            for coin, time, price, *_ in read(file):
                found[coin, EPOCH + timedelta(microseconds=time)] = Decimal(price)
    return found
