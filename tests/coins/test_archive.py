"""The archive: finished days in files, with every digit."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from pyarrow.parquet import ParquetFile, write_table
from pytest_django import Settings

from tests.support.factories import DAY, HOUR, MINUTE, NOON, row
from tests.support.prices import flush
from webapp.coins.models import ArchivedDay, FullCoin, Price
from webapp.coins.prices import archive, parquet
from webapp.coins.prices.archive import observations
from webapp.coins.prices.restoring import restore
from webapp.coins.prices.retention import waiting_days
from webapp.coins.prices.storage import ABANDONED, ArchiveError, DamagedError, Storage

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

TODAY = NOON.date()
MIDNIGHT = NOON + 12 * HOUR
FILE = "year=2026/month=02/2026-02-05.parquet"


@pytest.fixture
def storage(tmp_path: Path, settings: Settings) -> Storage:
    settings.ARCHIVE_URL = str(tmp_path)
    return Storage(settings.ARCHIVE_URL)


def archive_all(storage: Storage, now: datetime = MIDNIGHT) -> list[date]:
    """Archive what is finished. Returns the days that were written."""
    days = waiting_days(before=now)
    return [day for day in days if archive.write(storage, day)]


def content(storage: Storage) -> list[tuple[Any, ...]]:
    """The rows of all files, as DuckDB reads them."""
    query = f"SELECT * EXCLUDE (year, month) FROM read_parquet('{storage.root}/**/*.parquet')"
    rows = duckdb.execute(query).fetchall()
    return [(coin, time.astimezone(UTC), *rest) for coin, time, *rest in rows]


def files(storage: Storage) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path(storage.root).rglob("*") if path.is_file()}


DIGITS = {
    "dust": (Decimal("1E-18"), None, Decimal("0.5"), None),
    "long": (Decimal("0.0000000123456789012345"), Decimal(0), None, 7),  # 22 decimals
    "huge": (Decimal("50000000000000"), Decimal(10) ** 25, Decimal("1234.5"), 1),
    "debt": (Decimal("-3.25"), Decimal("-1"), Decimal("-0.000001"), 2**31 - 1),
}
TEXTS = {
    "dust": ("0.000000000000000001", None, "0.5", None),
    "long": ("0.0000000123456789012345", "0", None, 7),
    "huge": ("50000000000000", "10000000000000000000000000", "1234.5", 1),
    "debt": ("-3.25", "-1", "-0.000001", 2**31 - 1),
}


@pytest.fixture
def expected() -> list[tuple[Any, ...]]:
    """Observations with all kinds of numbers, as the archive has them."""
    moment = NOON.replace(microsecond=123_457)
    rows = [
        row(coin, last_updated=moment, current_price=price, market_cap=cap, total_volume=volume, market_cap_rank=rank)
        for coin, (price, cap, volume, rank) in DIGITS.items()
    ]
    flush(*rows, at=NOON + HOUR)
    return [(coin, moment, *TEXTS[coin]) for coin in sorted(TEXTS)]


def test_duckdb_reads_every_digit(storage: Storage, expected: list[tuple[Any, ...]]) -> None:
    archive_all(storage)

    assert content(storage) == expected


def test_pandas_reads_every_digit(storage: Storage, expected: list[tuple[Any, ...]]) -> None:
    archive_all(storage)

    frame = pandas.read_parquet(f"{storage.root}/{FILE}", dtype_backend="pyarrow")
    rows: Any = [[None if pandas.isna(value) else value for value in values] for values in frame.to_numpy()]
    assert [(coin, time.to_pydatetime(), *rest) for coin, time, *rest in rows] == expected
    assert [Decimal(price) for price in frame["price"]] == [DIGITS[coin][0] for coin in frame["coin_id"]]


def test_a_day_is_sorted_by_coin_and_time_whatever_the_coins_are_called(storage: Storage) -> None:
    names = ["b", "a/b", "line\nbreak", '"quoted"', "é", "Z", "🚀", "../../up", "a", "x" * 255]
    flush(*(row(name, minutes=minute) for minute, name in enumerate(names)), at=NOON + HOUR)
    flush(*(row(name, minutes=20 - minute) for minute, name in enumerate(names)), at=NOON + 2 * HOUR)

    archive_all(storage)

    found = [(coin, time) for coin, time, *_ in content(storage)]
    assert found == sorted(found)
    assert len(found) == 2 * len(names)
    assert [*files(storage)] == [f"{storage.root}/{FILE}"]


def test_only_finished_days_are_archived(storage: Storage) -> None:
    flush(row("a", minutes=-1440), row("b"), row("c", minutes=720), at=NOON + 13 * HOUR)

    days = archive_all(storage, MIDNIGHT)

    assert days == [TODAY - DAY, TODAY]
    assert [row[0] for row in content(storage)] == ["a", "b"]


def test_a_day_is_written_again_only_if_it_has_newer_observations(storage: Storage) -> None:
    flush(row("a"), row("b"), at=NOON)
    days = [archive_all(storage), archive_all(storage)]
    first = ArchivedDay.objects.get()

    flush(row("a", minutes=5), row("b", current_price=Decimal(2)), at=NOON + HOUR)
    days += [archive_all(storage), archive_all(storage)]

    assert days == [[TODAY], [], [TODAY], []]
    assert [(coin, price) for coin, _, price, *_ in content(storage)] == [("a", "1"), ("a", "1"), ("b", "2")]
    second = ArchivedDay.objects.get()
    assert (first.rows, second.rows) == (2, 3)
    assert first.checksum != second.checksum == storage.checksum(FILE)
    assert second.changed_at == FullCoin.objects.get(pk="a").changed_at


def test_what_comes_while_a_day_is_read_is_archived_the_next_time(storage: Storage, monkeypatch: Any) -> None:
    flush(row("a"), at=NOON)

    def late(day: date) -> Any:
        rows = list(observations(day))
        flush(row("b", minutes=5), at=NOON + HOUR)
        return iter(rows)

    monkeypatch.setattr(archive, "observations", late)
    archive_all(storage)
    monkeypatch.undo()

    assert [coin for coin, *_ in content(storage)] == ["a"]
    assert archive_all(storage) == [TODAY]
    assert [coin for coin, *_ in content(storage)] == ["a", "b"]


def test_observations_that_were_deleted_stay_in_the_archive(storage: Storage) -> None:
    flush(row("a"), row("b"), at=NOON)
    archive_all(storage)
    Price.objects.all().delete()
    flush(row("b", minutes=5), row("c"), at=NOON + HOUR)

    archive_all(storage)

    assert [coin for coin, *_ in content(storage)] == ["a", "b", "b", "c"]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def change_a_byte(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:30] + bytes([whole[30] ^ 1]) + whole[31:])


def put_another(path: Path) -> None:
    pandas.DataFrame({"coin_id": ["a"], "price": ["1"]}).to_parquet(path)


def put_another_day(path: Path) -> None:
    path.write_bytes(path.with_name("2026-02-04.parquet").read_bytes())


@pytest.mark.parametrize("harm", [truncate, change_a_byte, put_another, put_another_day, Path.unlink])
def test_a_file_that_was_harmed_is_left_alone(storage: Storage, harm: Callable[[Path], None]) -> None:
    flush(row("a", minutes=-1440), row("b"), at=NOON)
    archive_all(storage)
    harm(Path(storage.root, FILE))
    flush(row("c", minutes=5), at=NOON + HOUR)
    before = (files(storage), [*ArchivedDay.objects.values_list()])

    with pytest.raises(DamagedError, match=r"2026-02-05.parquet .*archive --rewrite 2026-02-05"):
        archive_all(storage)

    assert (files(storage), [*ArchivedDay.objects.values_list()]) == before


def test_an_older_file_is_not_taken_for_the_one_that_was_archived(storage: Storage) -> None:
    path = Path(storage.root, FILE)
    flush(row("a"), at=NOON)
    archive_all(storage)
    older = path.read_bytes()
    flush(row("b"), at=NOON + MINUTE)
    archive_all(storage)
    path.write_bytes(older)
    flush(row("c"), at=NOON + 2 * MINUTE)

    with pytest.raises(DamagedError, match="is not the file that was archived"):
        archive_all(storage)


def test_a_damaged_file_can_be_written_again_from_the_database(storage: Storage) -> None:
    flush(row("a"), row("b"), at=NOON)
    archive_all(storage)
    truncate(Path(storage.root, FILE))

    archive.write(storage, TODAY, rewrite=True)

    assert [coin for coin, *_ in content(storage)] == ["a", "b"]
    assert ArchivedDay.objects.get().checksum == storage.checksum(FILE)


def test_a_day_whose_file_is_gone_and_whose_observations_are_deleted_counts_as_lost(storage: Storage) -> None:
    flush(row("a"), at=NOON)
    archive_all(storage)
    Path(storage.root, FILE).unlink()
    Price.objects.all().delete()

    archive.write(storage, TODAY, rewrite=True)

    assert (files(storage), archive_all(storage)) == ({}, [])
    assert ArchivedDay.objects.values_list("file", "rows").get() == ("", 0)


def test_nothing_is_written_again_from_nothing(storage: Storage) -> None:
    flush(row("a"), at=NOON)
    archive_all(storage)
    truncate(Path(storage.root, FILE))
    Price.objects.all().delete()
    before = files(storage)

    with pytest.raises(ArchiveError, match=r"there is nothing to write\. If year=.* cannot be saved, delete it"):
        archive.write(storage, TODAY, rewrite=True)

    assert files(storage) == before


@pytest.mark.parametrize("is_first", [True, False])
def test_a_process_that_dies_between_the_file_and_its_record_loses_nothing(
    storage: Storage, monkeypatch: Any, is_first: bool
) -> None:
    flush(row("a"), at=NOON)
    if not is_first:
        archive_all(storage)
        Price.objects.all().delete()
        flush(row("b"), at=NOON + MINUTE)
    before = [*ArchivedDay.objects.values_list()]
    with monkeypatch.context() as patched:
        patched.setattr(ArchivedDay, "save", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            archive_all(storage)
    left = [*ArchivedDay.objects.values_list()]
    if not is_first:
        Price.objects.all().delete()  # what the file has already
    flush(row("c"), at=NOON + 2 * MINUTE)

    archive_all(storage)

    assert left == before
    assert [coin for coin, *_ in content(storage)] == (["a", "c"] if is_first else ["a", "b", "c"])
    assert ArchivedDay.objects.get().checksum == storage.checksum(FILE)


def test_of_two_processes_one_archives_the_day(storage: Storage, monkeypatch: Any) -> None:
    flush(row("a"), at=NOON)
    read_back = archive._read_back

    def late(*arguments: Any) -> str:
        monkeypatch.undo()
        assert archive_all(storage) == [TODAY]  # the other one
        return read_back(*arguments)

    monkeypatch.setattr(archive, "_read_back", late)

    assert archive_all(storage) == []
    assert ArchivedDay.objects.get().checksum == storage.checksum(FILE)
    assert [*files(storage)] == [f"{storage.root}/{FILE}"]


@pytest.mark.parametrize("is_first", [True, False])
def test_a_full_disk_leaves_what_was_there(storage: Storage, monkeypatch: Any, is_first: bool) -> None:
    flush(row("a"), at=NOON)
    if not is_first:
        archive_all(storage)
        flush(row("b"), at=NOON + MINUTE)
    before = (files(storage), [*ArchivedDay.objects.values_list()])
    really_open = LocalFileSystem.open

    def full(self: LocalFileSystem, path: str, mode: str) -> Any:
        return really_open(self, "/dev/full" if mode == "wb" else path, mode)

    monkeypatch.setattr(LocalFileSystem, "open", full)
    with pytest.raises(ArchiveError, match=r"cannot be written \(No space left on device\)"):
        archive_all(storage)

    assert (files(storage), [*ArchivedDay.objects.values_list()]) == before


def test_what_does_not_come_back_as_it_was_written_is_not_archived(storage: Storage, monkeypatch: Any) -> None:
    flush(row("a"), at=NOON)
    writing = Storage.writing

    def lossy(self: Storage, name: str) -> Any:
        class Lossy:
            def __enter__(self) -> Any:
                return manager.__enter__()

            def __exit__(self, *error: Any) -> None:
                manager.__exit__(*error)
                change_a_byte(Path(storage.path(name)))

        manager = writing(self, name)
        return Lossy()

    monkeypatch.setattr(Storage, "writing", lossy)
    with pytest.raises(ArchiveError, match="does not return what was written"):
        archive_all(storage)

    assert files(storage) == {}
    assert not ArchivedDay.objects.exists()


def test_a_folder_that_cannot_be_written_is_a_sentence(storage: Storage) -> None:
    flush(row("a"), at=NOON)
    Path(storage.root, "year=2026").touch()

    with pytest.raises(ArchiveError, match=r"The archive .* cannot be written \(.+\): check ARCHIVE_URL"):
        archive_all(storage)


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """It may be a disk that is not mounted."""
    with pytest.raises(ArchiveError, match="make it, mount it"):
        Storage(str(tmp_path / "archive"))


@pytest.mark.parametrize(
    ("url", "words"), [("nothing://bucket", "is no address that"), ("abfs://container/prices", "needs a package")]
)
def test_an_address_that_no_package_is_for_is_a_sentence(url: str, words: str) -> None:
    with pytest.raises(ArchiveError, match=words):
        Storage(url)


def test_a_day_whose_observations_are_all_deleted_has_no_file(storage: Storage) -> None:
    flush(row("a"), at=NOON)
    Price.objects.all().delete()

    assert [archive_all(storage), archive_all(storage)] == [[TODAY], []]
    assert files(storage) == {}
    assert ArchivedDay.objects.values_list("file", "rows").get() == ("", 0)

    flush(row("a", minutes=5), at=NOON + HOUR)

    assert archive_all(storage) == [TODAY]
    assert ArchivedDay.objects.values_list("file", "rows").get() == (FILE, 1)


def test_drafts_of_processes_that_were_killed_are_removed_after_a_day(storage: Storage, monkeypatch: Any) -> None:
    flush(row("a"), at=NOON)
    folder = Path(storage.root, FILE).parent
    folder.mkdir(parents=True)
    Path(folder, "_2026-02-05.0123.draft").touch()
    archive.write(storage, TODAY)
    assert len(files(storage)) == 2  # another process may still write it

    monkeypatch.setattr("webapp.coins.prices.storage.ABANDONED", -ABANDONED)
    archive.write(storage, TODAY)

    assert [*files(storage)] == [f"{storage.root}/{FILE}"]


def test_a_file_in_another_currency_is_left_alone(storage: Storage, settings: Settings) -> None:
    flush(row("a"), at=NOON)
    archive_all(storage)
    ArchivedDay.objects.all().delete()  # as in a new database
    before = files(storage)
    settings.VS_CURRENCY = "eur"

    for rewrite in (False, True):
        with pytest.raises(ArchiveError, match="has prices in usd: check ARCHIVE_URL and VS_CURRENCY"):
            archive.write(storage, TODAY, rewrite=rewrite)

    assert files(storage) == before


def test_a_file_of_another_database_is_left_alone(storage: Storage) -> None:
    flush(row("a"), row("b"), at=NOON)
    archive_all(storage)
    before = files(storage)
    ArchivedDay.objects.all().delete()
    Price.objects.filter(series__coin_id="b").delete()

    with pytest.raises(ArchiveError, match="has 1 observation that this database does not have"):
        archive_all(storage)

    assert files(storage) == before


def test_the_file_of_a_database_that_was_restored_from_an_older_backup_is_taken_if_its_day_is_put_back(
    storage: Storage,
) -> None:
    flush(row("a"), row("b"), at=NOON)
    archive_all(storage)
    ArchivedDay.objects.all().delete()
    Price.objects.filter(series__coin_id="b").delete()

    restore(storage, TODAY)
    flush(row("c", minutes=1), at=NOON + MINUTE)
    archive_all(storage)

    assert [coin for coin, *_ in content(storage)] == ["a", "b", "c"]


def test_a_file_with_other_rows_than_it_says_is_left_alone(storage: Storage) -> None:
    path = Path(storage.root, FILE)
    flush(row("a"), row("b"), at=NOON)
    archive_all(storage)
    ArchivedDay.objects.all().delete()  # it knows the file's checksum
    write_table(ParquetFile(path).read().slice(1), path)

    with pytest.raises(DamagedError, match="has other rows than were written"):
        archive_all(storage)


def test_another_store_than_a_folder_has_the_same_files(settings: Settings) -> None:
    settings.ARCHIVE_URL = "memory://bucket/prices"
    MemoryFileSystem.store.clear()
    storage = Storage(settings.ARCHIVE_URL)
    flush(row("a"), at=NOON)
    archive_all(storage)
    Price.objects.all().delete()
    flush(row("b"), at=NOON + MINUTE)

    archive_all(storage)

    assert [*MemoryFileSystem.store] == [f"/bucket/prices/{FILE}"]
    with storage.reading(FILE) as file:
        assert [coin for coin, *_ in parquet.read(file)] == ["a", "b"]
    assert ArchivedDay.objects.get().checksum == storage.checksum(FILE)


def test_a_day_is_written_and_read_in_parts(storage: Storage, monkeypatch: Any) -> None:
    monkeypatch.setattr(parquet, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(archive, "SERIES_AT_ONCE", 2)
    names = [f"coin-{number}" for number in range(7)]
    flush(*map(row, names), at=NOON)

    archive_all(storage)

    assert [coin for coin, *_ in content(storage)] == names
    metadata = ParquetFile(f"{storage.root}/{FILE}").metadata
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [3, 3, 1]
