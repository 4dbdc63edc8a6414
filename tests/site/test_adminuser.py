"""`manage.py adminuser`: who can log in after it, and what it prints."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from tests.support.processes import ROOT, python

pytestmark = pytest.mark.django_db


def adminuser(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The lines that the command prints."""
    call_command("adminuser", *arguments)
    return capsys.readouterr().out.splitlines()


@pytest.mark.every_database
def test_the_printed_name_and_password_open_the_admin(capsys: pytest.CaptureFixture[str], client: Client) -> None:
    lines = adminuser(capsys)

    login = re.fullmatch(r"Log in: http://testserver(\S+) as admin, password (\S{16})", lines[-1])
    assert login is not None
    assert len(lines) == 2
    assert client.login(username="admin", password=login[2])
    assert client.get(login[1]).status_code == 200
    assert User.objects.get().is_superuser


def test_the_address_is_the_site_s(capsys: pytest.CaptureFixture[str], settings: Any) -> None:
    settings.ALLOWED_HOSTS, settings.HTTPS = ["localhost", "coins.example"], True

    lines = adminuser(capsys)

    assert lines[-1].startswith("Log in: https://coins.example/admin/ as admin, ")


def test_two_users_get_two_passwords(capsys: pytest.CaptureFixture[str]) -> None:
    passwords = {adminuser(capsys, name)[-1].split()[-1] for name in ("ada", "grace")}

    assert len(passwords) == 2


def test_an_existing_user_gets_a_new_password_and_no_new_rights(
    capsys: pytest.CaptureFixture[str], client: Client
) -> None:
    User.objects.create_user("maria", password="old", is_staff=True)

    adminuser(capsys, "maria", "--password", "new one")

    assert client.login(username="maria", password="new one")
    assert not User.objects.get().is_superuser


@pytest.mark.parametrize(
    ("folder", "manage"),
    [
        pytest.param(ROOT, "webapp/manage.py", id="in the project"),
        pytest.param(ROOT / "webapp", "manage.py", id="below it"),
        pytest.param(ROOT / "tests", str(ROOT / "webapp" / "manage.py"), id="beside it"),
    ],
)
def test_it_says_how_to_start_the_site_from_here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path, manage: str
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "executable", str(folder / ".venv" / "bin" / "python"))
    monkeypatch.setitem(connection.settings_dict, "NAME", settings.DEFAULT_DATABASE)

    lines = adminuser(capsys)

    assert lines[0] == f"Start the site: .venv/bin/python {manage} runserver"


def test_the_line_that_starts_the_site_survives_a_space_in_a_path(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/my programs/python")

    lines = adminuser(capsys)

    assert "/my programs/python" in shlex.split(lines[0].removeprefix("Start the site: "))


@pytest.mark.parametrize(
    ("vendor", "path", "prefix"),
    [
        pytest.param(
            "sqlite", ROOT / "var" / "demo.sqlite3", "DATABASE_URL=sqlite:///var/demo.sqlite3 ", id="in the project"
        ),
        pytest.param(
            "sqlite", Path("/data/coins.sqlite3"), "DATABASE_URL=sqlite:////data/coins.sqlite3 ", id="elsewhere"
        ),
        pytest.param("sqlite", ROOT / "var" / "coincrawl.sqlite3", "", id="the default"),
        pytest.param("postgresql", "coins", "", id="a server, whose URL has a password"),
    ],
)
def test_the_line_that_starts_the_site_names_the_database(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, vendor: str, path: Path, prefix: str
) -> None:
    monkeypatch.setattr(sys, "executable", "/programs/python")
    monkeypatch.setattr(connection, "vendor", vendor)
    monkeypatch.setitem(connection.settings_dict, "NAME", path)

    lines = adminuser(capsys)

    assert lines[0].startswith(f"Start the site: {prefix}/programs/python")


@pytest.mark.every_database
@pytest.mark.parametrize("name", ["two words", "", "x" * 151])
def test_an_invalid_name_is_rejected_with_a_sentence(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(CommandError, match="cannot be a user's name"):
        adminuser(capsys, name)


def test_an_empty_database_is_an_error_in_a_sentence(tmp_path: Path) -> None:
    done = python(["webapp/manage.py", "adminuser"], {"DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}"})

    assert done.returncode == 1
    assert done.stderr == ("CommandError: The database is not migrated: run `python webapp/manage.py migrate` first.\n")
