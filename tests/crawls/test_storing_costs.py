"""What storing coins costs: as queries and as calls of functions, which do not depend on the machine."""

from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from tests.support.calls import calls_of
from tests.support.factories import NOON
from webapp.coins.models import FullCoin
from webapp.crawls import recording
from webapp.crawls.batch import Batch, Memory
from webapp.crawls.models import CrawlRun
from webapp.crawls.storing import cleaner

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

QUERIES_A_FLUSH = {"sqlite": 15, "postgresql": 16}
CALLS_A_COIN = {"sqlite": 54, "postgresql": 68}  # 51 and 64 on Python 3.11


def columns(number: int, price: str) -> dict[str, list[Any]]:
    """The raw values of so many coins, by field."""
    usual: dict[type[models.Field], Any] = {
        models.DecimalField: Decimal(price),
        models.DateTimeField: f"{NOON:%FT%T}.123Z",
        models.IntegerField: Decimal(7),
        models.URLField: "https://x/y.png",
    }
    columns = {}
    for field in FullCoin.api_fields():
        value = next((value for kind, value in usual.items() if isinstance(field, kind)), "text")
        columns[field.name] = [value] * number
    return columns | {"coin_id": [f"coin-{place:04}" for place in range(number)]}


def flush(run: CrawlRun, number: int, price: str) -> None:
    batch = Batch(Memory())
    for values in cleaner(reports_missing=False).clean_columns(columns(number, price), number):
        assert values
        batch.add(values, {}, "1")
    recording.store(run, batch, {})


@pytest.mark.parametrize("number", [1, 250])
def test_a_flush_takes_the_same_few_queries_for_any_number_of_coins(number: int) -> None:
    run = recording.begin("markets", {})
    flush(run, number, "1.5")

    with CaptureQueriesContext(connection) as queries:
        flush(run, number, "2.5")

    assert run.updated == number
    assert len(queries) == QUERIES_A_FLUSH[connection.vendor]


def test_a_coin_takes_few_calls() -> None:
    run = recording.begin("markets", {})
    flush(run, 500, "1.5")

    few, many = (calls_of(partial(flush, run, number, price)) for number, price in ((250, "2.5"), (500, "3.5")))

    assert run.updated == 750
    assert (many - few) / 250 < CALLS_A_COIN[connection.vendor]
