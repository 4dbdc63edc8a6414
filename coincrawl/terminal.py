"""What a person sees of a crawl on a terminal, drawn by rich: the bar, and the table at the end.

Imported when it is drawn: rich would be a twentieth of what a crawl costs before its first request. Without a terminal,
it is not imported at all.
"""

from collections.abc import Mapping

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text


def start_bar(description: str) -> Progress:
    """A bar on stderr with one task, which has its words in the field `words`. It takes sys.stderr until it stops."""
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}")
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.add_task(description, words="")
    bar.start()
    return bar


def print_table(rows: Mapping[str, str]) -> None:
    """A table of names and values on stderr. Raises OSError if it cannot be written."""
    table = Table(box=box.SIMPLE, show_header=False, padding=(0, 1))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, Text(value))  # an API's words are not markup
    Console(stderr=True).print(table)
