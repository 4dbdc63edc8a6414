"""The site's settings, and the sentences for an invalid environment."""

import json
import re
import secrets
import shutil
import sys
from pathlib import Path
from typing import Any

import psycopg.conninfo
import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.support.processes import ROOT, python
from tests.support.settings import BOTH_SETTINGS, assert_one_sentence, setting

KEY = secrets.token_urlsafe(50)
PRODUCTION = {"DJANGO_ALLOWED_HOSTS": "coins.example", "DJANGO_SECRET_KEY": KEY}
# The answer to one request, as Django's test client gets it.
ASK = """
import json, sys
import django
from django.test import Client

django.setup()
answer = Client().get("/admin/login/", headers=json.loads(sys.argv[1]), secure=sys.argv[2] == "https")
names = ("Location", "Strict-Transport-Security")
cookie = answer.cookies.get("csrftoken")
print(json.dumps([answer.status_code, *map(answer.headers.get, names), bool(cookie and cookie["secure"])]))
"""


def ask(environment: dict[str, str], host: str, scheme: str, headers: dict[str, str]) -> list[Any]:
    """Of the answer to `scheme://host/admin/login/`: status, where it leads, HSTS, whether its cookie is secure."""
    done = python(["-c", ASK, json.dumps({"host": host} | headers), scheme], environment)
    return json.loads(done.stdout)


def project(folder: Path) -> Path:
    """A project of nothing but the site's settings, and the plain data that they read."""
    for name in ("environment.py", "settings.py", "crawls/catalog.py", "crawls/arguments.py", "crawls/addresses.py"):
        (folder / "webapp" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "webapp" / name, folder / "webapp" / name)
    return folder


@pytest.mark.parametrize(("shown", "sources"), [("true", "'self' data: https:"), ("false", "'self' data:")])
def test_browsers_may_load_pictures_from_elsewhere_only_if_they_are_shown(shown: str, sources: str) -> None:
    policy = setting("CONTENT_SECURITY_POLICY", {"ADMIN_PICTURES": shown})

    assert policy["DIRECTIVES"]["img-src"] == sources.split()


# Who is served how --------------------------------------------------------------------------------


@pytest.mark.django_db
def test_development_lets_people_log_in_over_plain_http(client: Client) -> None:
    User.objects.create_superuser("ada", password="hers")

    entered = client.post("/admin/login/?next=/admin/", {"username": "ada", "password": "hers"}, follow=True)

    assert entered.redirect_chain == [("/admin/", 302)]
    assert entered.status_code == 200
    assert not client.cookies["sessionid"]["secure"]


HOUR = "max-age=3600"
PROXY = {"X-Forwarded-Proto": "https"}


@pytest.mark.parametrize(
    ("question", "environment", "expected"),
    [
        pytest.param(["localhost:8000", "http", {}], {}, [200, None, None, False], id="development speaks http"),
        pytest.param(
            ["coins.example", "http", {}], {}, [400, None, None, False], id="and answers to this machine alone"
        ),
        pytest.param(
            ["coins.example", "http", {}],
            PRODUCTION,
            [301, "https://coins.example/admin/login/", None, False],
            id="production leads http to https",
        ),
        pytest.param(["coins.example", "https", {}], PRODUCTION, [200, None, HOUR, True], id="and speaks https"),
        pytest.param(["evil.example", "https", {}], PRODUCTION, [400, None, HOUR, False], id="and knows its name"),
        pytest.param(
            ["coins.example", "http", PROXY],
            PRODUCTION,
            [301, "https://coins.example/admin/login/", None, False],
            id="who says https is not believed",
        ),
        pytest.param(
            ["coins.example", "http", PROXY],
            PRODUCTION | {"DJANGO_BEHIND_TLS_PROXY": "true"},
            [200, None, HOUR, True],
            id="unless it is asked for",
        ),
        pytest.param(
            ["coins.example", "http", {"X-Forwarded-Proto": "http"}],
            PRODUCTION | {"DJANGO_BEHIND_TLS_PROXY": "true"},
            [301, "https://coins.example/admin/login/", None, False],
            id="http before the proxy leads to https",
        ),
        pytest.param(
            ["coins.example", "http", {}],
            PRODUCTION | {"DJANGO_HTTPS": "false"},
            [200, None, None, False],
            id="plain http in production",
        ),
        pytest.param(
            ["coins.example", "https", {}],
            PRODUCTION | {"DJANGO_HTTPS": "false"},
            [200, None, None, False],
            id="plain http ties no browser to https",
        ),
        pytest.param(
            ["coins.example", "https", {}],
            PRODUCTION | {"DJANGO_HSTS_SECONDS": "60", "DJANGO_HSTS_SUBDOMAINS": "yes", "DJANGO_HSTS_PRELOAD": "1"},
            [200, None, "max-age=60; includeSubDomains; preload", True],
            id="HSTS as it is asked for",
        ),
        pytest.param(
            ["coins.example", "https", {}],
            PRODUCTION | {"DJANGO_HSTS_SECONDS": "0"},
            [200, None, None, True],
            id="no HSTS",
        ),
    ],
)
def test_the_names_it_answers_to_decide_what_it_speaks(
    question: list[Any], environment: dict[str, str], expected: list[object]
) -> None:
    assert ask(environment, *question) == expected


def test_the_session_is_for_https_alone_in_production() -> None:
    assert setting("SESSION_COOKIE_SECURE", PRODUCTION) is True


def test_the_example_for_production_leaves_nothing_to_warn_of(tmp_path: Path) -> None:
    block = (ROOT / ".env.example").read_text().partition("# The site in production")[2]
    lines = re.findall(r"^# ([A-Z_]+=.*)$", block, re.MULTILINE)
    assert "DJANGO_SECRET_KEY=" in lines
    (tmp_path / "env").write_text("\n".join(lines).replace("DJANGO_SECRET_KEY=", f"DJANGO_SECRET_KEY={KEY}"))

    done = python(
        ["webapp/manage.py", "check", "--deploy", "--fail-level", "WARNING"], {"ENV_FILE": str(tmp_path / "env")}
    )

    assert done.stdout == "System check identified no issues (0 silenced).\n"
    assert done.stderr == ""
    assert done.returncode == 0


# Invalid values -----------------------------------------------------------------------------------

NEEDS_A_KEY = "DJANGO_SECRET_KEY must be set where DJANGO_ALLOWED_HOSTS names more than this machine, to at least 50"
NO_HOSTS = "DJANGO_ALLOWED_HOSTS must list the names that the site is reached by, without scheme and port"
NO_PLACE = "ARCHIVE_URL must be a folder, or an address such as s3://bucket/prices, without user, password and options."
NO_URL = "DATABASE_URL must be sqlite:///path/to/file or postgres://user:password@host:5432/name"


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"DJANGO_ALLOWED_HOSTS": "localhost,coins.example"}, NEEDS_A_KEY),
        (PRODUCTION | {"DJANGO_SECRET_KEY": " "}, NEEDS_A_KEY),
        (PRODUCTION | {"DJANGO_SECRET_KEY": "hidden"}, NEEDS_A_KEY),
        (PRODUCTION | {"DJANGO_SECRET_KEY": "abcd" * 20}, NEEDS_A_KEY),
        (PRODUCTION | {"DJANGO_SECRET_KEY": f"django-insecure-{KEY}"}, NEEDS_A_KEY),
        (PRODUCTION | {"DJANGO_DEBUG": "true"}, "DJANGO_DEBUG must be false where DJANGO_ALLOWED_HOSTS names more"),
        ({"DJANGO_ALLOWED_HOSTS": "*"}, NO_HOSTS),
        (PRODUCTION | {"DJANGO_ALLOWED_HOSTS": "coins.example, *"}, NO_HOSTS),
        (PRODUCTION | {"DJANGO_ALLOWED_HOSTS": "https://coins.example"}, NO_HOSTS),
        (PRODUCTION | {"DJANGO_ALLOWED_HOSTS": "coins.example:8000"}, NO_HOSTS),
        ({"DJANGO_DEBUG": "maybe"}, "DJANGO_DEBUG must be true or false."),
        ({"DJANGO_HTTPS": "2"}, "DJANGO_HTTPS must be true or false."),
        ({"DJANGO_HTTPS": "true", "DJANGO_HSTS_SECONDS": "-1"}, "DJANGO_HSTS_SECONDS must be a whole number from 0"),
        ({"PORT": "0"}, "PORT must be a whole number from 1 to 65535."),
        ({"EMAIL_PORT": "65536"}, "EMAIL_PORT must be a whole number from 1 to 65535."),
        ({"DATABASE_URL": "postgres://ada:hidden@host:port/name"}, NO_URL),
        ({"DATABASE_URL": "postgres://ada:hidden@host:65536/name"}, NO_URL),
        ({"DATABASE_URL": "postgres://ada:hidden@[::1/name"}, NO_URL),
        ({"DATABASE_URL": "postgres://ada:hidden@host"}, NO_URL),
        ({"DATABASE_URL": "postgres://ada:hid/hidden@host/name"}, NO_URL),
        ({"DATABASE_URL": "postgres://ada:12/hidden@host/name"}, NO_URL),
        ({"DATABASE_URL": "postgres://ada:12?hidden@host/name"}, NO_URL),
        ({"DATABASE_URL": "//ada:hidden@host/name"}, NO_URL),
        ({"DATABASE_URL": "$DATABASE_URL"}, NO_URL),
        ({"DATABASE_URL": "sqlite:///"}, NO_URL),
        ({"DATABASE_URL": "sqlite:///:memory:"}, NO_URL),
        ({"DATABASE_URL": "sqlite:////hidden/coins.sqlite3"}, "DATABASE_URL must name a file in a folder that exists"),
        ({"ARCHIVE_URL": "s3://ada:hidden@bucket/prices"}, NO_PLACE),
        ({"ARCHIVE_URL": "s3://hidden@bucket/prices"}, NO_PLACE),
        ({"ARCHIVE_URL": "s3://bucket/prices?secret_key=hidden"}, NO_PLACE),
        ({"ARCHIVE_URL": "simplecache::s3://hidden"}, NO_PLACE),
        ({"ARCHIVE_URL": "//ada:hidden@bucket"}, NO_PLACE),
        ({"ARCHIVE_URL": "hidden:bucket"}, NO_PLACE),
        ({"ARCHIVE_URL": "hidden/*"}, NO_PLACE),
        ({"BASE_API_URL": "hidden"}, "BASE_API_URL must be https://host/path or https://host:port/path"),
        ({"COINGECKO_API_KEY": "hid den"}, "COINGECKO_API_KEY must be one word of ASCII"),
        ({"API_TOKEN": "hid den"}, "API_TOKEN must be one word of ASCII"),
    ],
    ids=lambda value: "-".join(value.values()).replace(KEY, "KEY") if isinstance(value, dict) else "",
)
def test_an_invalid_environment_is_one_sentence(environment: dict[str, str], sentence: str) -> None:
    """Also in commands that do not crawl, such as those that start everything."""
    done = python(["-c", "import webapp.settings"], environment)

    assert_one_sentence(done, sentence)


@pytest.mark.parametrize("name", ["DJANGO_SECRET_KEY", "DATABASE_URL", "COINGECKO_API_KEY"])
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        pytest.param("hidden", "No such file or directory", id="absent, or the secret itself"),
        pytest.param("tests", "Is a directory", id="a folder"),
        pytest.param(sys.executable, "it is not UTF-8 text", id="no text"),
    ],
)
def test_a_secrets_file_that_cannot_be_read_is_one_sentence(name: str, path: str, reason: str) -> None:
    done = python(BOTH_SETTINGS, {f"{name}_FILE": path})

    assert_one_sentence(
        done, f"{name}_FILE must name a file that holds {name}, and the one it names cannot be read ({reason})."
    )


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        pytest.param("absent", "No such file or directory", id="absent"),
        pytest.param("tests", "Is a directory", id="a folder"),
        pytest.param(sys.executable, "it is not UTF-8 text", id="no text"),
    ],
)
def test_a_named_environment_file_has_to_be_there(path: str, reason: str) -> None:
    done = python(BOTH_SETTINGS, {"ENV_FILE": path})

    assert_one_sentence(done, f"{path} cannot be read: mend that, or name another file in ENV_FILE ({reason}).")


@pytest.mark.parametrize("line", ["DJANGO_SECRET_KEY = hidden", " DJANGO_SECRET_KEY=hidden", "hidden"])
def test_a_line_that_sets_nothing_is_named_and_not_shown(tmp_path: Path, line: str) -> None:
    (tmp_path / "env").write_text(f"# a comment\n\n{line}\n")

    done = python(BOTH_SETTINGS, {"ENV_FILE": str(tmp_path / "env")})

    assert_one_sentence(done, f"Line 3 of {tmp_path / 'env'} must be NAME=value")


def test_without_an_environment_file_the_defaults_hold(tmp_path: Path) -> None:
    done = python(["-c", "import webapp.settings as s; print(s.PRODUCTION)"], {"ENV_FILE": ""}, project(tmp_path))

    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        pytest.param("var", "must be a folder, and cannot be made (", id="no folder to keep things in"),
        pytest.param("var/secret_key", "DJANGO_SECRET_KEY must be set, because this machine's own", id="no key"),
        pytest.param(".env", "cannot be read: mend that, or name another file in ENV_FILE (", id="no settings"),
    ],
)
def test_a_project_that_is_not_as_it_should_be_is_one_sentence(tmp_path: Path, path: str, sentence: str) -> None:
    wrong = project(tmp_path) / path
    if path == "var":
        wrong.touch()
    else:
        wrong.mkdir(parents=True)

    done = python(["-c", "import webapp.settings"], {"ENV_FILE": ""}, tmp_path)

    assert_one_sentence(done, sentence)


# What is read -------------------------------------------------------------------------------------


def test_a_secret_that_begins_with_a_dollar_is_no_reference() -> None:
    assert setting("SECRET_KEY", {"DJANGO_SECRET_KEY": f"${KEY}"}) == f"${KEY}"


def test_the_end_of_a_files_line_is_not_part_of_the_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")

    assert setting("SECRET_KEY", {"DJANGO_SECRET_KEY_FILE": str(tmp_path / "key")}) == KEY


def test_the_process_has_precedence_over_a_secrets_file_that_the_environment_file_names(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("sqlite:///var/of-the-file.sqlite3")
    (tmp_path / "env").write_text(f"DATABASE_URL_FILE={tmp_path / 'url'}\n")
    own = {"ENV_FILE": str(tmp_path / "env"), "DATABASE_URL": "sqlite:///var/of-the-process.sqlite3"}

    database = setting("DATABASES", own)["default"]

    assert database["NAME"] == str(ROOT / "var" / "of-the-process.sqlite3")


# The database's patience --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["postgres://ada:hers@host/name", "postgresql://ada:@/name?host=/tmp/socket"], ids=["network", "socket"]
)
def test_a_server_that_vanished_is_noticed_in_ten_seconds(url: str) -> None:
    options = setting("DATABASES", {"DATABASE_URL": url})["default"]["OPTIONS"]

    assert options["connect_timeout"] <= 10
    assert options["tcp_user_timeout"] <= 10_000
    assert options["keepalives_idle"] + options["keepalives_count"] * options["keepalives_interval"] <= 10
    assert psycopg.conninfo.make_conninfo(**options)  # libpq knows them all


@pytest.mark.parametrize(
    ("url", "host", "user", "port"),
    [
        ("postgres://ada@%2Fvar%2Frun%2FPostgreSQL/coins", "/var/run/PostgreSQL", "ada", ""),
        ("postgresql://ada:p%2Fw@%2Ftmp:5433/coins", "/tmp", "ada", 5433),
        ("postgres:///coins", "", "", ""),
    ],
)
def test_the_host_may_be_a_sockets_folder(url: str, host: str, user: str, port: Any) -> None:
    database = setting("DATABASES", {"DATABASE_URL": url})["default"]

    assert (database["HOST"], database["USER"], database["PORT"], database["NAME"]) == (host, user, port, "coins")


@pytest.mark.parametrize(
    ("url", "own", "kept"),
    [
        (
            "postgres://host/name?connect_timeout=60&keepalives_idle=90&sslmode=require",
            {"connect_timeout": 60, "keepalives_idle": 90, "sslmode": "require"},
            {"tcp_user_timeout": 10_000},
        ),
        (
            "postgres://host/name?options=-c%20search_path%3Dcoins",
            {"options": "-c idle_in_transaction_session_timeout=60000 -c intervalstyle=postgres -c search_path=coins"},
            {},
        ),
        ("sqlite:///var/unused.sqlite3?timeout=60", {"timeout": 60}, {"transaction_mode": "IMMEDIATE"}),
    ],
    ids=["postgresql", "a server's parameters, of which the last counts", "sqlite"],
)
def test_the_urls_own_options_have_precedence(url: str, own: dict[str, Any], kept: dict[str, Any]) -> None:
    options = setting("DATABASES", {"DATABASE_URL": url})["default"]["OPTIONS"]

    assert own.items() <= options.items()
    assert kept.items() <= options.items()


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ("", ""),
        ("var/archive", str(ROOT / "var/archive")),
        ("/srv/the prices", "/srv/the prices"),
        ("s3://bucket/prices", "s3://bucket/prices"),
        ("hdfs://host:9000/prices", "hdfs://host:9000/prices"),
    ],
    ids=["none", "relative", "absolute", "S3", "with a port"],
)
def test_an_archive_is_a_folder_or_an_address(given: str, place: str) -> None:
    assert setting("ARCHIVE_URL", {"ARCHIVE_URL": given}) == place
