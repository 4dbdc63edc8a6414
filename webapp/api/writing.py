"""How the API writes rows: which fields, and their values as JSON.

Numbers with a fraction are texts with every digit and no zero that says nothing; instants are UTC with a Z and as
exact as they are stored. Fields come from the models: a new one is shown without an edit here.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import models

from webapp.coins.models import FullCoin
from webapp.coins.numbers import plain
from webapp.crawls.models import CrawlRun


def instant(moment: datetime) -> str:
    return moment.isoformat().removesuffix("+00:00") + "Z"


WRITERS: Mapping[type[models.Field], Callable[[Any], Any]] = {
    models.DecimalField: plain,
    models.DateTimeField: instant,
}


def by_name(model: type[models.Model], *hidden: str) -> dict[str, models.Field]:
    return {field.name: field for field in model._meta.concrete_fields if field.name not in hidden}


COIN = by_name(FullCoin, "stale_before")
# The names of machines, and what happens on them, are nobody's business; how batches are stored is the crawler's own.
RUN = by_name(CrawlRun, "node", "claim", "claimed_at", "settings", "log_tail", "log_file", "flushes", "rejected_rows")


def write(fields: Sequence[models.Field], rows: Collection[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Rows of these fields' values as objects.

    Column by column: what a field's values are written with is chosen once, and not for each of 31,000 values.
    """
    names = [field.name for field in fields]
    columns = zip(fields, zip(*rows, strict=True), strict=bool(rows))  # without rows there are no columns
    written = [_column(_writer(field), values) for field, values in columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*written, strict=True)]


def _writer(field: models.Field) -> Callable[[Any], Any] | None:
    return next((write for kind, write in WRITERS.items() if isinstance(field, kind)), None)


def _column(writer: Callable[[Any], Any] | None, values: Iterable[Any]) -> Iterable[Any]:
    return values if writer is None else [None if value is None else writer(value) for value in values]
