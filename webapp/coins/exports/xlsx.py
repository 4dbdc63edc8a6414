"""XLSX: a workbook for Excel, LibreOffice and Google Sheets."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from itertools import islice
from tempfile import TemporaryDirectory
from typing import IO, Any

from django.db import models
from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from webapp.coins.exports.cells import Cells
from webapp.coins.exports.tables import Column
from webapp.coins.numbers import plain
from webapp.coins.values import by_type, instant

ROWS = 1_048_575  # of a sheet, below its headings
DIGITS = 15  # that Excel keeps of a number
MAGNITUDES = range(-300, 300)  # powers of ten that every spreadsheet knows
FIRST_YEAR = 1901  # Excel's dates begin in 1900, which it counts as a leap year
EVERYWHERE = "A1:XFD1048576"
WIDTHS = {models.DateTimeField: 19, models.DecimalField: 18, models.IntegerField: 12, models.BooleanField: 8}

Write = Callable[[Worksheet, int, int, Any], object]


class Sheet(Worksheet):
    """A sheet without rich texts. XlsxWriter takes a text such as <r>...</r> for one, and writes it as markup."""

    def _xml_rich_inline_string(self, string: str, attributes: Sequence[tuple[str, Any]] = ()) -> None:
        self._xml_inline_string(string, preserve=True, attributes=attributes)


def write(file: IO[bytes], name: str, columns: Sequence[Column], rows: Iterable[tuple[Any, ...]]) -> int:
    """Frozen headings that filter, numbers that Excel holds as numbers, dates as dates, and all else as texts.

    What does not fit on a sheet is on further ones. Returns how many texts were cut, because no cell holds them.
    """
    rows, cells, number, line = iter(rows), Cells(), 0, ROWS
    with (
        TemporaryDirectory(prefix="coincrawl-") as folder,
        closing(Workbook(file, {"constant_memory": True, "tmpdir": folder})) as book,
    ):
        book.use_zip64()  # if it is larger than 4 GB
        kinds, text = _writers(book, cells)
        writers = [by_type(column.field, kinds, text) for column in columns]
        while line == ROWS:
            number += 1
            sheet = _sheet(book, name if number == 1 else f"{name} {number}", columns)
            line = _write_rows(sheet, writers, islice(rows, ROWS))
            sheet.autofilter(0, 0, line, len(columns) - 1)
    return cells.cut


def _sheet(book: Workbook, name: str, columns: Sequence[Column]) -> Worksheet:
    sheet = book.add_worksheet(name, Sheet)
    sheet.freeze_panes(1, 1)
    sheet.ignore_errors({"number_stored_as_text": EVERYWHERE})
    heading = book.add_format({"bold": True, "bottom": 1})
    for place, column in enumerate(columns):
        sheet.set_column(place, place, max(by_type(column.field, WIDTHS, 20), len(column.name) + 3))
        sheet.write_string(0, place, column.name, heading)
    return sheet


def _write_rows(sheet: Worksheet, writers: Sequence[Write], rows: Iterable[tuple[Any, ...]]) -> int:
    """Returns the number of the last line."""
    line = 0
    for line, row in enumerate(rows, start=1):
        for place, (write, value) in enumerate(zip(writers, row, strict=True)):
            if value is not None:
                write(sheet, line, place, value)
    return line


def _writers(book: Workbook, cells: Cells) -> tuple[Mapping[type[models.Field], Write], Write]:
    """How values are written, by the type of their field, and those of other types."""
    as_text: Format = book.add_format({"num_format": "@"})  # a text stays one when somebody edits it
    as_date: Format = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})

    def text(sheet: Worksheet, line: int, place: int, value: Any) -> None:
        sheet.write_string(line, place, cells.text(value), as_text)

    def document(sheet: Worksheet, line: int, place: int, value: Any) -> None:
        sheet.write_string(line, place, cells.text(json.dumps(value)), as_text)

    def number(sheet: Worksheet, line: int, place: int, value: Decimal | int | float) -> None:
        digits = plain(Decimal(value))
        if held_by_excel(digits):
            sheet.write_number(line, place, Decimal(digits))  # a float would bring digits of its own
        else:
            sheet.write_string(line, place, digits, as_text)

    def moment(sheet: Worksheet, line: int, place: int, value: datetime) -> None:
        if value.year < FIRST_YEAR:
            sheet.write_string(line, place, instant(value), as_text)
        else:
            whole = value.replace(tzinfo=None, microsecond=value.microsecond // 1_000 * 1_000)
            sheet.write_datetime(line, place, whole, as_date)  # to the millisecond, as Excel has them

    def boolean(sheet: Worksheet, line: int, place: int, value: bool) -> None:
        sheet.write_boolean(line, place, value)

    numbers = dict.fromkeys((models.DecimalField, models.IntegerField, models.FloatField), number)
    return {
        **numbers,
        models.DateTimeField: moment,
        models.BooleanField: boolean,
        models.JSONField: document,
    }, text


def held_by_excel(digits: str) -> bool:
    """Whether Excel keeps all digits of a number, which has no trailing zeros after the point."""
    if len(digits) <= DIGITS:  # most of them
        return True
    return len(digits.replace(".", "").strip("-0")) <= DIGITS and Decimal(digits).adjusted() in MAGNITUDES
