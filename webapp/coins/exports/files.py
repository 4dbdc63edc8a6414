"""Exports as files. A file is whole before anything of it is sent or has its name: an error leaves no part of one."""

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from errno import EISDIR
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Any

from django.db.models import QuerySet

from webapp.coins.exports.formats import Format
from webapp.coins.exports.tables import Table, rows, snapshot
from webapp.coins.texts import counted


@dataclass
class Export:
    """Rows of a table, to be written in a format. Raises UnknownColumn if the table lacks one of these columns."""

    table: Table
    found: QuerySet[Any]
    format: Format
    names: Collection[str]  # of columns
    written: int = 0  # rows
    cut: int = 0  # texts that had to be cut, because no cell holds them

    def __post_init__(self) -> None:
        self.columns = self.table.chosen(self.names)

    def write(self, file: IO[bytes]) -> None:
        with snapshot():
            self.cut = self.format.write(file, self.table.name, self.columns, self._counted())

    def write_temporary(self) -> IO[bytes]:
        """A file without a name, to be read from its beginning. It is gone when it is closed."""
        file = TemporaryFile()  # noqa: SIM115 - whoever reads it closes it
        try:
            self.write(file)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def write_to(self, path: Path) -> None:
        """Replaces the file at this path when all is written. Until then it has `.part` at the end of its name.

        What is no file, such as /dev/stdout or a named pipe, is written to and stays.

        Raises OSError or XlsxWriterException if it cannot be written.
        """
        if path.is_dir():
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        if path.exists() and not path.is_file():
            with self.write_temporary() as whole, path.open("wb") as target:
                copyfileobj(whole, target)
            return
        part = path.with_name(f"{path.name}.part")
        try:
            with part.open("wb") as file:
                self.write(file)
            part.replace(path)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise

    @property
    def remark(self) -> str:
        """What the reader of the file has to know; empty if there is nothing."""
        if not self.cut:
            return ""
        texts = counted(self.cut, "text")
        return f"Cut to what a cell can hold: {texts}. The formats csv-exact and json have all of it."

    def _counted(self) -> Iterator[tuple[Any, ...]]:
        for row in rows(self.found, self.columns):
            self.written += 1
            yield row
