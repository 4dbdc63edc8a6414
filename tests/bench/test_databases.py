"""The databases that a benchmark makes."""

from pathlib import Path

from tests.bench.databases import SQLite


def test_a_new_database_takes_the_place_of_all_files_of_the_one_before(tmp_path: Path) -> None:
    database = SQLite.__new__(SQLite)  # without the template, which takes a migration
    database._folder = tmp_path
    for name in ("dlt.sqlite3", "dlt.sqlite3-wal", "dlt__bench.sqlite3", "dlt_2.sqlite3"):
        (tmp_path / name).touch()

    url = database.new("dlt", migrated=False)

    assert url == f"sqlite:///{tmp_path}/dlt.sqlite3"
    assert [path.name for path in tmp_path.iterdir()] == ["dlt_2.sqlite3"]
