"""`python -m tests.bench.unchecked crawl markets`: `scrapy`, but values are not checked before they are stored.

Only dates are read, because a text cannot be stored as one. Ends with exit status 1 if nobody asked for a check.
"""

import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import models
from scrapy.cmdline import execute

from webapp.coins import cleaning, columns

asked: list[models.Field] = []


def no_check(field: models.Field) -> Callable[[Any], Any]:
    asked.append(field)
    return datetime.fromisoformat if isinstance(field, models.DateTimeField) else same


def no_column_check(field: models.Field) -> Callable[[Any], Any] | None:
    return None if isinstance(field, models.DateTimeField) else same


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
