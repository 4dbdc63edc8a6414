"""The environment: defaults, files, and a sentence for what cannot be."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import python


def settings(*names: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The Scrapy settings of these names as JSON on stdout, in an environment of nothing else."""
    program = f"import json, coincrawl.settings as s; print(json.dumps([getattr(s, name) for name in {names}]))"
    return python(["-c", program], {"DATABASE_URL": "sqlite:///var/unused.sqlite3"} | environment)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"COINGECKO_PLAN": "keyless"}, ["keyless", "https://api.coingecko.com/api/v3", 3]),
        ({"COINGECKO_PLAN": "", "COINGECKO_API_KEY": "k"}, ["demo", "https://api.coingecko.com/api/v3", 30]),
        ({"COINGECKO_PLAN": "analyst"}, ["analyst", "https://pro-api.coingecko.com/api/v3", 500]),
        (
            {"COINGECKO_PLAN": "demo", "BASE_API_URL": "http://127.0.0.1:8000/api/v3/"},
            ["demo", "http://127.0.0.1:8000/api/v3", 30],
        ),
        (
            {"COINGECKO_PLAN": "lite", "COINGECKO_CALLS_PER_MINUTE": "12.5", "BASE_API_URL": ""},
            ["lite", "https://pro-api.coingecko.com/api/v3", 12.5],
        ),
    ],
    ids=["keyless", "a key alone is demo's", "paid", "an address of one's own", "a pace of one's own"],
)
def test_the_plan_decides_unless_something_else_is_said(environment: dict[str, str], expected: list[object]) -> None:
    done = settings("COINGECKO_PLAN", "BASE_API_URL", "COINGECKO_CALLS_PER_MINUTE", **environment)

    assert json.loads(done.stdout) == expected


def test_a_container_next_door_may_be_asked_without_tls() -> None:
    done = settings(
        "BASE_API_URL",
        "MIRROR_URL",
        BASE_API_URL="http://web:8000/v3",
        PLAIN_HTTP_HOSTS="db, Web",
        MIRROR_URL="http://web/coins/?category=a",
    )

    assert json.loads(done.stdout) == ["http://web:8000/v3", "http://web/coins/?category=a"]


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-a-file\n")

    done = settings("COINGECKO_API_KEY", COINGECKO_API_KEY_FILE=str(tmp_path / "key"))

    assert json.loads(done.stdout) == ["from-a-file"]


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"COINGECKO_PLAN": "gold"}, "COINGECKO_PLAN=gold is not a plan. Plans: keyless, demo, basic"),
        ({"COINGECKO_CALLS_PER_MINUTE": "fast"}, "COINGECKO_CALLS_PER_MINUTE=fast is not a number from 0 up."),
        ({"COINGECKO_CALLS_PER_MINUTE": "-1"}, "COINGECKO_CALLS_PER_MINUTE=-1 is not a number from 0 up."),
        ({"RETRY_BACKOFF_BASE": "nan"}, "RETRY_BACKOFF_BASE=nan is not a number from 0 up."),
        ({"BASE_API_URL": "http://api.example/v3"}, "BASE_API_URL must be https://host/path"),
        ({"BASE_API_URL": "http://127.0.0.1.example/v3"}, "BASE_API_URL must be https://host/path"),
        ({"BASE_API_URL": "https://user:hidden@api.example/v3"}, "BASE_API_URL must be https://host/path"),
        ({"BASE_API_URL": "https://api.example/v3?key=hidden"}, "BASE_API_URL must be https://host/path"),
        ({"BASE_API_URL": "https://api.example/v3?a=b"}, "BASE_API_URL must be https://host/path"),
        ({"BASE_API_URL": "ftp://127.0.0.1/v3"}, "BASE_API_URL must be https://host/path"),
        ({"BASE_API_URL": "http://web/v3", "PLAIN_HTTP_HOSTS": "db"}, "BASE_API_URL must be https://host/path"),
        ({"PLAIN_HTTP_HOSTS": "http://web"}, "PLAIN_HTTP_HOSTS must be host names with commas between them"),
        ({"MIRROR_URL": "https://coins.example/?token=hidden"}, "MIRROR_URL must be the address of a list of coins"),
        ({"BASE_API_URL": "http://localhost:99999/v3"}, "BASE_API_URL must be https://host/path"),
        ({"BASE_API_URL": "https://api.example:0x50/v3"}, "BASE_API_URL must be https://host/path"),
        ({"BASE_API_URL": "https:///v3"}, "BASE_API_URL must be https://host/path"),
        ({"VS_CURRENCY": "x" * 21}, "VS_CURRENCY must be a currency"),
        ({"COINGECKO_API_KEY": "a\r\nb"}, "COINGECKO_API_KEY must be one word"),
        (
            {"DATABASE_URL": "mysql://user:hidden@host/name"},
            "DATABASE_URL must be sqlite:///path/to/file or postgres://",
        ),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL must be sqlite:///path/to/file or postgres://"),
    ],
    ids=lambda value: next(iter(value.items())) if isinstance(value, dict) else "",
)
def test_what_cannot_be_is_one_sentence(environment: dict[str, str], sentence: str) -> None:
    done = settings("BOT_NAME", **environment)

    assert done.returncode == 1
    assert sentence in done.stderr
    assert "hidden" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_site_that_answers_to_others_needs_a_key_of_its_own() -> None:
    done = settings("BOT_NAME", DJANGO_ALLOWED_HOSTS="coins.example")

    assert done.returncode == 1
    assert "DJANGO_SECRET_KEY must be set where DJANGO_ALLOWED_HOSTS names more" in done.stderr
