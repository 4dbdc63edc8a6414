"""Texts for the cells of spreadsheets: short enough, and never read as a formula."""

import re
from typing import Any

CELL = 32_767  # UTF-16 units that a cell of Excel holds
CUT = " [cut]"
# What spreadsheets read as the beginning of a formula, also after quotes and white space, which some of them drop.
FORMULA = re.compile(r"[\s'\"\ufeff\u200b]*[=+\-@＝＋－＠]|[\t\r\n]")  # noqa: RUF001 - spreadsheets know the wide ones, too


class Cells:
    """Writes texts for cells, and counts those that had to be cut."""

    def __init__(self) -> None:
        self.cut = 0

    def text(self, value: Any) -> str:
        text = str(value)
        if len(text) <= CELL // 2 or units(text) <= CELL:  # no letter has more than two units
            return text
        self.cut += 1
        kept = text.encode("utf-16-le", "surrogatepass")[: 2 * (CELL - len(CUT))]
        return kept.decode("utf-16-le", "ignore") + CUT


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def escaped(text: str) -> str:
    """The text with an apostrophe before it, if a spreadsheet could read it as a formula."""
    return f"'{text}" if FORMULA.match(text) else text
