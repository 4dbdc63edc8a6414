"""`python -m tests.bench.unchecked crawl markets`: `scrapy`, but values are not checked before they are stored.

They only become what the database takes: dates are read, and whole numbers are integers. Ends with exit status 1 if
nobody asked for a check.
"""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.db import models
from scrapy.cmdline import execute

from webapp.coins import cleaning, columns
from webapp.coins.columns import ColumnCheck

asked: list[models.Field] = []


def no_check(field: models.Field) -> Callable[[Any], Any]:
    asked.append(field)
    if isinstance(field, models.DateTimeField):
        return in_utc
    return int if isinstance(field, models.IntegerField) else same


def no_column_check(field: models.Field) -> ColumnCheck:
    read = no_check(field)
    return same if read is same else lambda values: [None if value is None else read(value) for value in values]


def in_utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def same(value: Any) -> Any:
    return value


def main() -> None:
    cleaning.check_for = no_check
    columns.column_check_for = no_column_check
    try:
        execute(["scrapy", *sys.argv[1:]])
    finally:
        if not asked:
            raise SystemExit("The crawl checks its values in another way: nothing was switched off.")


if __name__ == "__main__":
    main()
