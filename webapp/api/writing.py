"""Turns rows into JSON values.

Decimals become strings with every digit and no trailing zeros. Dates are UTC with a Z, as exact as they are stored. The
fields are the models': a new one needs no edit here.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import models

from webapp.coins.models import FullCoin, Price, PriceBar, PriceSeries
from webapp.coins.prices.tiers import Step
from webapp.coins.values import WRITERS, by_type
from webapp.crawls.models import CrawlRun


def by_name(model: type[models.Model], *hidden: str) -> dict[str, models.Field]:
    return {field.name: field for field in model._meta.concrete_fields if field.name not in hidden}


COIN = by_name(FullCoin, *FullCoin.INTERNAL)
# Hidden: names of machines, what happens on them, and how the crawler stores batches.
RUN = by_name(CrawlRun, "node", "claim", "claimed_at", "settings", "log_tail", "log_file", "flushes", "rejected_rows")
OBSERVATION = by_name(Price, "series")
BAR = by_name(PriceBar, "series", "step", "is_final")
COIN_ID = PriceSeries._meta.get_field("coin_id")


def fields_of(step: Step | None) -> list[models.Field]:
    """Those of bars, or of observations if `step` is None."""
    return list((BAR if step else OBSERVATION).values())


def write(fields: Sequence[models.Field], rows: Collection[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """JSON objects of rows, whose values are in the order of `fields`.

    They are made by column, so that the writer of a field is chosen once for all rows.
    """
    names = [field.name for field in fields]
    columns = zip(fields, zip(*rows, strict=True), strict=bool(rows))  # zip makes no columns without rows
    written: list[Iterable[Any]] = []
    for field, values in columns:
        writer = by_type(field, WRITERS, None)
        written.append([None if value is None else writer(value) for value in values] if writer else values)
    return [dict(zip(names, values, strict=True)) for values in zip(*written, strict=True)]
