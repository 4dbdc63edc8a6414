"""The formats of exports."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from webapp.coins.exports import csv, json, xlsx
from webapp.coins.exports.tables import Column


@dataclass(frozen=True)
class Format:
    name: str
    suffix: str  # of the file's name
    content_type: str
    summary: str  # for the person who chooses
    # Writes rows to a binary file. Returns how many texts had to be cut.
    write: Callable[[IO[bytes], str, Sequence[Column], Iterable[tuple[Any, ...]]], int]

    @property
    def is_text(self) -> bool:
        return self.suffix != "xlsx"


_ALL = (
    Format(
        "xlsx",
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "XLSX: a workbook for Excel, LibreOffice and Google Sheets",
        xlsx.write,
    ),
    Format(
        "csv",
        "csv",
        "text/csv; charset=utf-8",
        "CSV for spreadsheets: no text can be a formula, dates are to the second",
        csv.write_for_spreadsheets,
    ),
    Format(
        "csv-exact",
        "csv",
        "text/csv; charset=utf-8",
        "CSV for programs: exactly what is stored, also texts that a spreadsheet would run as formulas",
        csv.write_exact,
    ),
    Format("json", "json", "application/json", "JSON: values as the read API writes them", json.write),
)
FORMATS: Mapping[str, Format] = {one.name: one for one in _ALL}
