"""`manage.py export TABLE`: writes coins, runs, rejected records or a coin's prices to a file."""

import os
import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any, NoReturn, cast

from django.core.management.base import CommandError, CommandParser
from django.db.models import F, QuerySet
from xlsxwriter.exceptions import XlsxWriterException

from webapp.coins.exports.files import Export
from webapp.coins.exports.formats import FORMATS, Format
from webapp.coins.exports.tables import COINS, Table, UnknownColumn, prices_of_coin
from webapp.coins.models import FullCoin, PriceSeries
from webapp.coins.models.coin import ORDERINGS
from webapp.coins.prices.tiers import STEPS
from webapp.coins.texts import counted, printable
from webapp.crawls.catalog import SPIDERS
from webapp.crawls.exports import REJECTED, RUNS
from webapp.crawls.migrated import MigratedCommand
from webapp.crawls.models import CrawlRun, RejectedRecord
from webapp.crawls.verdict import Verdict

MOMENT = "a date and time in UTC, such as 2026-02-05 or 2026-02-05T12:00"
MAX_IDS = 10_000

Find = Callable[..., tuple[Table, QuerySet[Any]]]


def moment(text: str) -> datetime:
    try:
        given = datetime.fromisoformat(text)
        return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is not {MOMENT}") from None


def file(text: str) -> Path:
    if not text.strip():
        raise ArgumentTypeError("the name is empty: name a file, or leave --output away")
    return Path(text)


def names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def top(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise ArgumentTypeError(f"{text!r} is not a number of ranks, such as 250")
    return int(text)


def coins(ids: list[str] | None, top: int | None, missing: bool, **_: object) -> tuple[Table, QuerySet[Any]]:
    """By rank, as in the admin."""
    found = FullCoin.objects.order_by(*ORDERINGS["market_cap_rank"])
    if ids is not None:
        if not ids:
            raise CommandError("--ids is empty: name at least one id, or leave --ids away.")
        if len(ids) > MAX_IDS:
            raise CommandError(f"--ids takes {MAX_IDS:,} ids at most: export all coins instead.")
        found = found.filter(pk__in=ids)
        known = set(found.values_list("pk", flat=True))
        if unknown := [coin_id for coin_id in ids if coin_id not in known]:
            raise CommandError(f"There is no coin {printable(unknown[0], 100)}: --ids takes the ids of stored coins.")
    if top:
        found = found.filter(market_cap_rank__lte=top)
    if missing:
        found = found.filter(missing_since__isnull=False)
    return COINS, found


def runs(spider: str | None, verdict: str | None, since: datetime | None, **_: object) -> tuple[Table, QuerySet[Any]]:
    """The newest first, as in the admin."""
    given = {"spider": spider, "verdict": verdict, "started_at__gte": since}
    found = CrawlRun.objects.filter(**{lookup: value for lookup, value in given.items() if value})
    return RUNS, found.order_by(F("started_at").desc(nulls_first=True), "-pk")


def rejected(status: str | None, **_: object) -> tuple[Table, QuerySet[Any]]:
    """The newest first, as in the admin."""
    found = RejectedRecord.objects.filter(status=status) if status else RejectedRecord.objects.all()
    return REJECTED, found.order_by("-last_seen_at", "-pk")


def prices(
    coin: str, step: str, since: datetime | None, until: datetime | None, **_: object
) -> tuple[Table, QuerySet[Any]]:
    """Also those of a coin that was deleted."""
    if not coin:
        raise CommandError("--coin is empty: name the id of a stored coin.")
    if not any(rows.filter(coin_id=coin).exists() for rows in (PriceSeries.objects, FullCoin.objects)):
        raise CommandError(f"There is no coin {printable(coin, 100)}: --coin takes the id of a stored coin.")
    if since and until and since >= until:
        raise CommandError("--since is not before --until, so no price can be between them.")
    return prices_of_coin(coin, STEPS[step], since, until)


class Command(MigratedCommand):
    help = (
        "Writes coins, runs, rejected records or a coin's prices as xlsx, csv (for spreadsheets), csv-exact "
        "(for programs) or json."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        tables = parser.add_subparsers(dest="table", required=True, metavar="TABLE")
        one = self._table(tables, "coins", coins, "the coins, by rank")
        one.add_argument("--ids", type=names, metavar="IDS", help="only these coins, with commas between them")
        one.add_argument("--top", type=top, metavar="RANKS", help="only the first ranks by market cap, such as 250")
        one.add_argument("--missing", action="store_true", help="only coins that the market no longer has")
        one = self._table(tables, "runs", runs, "the crawl runs, the newest first")
        one.add_argument("--spider", choices=[*SPIDERS], help="only its runs")
        one.add_argument("--verdict", choices=[*map(str, Verdict)], help="only runs with this verdict")
        one.add_argument("--since", type=moment, help=f"only runs that began then or later: {MOMENT}")
        one = self._table(tables, "rejected", rejected, "the rejected records, the newest first")
        one.add_argument("--status", choices=RejectedRecord.Status.values, help="only records with this status")
        one = self._table(tables, "prices", prices, "the prices of a coin, the oldest first")
        one.add_argument("--coin", required=True, metavar="ID", help="the coin's id")
        one.add_argument(
            "--step", choices=[*STEPS], default="day", help="bars, or raw: the observations (default: day)"
        )
        one.add_argument("--since", type=moment, help=f"from then on: {MOMENT}")
        one.add_argument("--until", type=moment, help="before then")

    def _table(self, tables: Any, name: str, find: Find, help_text: str) -> CommandParser:
        parser: CommandParser = tables.add_parser(name, help=help_text, description=f"Exports {help_text}.")
        parser.set_defaults(find=find)
        parser.add_argument(
            "--format", choices=[*FORMATS], help="default: as the ending of FILE says, such as .xlsx; csv without FILE"
        )
        parser.add_argument("--columns", type=names, metavar="A,B", help="only these columns (default: all)")
        parser.add_argument(
            "--output", type=file, metavar="FILE", help="where to write it, when it is whole (default: standard output)"
        )
        return parser

    def handle(self, *args: Any, find: Find, output: Path | None, columns: list[str] | None, **options: Any) -> None:
        form = self._format(options.pop("format"), output)
        table, found = find(**options)
        try:
            export = Export(table, found, form, table.names if columns is None else columns)
        except UnknownColumn as error:
            raise CommandError(f"--columns: {error}") from None
        if not export.columns:
            raise CommandError(f"--columns names no column. The columns are {', '.join(table.names)}.")
        try:
            self._write(export, output)
        except (OSError, XlsxWriterException) as error:
            self._fail(error, output)
        if export.remark:
            self.stderr.write(export.remark)

    def _format(self, name: str | None, output: Path | None) -> Format:
        if output and output.is_dir():
            raise CommandError(f"{output} is a folder: name a file in it with --output.")
        name = name or (output.suffix[1:].lower() if output else "csv")
        if name not in FORMATS:
            raise CommandError(f"The ending of {output} is that of no format: name one with --format, such as xlsx.")
        form = FORMATS[name]
        if output is None and not form.is_text and self.stdout.isatty():
            raise CommandError("A workbook is no text for a terminal: name a file with --output, such as coins.xlsx.")
        return form

    def _write(self, export: Export, output: Path | None) -> None:
        if output:
            export.write_to(output)
            if output.is_file():  # and not standard output by its name, whose reader wants the rows alone
                rows, columns = counted(export.written, "row"), counted(len(export.columns), "column")
                self.stdout.write(f"{output}: {rows} of {columns}.")
            return
        with export.write_temporary() as file:
            try:
                copyfileobj(file, cast(IO[bytes], self.stdout.buffer))
                self.stdout.flush()
            except BrokenPipeError:  # whoever reads it has enough, such as `head`
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.stdout.fileno())  # else Python complains when it ends

    def _fail(self, error: Exception, output: Path | None) -> NoReturn:
        where = str(output) if output else "The export"
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CommandError(f"{where} cannot be written ({why}): nothing was changed. Name another file with --output.")
