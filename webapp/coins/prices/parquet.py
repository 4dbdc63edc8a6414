"""Observations in a Parquet file: sorted by coin and time, compressed with zstd, in groups of rows.

Numbers are texts with every digit: no engine reads decimals of 60 digits back as they were. A rank is a whole number
of 32 bits, which every engine reads exactly. The file's metadata says what it has (`About`).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import IO, Any

import pyarrow as pa
from pyarrow import parquet as pq

from webapp.coins.prices.storage import DamagedError
from webapp.coins.texts import one_line

ROWS_AT_ONCE = 50_000  # a group of rows, and what is in memory
KEY = "coincrawl"  # of our metadata in a file

# A coin's id, microseconds since 1970, price, market cap, volume, rank
Row = tuple[str, int, str, str | None, str | None, int | None]

TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field("coin_id", pa.string(), nullable=False),
        pa.field("time", TIME, nullable=False),
        pa.field("price", pa.string(), nullable=False),
        pa.field("market_cap", pa.string()),
        pa.field("volume", pa.string()),
        pa.field("rank", pa.int32()),
    ]
)
ORDER = pq.SortingColumn.from_ordering(SCHEMA, [("coin_id", "ascending"), ("time", "ascending")])


@dataclass(frozen=True)
class About:
    """What a file has."""

    day: str  # 2026-02-05
    vs_currency: str
    changed_at: str  # of the newest observations, in ISO 8601
    replaces: tuple[str, ...]  # the checksums of the day's earlier files: it has their rows too
    rows: int = 0
    content: str = ""  # `Content` of its rows


@dataclass
class Content:
    """The number of rows, and the SHA-256 of all of them as one JSON array of arrays, as Python's json writes it."""

    rows: int = 0
    _digest: Any = field(default_factory=lambda: hashlib.sha256(b"["))

    def add(self, rows: list[Row]) -> None:
        separator = ", " if self.rows and rows else ""
        self._digest.update((separator + json.dumps(rows)[1:-1]).encode())
        self.rows += len(rows)

    @property
    def checksum(self) -> str:
        whole = self._digest.copy()
        whole.update(b"]")
        return str(whole.hexdigest())


def write(file: IO[bytes], rows: Iterable[Row], about: About) -> About:
    """Write the rows, a group at a time. Returns `about` with their number and checksum, as the metadata has it."""
    content, rows = Content(), iter(rows)
    with pq.ParquetWriter(file, SCHEMA, compression="zstd", sorting_columns=ORDER, write_page_checksum=True) as writer:
        while part := list(islice(rows, ROWS_AT_ONCE)):
            content.add(part)
            writer.write_table(_table(part))
        written = replace(about, rows=content.rows, content=content.checksum)
        writer.add_key_value_metadata({KEY: json.dumps(asdict(written))})
    return written


def _table(rows: list[Row]) -> pa.Table:
    coin_ids, times, *others = zip(*rows, strict=True)
    columns = [coin_ids, pa.array(times, pa.int64()).cast(TIME), *others]
    return pa.Table.from_arrays(list(map(pa.array, columns, SCHEMA.types)), schema=SCHEMA)


def read(file: IO[bytes]) -> Iterator[Row]:
    """The rows, a group at a time. Raises DamagedError if it is no such file."""
    try:
        parts = pq.ParquetFile(file, page_checksum_verification=True)
        if not parts.schema_arrow.equals(SCHEMA):
            raise DamagedError("has other columns")
        for part in parts.iter_batches(batch_size=ROWS_AT_ONCE):
            columns = [part.column(name) for name in SCHEMA.names]
            columns[1] = columns[1].cast(pa.int64())
            yield from zip(*(column.to_pylist() for column in columns), strict=True)
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"is damaged ({one_line(error)})") from error


def about(file: IO[bytes]) -> About:
    """Raises DamagedError if it is no such file."""
    try:
        texts = pq.ParquetFile(file).metadata.metadata or {}
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"is damaged ({one_line(error)})") from error
    try:
        facts = json.loads(texts[KEY.encode()])
        return About(**facts | {"replaces": tuple(facts["replaces"])})
    except (TypeError, KeyError, ValueError) as error:
        raise DamagedError("is no file of this archive") from error


def check(file: IO[bytes]) -> About:
    """Read the whole file. Raises DamagedError if its rows are not those that were written."""
    content, found, rows = Content(), about(file), read(file)
    while part := list(islice(rows, ROWS_AT_ONCE)):
        content.add(part)
    if (content.rows, content.checksum) != (found.rows, found.content):
        raise DamagedError("has other rows than were written")
    return found
