"""The methods that crawls are compared with store the same coins as a crawl."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fake_api import FakeAPI
from tests.bench.methods import NUMBERS, floor
from tests.bench.methods.article import fitting
from tests.support.crawls import Crawl
from tests.support.processes import python
from webapp.coins.models import FullCoin

DATES = ("ath_date", "atl_date", "last_updated")
COUNTED = [*NUMBERS, "roi_times", "roi_percentage"]


def stored(path: Path, statement: str) -> Iterator[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        yield from map(dict, database.execute(statement))


def test_the_floor_stores_every_value_that_a_crawl_stores(api: FakeAPI, crawl: Crawl, tmp_path: Path) -> None:
    crawl(api)

    floor.copy(api.url, f"sqlite:///{tmp_path}/floor.sqlite3")

    theirs = list(stored(tmp_path / "floor.sqlite3", "SELECT id AS coin_id, * FROM floor ORDER BY id"))
    for row in theirs:
        del row["id"]
        row |= {name: None if row[name] is None else Decimal(row[name]) for name in COUNTED}
        row |= {name: row[name] and datetime.fromisoformat(row[name]).astimezone(UTC) for name in DATES}
        row["image"] = row["image"] if str(row["image"]).startswith("https://") else None
    assert theirs == list(FullCoin.objects.order_by("pk").values(*theirs[0]))


def test_the_article_stores_every_coin_of_the_floor_with_what_its_columns_hold(api: FakeAPI, tmp_path: Path) -> None:
    floor.copy(api.url, f"sqlite:///{tmp_path}/floor.sqlite3")

    done = python(
        ["-m", "tests.bench.methods.article", api.url, f"sqlite:///{tmp_path}/article.sqlite3"],
        {"DJANGO_SETTINGS_MODULE": ""},
    )

    assert done.returncode == 0, done.stderr
    columns = "name, current_price, ath"
    theirs = stored(tmp_path / "article.sqlite3", f"SELECT coin_id, {columns} FROM article ORDER BY coin_id")
    least = stored(tmp_path / "floor.sqlite3", f"SELECT id, {columns} FROM floor ORDER BY id")
    assert [(coin_id, name, *map(cents, numbers)) for coin_id, name, *numbers in (row.values() for row in theirs)] == [
        (coin_id, name, *map(fitting, numbers)) for coin_id, name, *numbers in (row.values() for row in least)
    ]


def cents(value: float | None) -> Decimal | None:
    """As SQLite has them: a float."""
    return None if value is None else Decimal(f"{value:.2f}")


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(None, None, id="nothing"),
        pytest.param(0.004, Decimal("0.00"), id="less than a cent"),
        pytest.param(12.345, Decimal("12.34"), id="half a cent"),
        pytest.param(1e28, None, id="too large for its column"),
    ],
)
def test_the_article_keeps_cents(value: object, kept: Decimal | None) -> None:
    assert fitting(value) == kept
