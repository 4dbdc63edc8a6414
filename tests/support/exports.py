"""Exports as programs read them back: rows, with what a format makes of their values."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from webapp.coins.exports.files import Export
from webapp.coins.exports.formats import FORMATS
from webapp.coins.exports.tables import Table

# Texts that spreadsheets read as formulas.
FORMULAS = ["=1+1", "==1", "@SUM(1)", "+1", "-1", "\t=1", "\r=1", "\n1", " =1", "'=1", '"=1"', "＝1+1", "\ufeff=1"]


def content(table: Table, found: Any, name: str, columns: Sequence[str] = ()) -> bytes:
    """The file of a format."""
    with Export(table, found, FORMATS[name], columns or table.names).write_temporary() as file:
        return file.read()


def read_csv(written: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written.decode("utf-8-sig"), newline="")))


def read_json(written: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(written)
    return rows


def sheets(written: bytes) -> list[Worksheet]:
    return [sheet for sheet in load_workbook(io.BytesIO(written)).worksheets if isinstance(sheet, Worksheet)]


def read_xlsx(written: bytes) -> list[dict[str, Any]]:
    """The rows of all sheets."""
    found = []
    for sheet in sheets(written):
        heading, *rows = sheet.iter_rows(values_only=True)
        found += [dict(zip(map(str, heading), row, strict=True)) for row in rows]
    return found
