"""`manage.py`: its commands end with a sentence if the database cannot be used."""

import re
from pathlib import Path

import pytest
from django.db import Error, OperationalError, ProgrammingError, connection

from tests.support.broken_databases import locked
from tests.support.processes import python
from webapp.management import unusable

AWAY = "postgres://ada:hidden@127.0.0.1:1/coins"


@pytest.mark.parametrize(
    "arguments",
    [
        ["migrate"],
        ["showmigrations"],
        ["createsuperuser", "--noinput", "--username", "ada", "--email", "ada@coins.example"],
        ["runserver", "--noreload", "127.0.0.1:0"],
        ["runserver", "127.0.0.1:0"],
    ],
    ids=" ".join,
)
def test_a_database_that_is_away_is_a_sentence(arguments: list[str]) -> None:
    done = python(["webapp/manage.py", *arguments], {"DATABASE_URL": AWAY})

    assert done.returncode == 1
    sentence = r"CommandError: The database cannot be used \(.* refused\): check DATABASE_URL\.\n"
    assert re.fullmatch(sentence, done.stderr)
    assert "hidden" not in done.stderr


@pytest.mark.parametrize(
    ("content", "command", "words", "remedy"),
    [
        (b"", "clearsessions", "no such table: django_session", "run `python webapp/manage.py migrate`"),
        (b"no database" * 1_000, "migrate", "file is not a database", "check DATABASE_URL"),
    ],
    ids=["not migrated", "another file"],
)
def test_a_file_that_is_no_database_of_ours_is_a_sentence(
    content: bytes, command: str, words: str, remedy: str, tmp_path: Path
) -> None:
    file = tmp_path / "coins.sqlite3"
    file.write_bytes(content)

    done = python(["webapp/manage.py", command], {"DATABASE_URL": f"sqlite:///{file}"})

    assert done.returncode == 1
    assert done.stderr == f"CommandError: The database {file} cannot be used ({words}): {remedy}.\n"


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OperationalError("no such column: coins_fullcoin.new"), "run `python webapp/manage.py migrate`."),
        (OperationalError("table coins_fullcoin has no column named new"), "run `python webapp/manage.py migrate`."),
        (ProgrammingError('relation "coins_fullcoin" does not exist'), "run `python webapp/manage.py migrate`."),
        (OperationalError("unable to open database file"), "check DATABASE_URL."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_tables_of_another_version_are_to_be_migrated(error: Error, remedy: str) -> None:
    assert unusable(error).endswith(f": {remedy}")


def test_a_database_that_is_locked_is_no_wrong_database_url() -> None:
    sentence = unusable(locked())

    name = connection.settings_dict["NAME"]
    assert sentence == (
        f"CommandError: The database {name} is locked by another process, and stayed so for 20 s: end that "
        "process or wait for it, and try again."
    )


def test_the_server_listens_on_the_port_of_the_environment() -> None:
    program = "from webapp.management.commands.runserver import Command; print(Command.default_port)"

    assert python(["-c", program], {"PORT": "8001"}).stdout == "8001\n"


def test_the_option_traceback_shows_one() -> None:
    done = python(["webapp/manage.py", "migrate", "--traceback"], {"DATABASE_URL": AWAY})

    assert (done.returncode, done.stderr.startswith("Traceback")) == (1, True)
