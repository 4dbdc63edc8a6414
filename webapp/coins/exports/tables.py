"""What can be exported: tables with their columns. Reading takes the memory of a thousand rows, however many."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, models, transaction
from django.db.models.query import ValuesListIterable
from django.utils.text import capfirst

from webapp.coins.models import FullCoin, Price, PriceBar, PriceSeries
from webapp.coins.prices.reading import prices_of
from webapp.coins.prices.series import key_of
from webapp.coins.prices.tiers import Step

ROWS_AT_ONCE = 1_000


class UnknownColumn(Exception):
    """There is no such column. The message names it, and those that there are."""


@dataclass(frozen=True)
class Column:
    name: str  # its heading
    field: models.Field  # whose type says how its values are written
    lookup: str = ""  # where its values are, if not in a field of that name

    @property
    def source(self) -> str:
        return self.lookup or self.name

    @property
    def label(self) -> str:
        """Its name for people."""
        return capfirst(self.name.replace("_", " ") if self.lookup else str(self.field.verbose_name))


@dataclass(frozen=True)
class Table:
    name: str  # of files and sheets
    columns: Sequence[Column]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    def chosen(self, names: Collection[str]) -> list[Column]:
        """The columns with these names, in the table's order. Raises UnknownColumn if one does not exist."""
        for name in names:
            if name not in self.names:
                raise UnknownColumn(f"{self.name} have no column {name!r}. The columns are {', '.join(self.names)}.")
        return [column for column in self.columns if column.name in names]


def columns_of(model: type[models.Model], *hidden: str) -> list[Column]:
    """A column for each field, except those that nobody edits or sees: they are for the crawler's own use."""
    fields = (field for field in model._meta.concrete_fields if field.editable and not field.auto_created)
    return [Column(field.name, field) for field in fields if field.name not in hidden]


COIN_ID = Column("coin_id", PriceSeries._meta.get_field("coin_id"), "series__coin_id")
COINS = Table("coins", columns_of(FullCoin))
OBSERVATIONS = Table("prices", [COIN_ID, *columns_of(Price, "series")])
BARS = Table("prices", [COIN_ID, *columns_of(PriceBar, "series", "step", "is_final")])


def prices_of_coin(
    coin_id: str, step: Step | None, since: datetime | None, until: datetime | None
) -> tuple[Table, models.QuerySet[Any]]:
    """Its bars that begin from `since` on and before `until`, or its observations if `step` is None, by time."""
    key = key_of(coin_id) or 0  # that of no series
    return (BARS if step else OBSERVATIONS), prices_of(key, step, since, until).order_by("time")


def snapshot() -> AbstractContextManager[None]:
    """What `rows` has to be read in.

    On PostgreSQL it is a transaction: only there, a cursor that PgBouncer allows reads row by row. SQLite reads so
    anyhow, and a transaction would make writers wait.
    """
    return transaction.atomic() if connection.vendor == "postgresql" else nullcontext()


def rows(found: models.QuerySet[Any], columns: Sequence[Column]) -> Iterator[tuple[Any, ...]]:
    """The values of these columns, read row by row: `QuerySet.iterator` reads all at once where PgBouncer may be."""
    values = found.values_list(*(column.source for column in columns))
    return iter(ValuesListIterable(values, chunked_fetch=True, chunk_size=ROWS_AT_ONCE))
