"""`python -m tests.bench.methods.article API_URL DATABASE_URL`: the method of the article that coincrawl began with.

One page after the other with `requests`, then batches of 100 coins: `bulk_create` for new ones and `bulk_update` for
known ones. It is written anew, without the article's pauses between pages. Prices lose what is below a cent, and values
that a column cannot hold become null. It proves nothing, and keeps no history. In the article's own order of pages, it
also misses a fifth of the coins; here it asks in the order of ids, as all others.
"""

import sys
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import django
import environ
import requests
from django.conf import settings

from tests.bench.methods import NUMBERS, PATH, QUERY, WHOLE_NUMBERS

BATCH = 100
MAX = Decimal(10) ** 28
DATES = ("ath_date", "atl_date", "last_updated")


def main() -> None:
    api, database = sys.argv[1:]
    settings.configure(
        DATABASES={"default": environ.Env.db_url_config(database)},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()
    model = make_model()
    for rows in pages(api):
        for start in range(0, len(rows), BATCH):
            store(model, rows[start : start + BATCH])


def make_model() -> Any:
    """The model, with its table in the database."""
    from django.db import connection, models

    def number() -> models.Field:
        return models.DecimalField(max_digits=30, decimal_places=2, null=True)

    class Article(models.Model):  # noqa: DJ008 - nobody looks at it
        coin_id = models.CharField(max_length=100, primary_key=True)
        symbol = models.CharField(max_length=100)
        name = models.CharField(max_length=200)
        image = models.CharField(max_length=500, null=True)
        market_cap_rank = models.IntegerField(null=True)
        market_cap_rank_with_rehypothecated = models.IntegerField(null=True)
        current_price = number()
        market_cap = number()
        fully_diluted_valuation = number()
        total_volume = number()
        high_24h = number()
        low_24h = number()
        price_change_24h = number()
        price_change_percentage_24h = number()
        market_cap_change_24h = number()
        market_cap_change_percentage_24h = number()
        circulating_supply = number()
        total_supply = number()
        max_supply = number()
        ath = number()
        ath_change_percentage = number()
        ath_date = models.DateTimeField(null=True)
        atl = number()
        atl_change_percentage = number()
        atl_date = models.DateTimeField(null=True)
        roi = models.JSONField(null=True)
        last_updated = models.DateTimeField(null=True)

        class Meta:
            app_label = "bench"
            db_table = "article"

    if Article._meta.db_table not in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.create_model(Article)
    return Article


def pages(api: str) -> Iterator[list[dict[str, Any]]]:
    number = 1
    while True:
        answer = requests.get(f"{api}{PATH}", params=QUERY | {"page": str(number)}, timeout=60)
        answer.raise_for_status()
        records = answer.json()
        if not records:
            return
        yield [row(record) for record in records]
        number += 1


def row(record: dict[str, Any]) -> dict[str, Any]:
    values = {name: record.get(name) for name in ("symbol", "name", "image", "roi", *WHOLE_NUMBERS)}
    values["symbol"], values["name"] = values["symbol"] or "", values["name"] or ""
    values |= {name: fitting(record.get(name)) for name in NUMBERS}
    values |= {name: record[name] and datetime.fromisoformat(record[name]) for name in DATES}
    return {"coin_id": record["id"], **values}


def fitting(value: Any) -> Decimal | None:
    if value is None or abs(number := Decimal(str(value))) >= MAX:
        return None
    return number.quantize(Decimal("0.01"))


def store(model: Any, rows: list[dict[str, Any]]) -> None:
    ids = [row["coin_id"] for row in rows]
    known = set(model.objects.filter(coin_id__in=ids).values_list("coin_id", flat=True))
    coins = [model(**row) for row in rows]
    model.objects.bulk_create([coin for coin in coins if coin.pk not in known])
    fields = [field.name for field in model._meta.fields if not field.primary_key]
    model.objects.bulk_update([coin for coin in coins if coin.pk in known], fields)


if __name__ == "__main__":
    main()
