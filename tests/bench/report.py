"""What a benchmark says: in the terminal as it goes, and as a page."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table as Grid

from tests.bench.results import Table, Target, wrapped

TARGETS = "What is wanted, and what this run has measured."
HEAD = ["target", "measured", "wanted", ""]  # the last one is for whether it holds
INTRODUCTION = """
`make bench` wrote this page. It measures whole processes against the fake API, all on one machine, one after the
other. What is compared runs in rounds: each method once in a round, and another one first in each round. Times are
medians, with the smallest and the largest in brackets. Without brackets, it was measured once, or was the same each
time. Ratios are made in each round, because a busy machine slows down all that is measured in it; so a ratio is worth
more than a time. CPU is the user's and the system's time of the process and its children, without the fake API, and
without the database's server, which has a column of its own. Memory is the peak of the whole process; a MB is a million
bytes.
"""


class Report:
    def __init__(self, command: str, *, is_judged: bool = True) -> None:
        """Unless it `is_judged`, it does not say which targets hold."""
        self.command = command
        self._target_columns = len(HEAD) if is_judged else len(HEAD) - 1
        self.machine: list[str] = []
        self.tables: list[Table] = []
        self.targets: list[Target] = []
        self._console = Console()
        if not self._console.is_terminal:
            self._console.width = 180  # characters; the width of a file is not known
        self._began = perf_counter()

    def say(self, what: str) -> None:
        """What is being done, with the minutes since it began."""
        minutes, seconds = divmod(round(perf_counter() - self._began), 60)
        self._console.print(f"{minutes:3}:{seconds:02}  {what}", highlight=False, markup=False)

    def add(self, table: Table, targets: Sequence[Target] = ()) -> None:
        self.tables.append(table)
        self.targets += targets
        if table.columns:
            self._show(table)
        if targets:
            self._show(self._judged("Targets", targets))

    def show_targets(self) -> None:
        self._show(self._judged("All targets", self.targets))

    def write(self, path: Path) -> None:
        path.write_text(self.markdown())

    def markdown(self) -> str:
        facts = [f"- {fact}\n" for fact in (*self.machine, f"{datetime.now(UTC):%F}", f"`{self.command}`")]
        parts = [
            "# Benchmarks\n",
            f"{wrapped(INTRODUCTION)}\n",
            "".join(facts),
            self._judged("Targets", self.targets).markdown(),
        ]
        explained = ""  # a table like the one before needs no explanation
        for table in self.tables:
            parts.append(table.markdown(is_explained=table.explanation != explained))
            explained = table.explanation
        return "\n".join(parts)

    def _judged(self, title: str, targets: Sequence[Target]) -> Table:
        rows: list[Sequence[str]] = [target.cells[: self._target_columns] for target in targets]
        return Table(title, TARGETS, HEAD[: self._target_columns], rows)

    def _show(self, table: Table) -> None:
        grid = Grid(title=table.title, title_justify="left", title_style="bold")
        for number, column in enumerate(table.columns):
            grid.add_column(column, justify="right" if number else "left")
        for row in table.rows:
            style = "bold red" if row[-1] == "misses" else None
            grid.add_row(*row, style=style)
        self._console.print(grid)


def machine(versions: Sequence[str]) -> list[str]:
    """What it ran on, without its name."""
    cores = len(os.sched_getaffinity(0))
    return [
        f"{cores} core{'' if cores == 1 else 's'}, {platform.system()} {platform.machine()}",
        f"Python {platform.python_version()}, {', '.join(versions)}",
    ]
