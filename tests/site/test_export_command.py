"""`manage.py export`: which rows it writes, where to, and how it ends."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.support.databases import migrated
from tests.support.exports import read_csv, read_json, read_xlsx
from tests.support.factories import NOON, make_coin, make_rejected, make_run
from tests.support.prices import make_bar, make_price
from tests.support.processes import ROOT, python
from webapp.coins.exports.cells import CELL
from webapp.coins.prices.tiers import Step

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


class Output(io.TextIOWrapper):
    """A standard output, or a terminal."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), "utf-8")
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal

    @property
    def written(self) -> bytes:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue()


def run(*arguments: str) -> bytes:
    """What it writes to standard output."""
    output = Output()
    call_command("export", *arguments, stdout=output)
    return output.written


def keys(name: str, *arguments: str, key: str = "coin_id") -> list[Any]:
    return [row[key] for row in read_json(run(name, "--format", "json", *arguments))]


@pytest.fixture
def market() -> None:
    for rank in (300, 1, 20):
        make_coin(f"rank-{rank}", market_cap_rank=rank)
    make_coin("unranked", missing_since=NOON)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        pytest.param([], ["rank-1", "rank-20", "rank-300", "unranked"], id="all, by rank"),
        pytest.param(["--top", "20"], ["rank-1", "rank-20"], id="top"),
        pytest.param(["--ids", "rank-300, rank-1"], ["rank-1", "rank-300"], id="ids"),
        pytest.param(["--missing"], ["unranked"], id="missing"),
        pytest.param(["--top", "20", "--ids", "rank-1,unranked"], ["rank-1"], id="two at once"),
    ],
)
def test_coins_are_exported(market: None, arguments: list[str], found: list[str]) -> None:
    assert keys("coins", *arguments) == found


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        pytest.param([], ["waiting", "new", "old"], id="all, the newest first"),
        pytest.param(["--verdict", "failed"], ["new"], id="by verdict"),
        pytest.param(["--spider", "history"], ["old"], id="by spider"),
        pytest.param(["--since", "2026-02-05T13:00"], ["new"], id="since a time"),
        pytest.param(["--since", "2026-02-05 14:00:00+01:00"], ["new"], id="since a time elsewhere"),
    ],
)
def test_runs_are_exported(arguments: list[str], found: list[str]) -> None:
    make_run(id="old", spider="history")
    make_run(id="new", verdict="failed", started_at=NOON + timedelta(hours=1))
    make_run(id="waiting", verdict="pending", started_at=None)

    assert keys("runs", *arguments, key="id") == found


def test_rejected_records_are_exported() -> None:
    make_rejected("a", last_seen_at=NOON), make_rejected("b", last_seen_at=NOON + timedelta(hours=1))
    make_rejected("c", last_seen_at=NOON, status="ignored")

    assert keys("rejected", "--status", "open") == ["b", "a"]


@pytest.mark.parametrize(("step", "column"), [("day", "close"), ("hour", "close"), ("raw", "price")])
def test_the_prices_of_a_coin_are_exported(step: str, column: str) -> None:
    for days in range(3):
        moment = NOON + timedelta(days=days)
        make_price(time=moment, price=days)
        for one in Step:
            make_bar(step=one, time=moment, close=days)
    make_price("another", time=NOON)

    limits = ["--since", "2026-02-06", "--until", "2026-02-07T12:00:00Z"]

    assert keys("prices", "--coin", "bitcoin", "--step", step, *limits, key=column) == ["1"]


def test_prices_of_a_coin_that_was_deleted_are_exported() -> None:
    make_bar("gone", time=NOON)

    assert keys("prices", "--coin", "gone") == ["gone"]


def test_csv_for_spreadsheets_is_what_comes_without_a_format(market: None) -> None:
    written = run("coins", "--top", "1", "--columns", "market_cap_rank, coin_id")

    assert written.decode() == '\ufeffcoin_id,market_cap_rank\r\n"rank-1",1\r\n'


@pytest.mark.parametrize(
    ("file", "read"),
    [("coins.xlsx", read_xlsx), ("coins.csv", read_csv), ("coins.JSON", read_json)],
    ids=["xlsx", "csv", "json"],
)
def test_the_ending_of_a_file_says_its_format(
    market: None, tmp_path: Path, file: str, read: Callable[..., Any]
) -> None:
    path = tmp_path / file

    told = run("coins", "--output", str(path))

    assert [row["coin_id"] for row in read(path.read_bytes())] == ["rank-1", "rank-20", "rank-300", "unranked"]
    assert told.decode() == f"{path}: 4 rows of 33 columns.\n"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("name", ["json", "xlsx"])
def test_a_named_pipe_is_written_to_and_stays(market: None, tmp_path: Path, name: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)  # so that it has a reader

    told = run("coins", "--columns", "coin_id", "--format", name, "--output", str(pipe))

    written = os.read(end, 2**16)
    os.close(end)
    assert told == b""
    assert pipe.is_fifo()
    assert [*tmp_path.iterdir()] == [pipe]
    assert len(read_json(written) if name == "json" else read_xlsx(written)) == 4


def test_a_workbook_goes_to_a_file_or_a_program_and_not_to_a_terminal(market: None) -> None:
    with pytest.raises(CommandError, match=r"^A workbook is no text for a terminal: name a file with --output"):
        call_command("export", "coins", "--format", "xlsx", stdout=Output(is_terminal=True))

    assert len(read_xlsx(run("coins", "--format", "xlsx"))) == 4


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the following arguments are required: TABLE"),
        (["nodes"], "invalid choice: 'nodes'"),
        (["coins", "--format", "ods"], "invalid choice: 'ods'"),
        (["coins", "--columns", "coin_id,claim"], r"--columns: coins have no column 'claim'. The columns are coin_id"),
        (["coins", "--columns", ","], r"--columns names no column. The columns are coin_id"),
        (["coins", "--ids", ""], "--ids is empty: name at least one id, or leave --ids away."),
        (["coins", "--ids", " , ,"], "--ids is empty: name at least one id, or leave --ids away."),
        (["coins", "--ids", "bitcoin,no\nthing"], r"There is no coin no\\nthing: --ids takes the ids of stored coins."),
        (["coins", "--ids", ",".join(map(str, range(10_001)))], "--ids takes 10,000 ids at most"),
        (["coins", "--top", "-1"], "'-1' is not a number of ranks, such as 250"),
        (["coins", "--top", ""], "'' is not a number of ranks, such as 250"),
        (["coins", "--output", " "], "the name is empty: name a file, or leave --output away"),
        (["coins", "--top", "9" * 5000], "is not a number of ranks, such as 250"),
        (["coins", "--output", "{folder}/coins.ods"], "is that of no format: name one with --format, such as xlsx"),
        (["coins", "--output", "{folder}/none/coins.csv"], r"cannot be written \(No such file or directory\): nothing"),
        (["coins", "--output", "{folder}"], r"is a folder: name a file in it with --output."),
        (["runs", "--since", "yesterday"], "'yesterday' is not a date and time in UTC, such as 2026-02-05"),
        (["runs", "--since", ""], "'' is not a date and time in UTC"),
        (["runs", "--spider", ""], "invalid choice: ''"),
        (["rejected", "--status", ""], "invalid choice: ''"),
        (["runs", "--since", "0001-01-01T00:00+23:00"], "is not a date and time in UTC"),
        (["runs", "--verdict", "good"], "invalid choice: 'good'"),
        (
            ["prices", "--coin", "bitcoin", "--since", "2026-02-06", "--until", "2026-02-06"],
            "--since is not before --until, so no price can be between them.",
        ),
        (["prices"], "the following arguments are required: --coin"),
        (["prices", "--coin", ""], "--coin is empty: name the id of a stored coin."),
        (["prices", "--coin", "nothing"], "There is no coin nothing: --coin takes the id of a stored coin."),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_what_cannot_be_exported_is_a_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    make_coin()

    with pytest.raises(CommandError, match=sentence):
        run(*(argument.format(folder=tmp_path) for argument in arguments))

    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("target", ["file", "output"])
def test_an_error_half_way_writes_nothing(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        yield ("bitcoin",)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("webapp.coins.exports.files.rows", broken)
    path, output = tmp_path / "coins.csv", Output()

    with pytest.raises(CommandError, match=r"cannot be written \(No space left on device\): nothing was changed"):
        call_command(
            "export",
            "coins",
            "--columns",
            "coin_id",
            *(["--output", str(path)] if target == "file" else []),
            stdout=output,
        )

    assert (output.written, [*tmp_path.iterdir()]) == (b"", [])


def test_texts_that_were_cut_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    make_rejected(raw="x" * (CELL + 1))

    run("rejected")

    assert capsys.readouterr().err.startswith("Cut to what a cell can hold: 1 text.")


@pytest.mark.sqlite
def test_it_is_a_command_that_others_read_from(tmp_path: Path) -> None:
    environment = {"DATABASE_URL": f"sqlite:///{migrated(tmp_path / 'coins.sqlite3')}"}

    done = python(["webapp/manage.py", "export", "coins", "--columns", "coin_id", "--format", "csv-exact"], environment)

    assert (done.returncode, done.stdout, done.stderr) == (0, "coin_id\r\n", "")


@pytest.mark.sqlite
def test_whoever_reads_it_may_stop(tmp_path: Path) -> None:
    url = f"sqlite:///{migrated(tmp_path / 'coins.sqlite3')}"
    command = [sys.executable, "webapp/manage.py", "export", "coins"]
    with subprocess.Popen(
        command, cwd=ROOT, env={"DATABASE_URL": url}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()

        complaints = process.stderr.read()

    assert complaints == b""
