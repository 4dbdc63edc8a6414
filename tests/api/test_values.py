"""What the API answers: addresses, values, runs, health and errors."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.db.models import DecimalField
from django.test import Client
from django.utils import timezone

from tests.support.admin import HOSTILE
from tests.support.api import COINS, HEALTH, RUNS, make_rows, read, rejected, walk
from tests.support.factories import NOON, make_coin, make_rejected, make_run
from tests.support.processes import python
from webapp.api.serializers import CoinSerializer, RunSerializer
from webapp.coins.models import FullCoin
from webapp.coins.numbers import plain
from webapp.crawls.models import CrawlRun, RejectedRecord
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


def test_the_root_leads_to_all_there_is(reader: Client, client: Client) -> None:
    make_coin()
    there = read(reader, "/api/")

    assert list(there) == ["coins", "prices", "price_days", "price_gaps", "runs", "health", "schema", "docs"]
    there |= {"prices": f"{there['prices']}?date=2026-02-05", "price_gaps": f"{there['price_gaps']}?coin_id=bitcoin"}
    for address in there.values():
        assert reader.get(address).status_code == 200


def test_a_coin_has_every_field_of_the_model(reader: Client) -> None:
    make_coin()

    page, coin = read(reader, COINS), read(reader, "/api/coins/bitcoin/")

    fields = [field.name for field in FullCoin._meta.concrete_fields if field.name not in FullCoin.INTERNAL]
    assert page["results"] == [coin]
    assert list(coin) == list(CoinSerializer().fields) == fields
    assert fields[0] == "coin_id"
    assert (*fields[-4:], *FullCoin.INTERNAL) == FullCoin.BOOKKEEPING


@pytest.mark.parametrize(
    ("number", "written"),
    [
        pytest.param("0.00000012", "0.00000012", id="small"),
        pytest.param("0.000000000000000000000000000001", "0.000000000000000000000000000001", id="smallest"),
        pytest.param("-1234.5", "-1234.5", id="negative"),
        pytest.param("1.500", "1.5", id="padded"),
        pytest.param("1200", "1200", id="whole"),
        pytest.param("1E+25", "10000000000000000000000000", id="large"),
        pytest.param("0", "0", id="zero"),
        pytest.param("-0.000", "0", id="negative zero"),
        pytest.param(None, None, id="null"),
    ],
)
def test_an_amount_is_a_text_with_every_digit_and_no_padding(
    reader: Client, number: str | None, written: str | None
) -> None:
    make_coin(current_price=number and Decimal(number))

    assert read(reader, "/api/coins/bitcoin/")["current_price"] == written


@pytest.mark.parametrize(("number", "written"), [("1200", "1200"), ("12E+2", "1200"), ("-0", "0"), ("0E-30", "0")])
def test_a_number_is_written_plainly_however_it_is_stored(number: str, written: str) -> None:
    assert plain(Decimal(number)) == written


@pytest.mark.postgresql
def test_sixty_digits_are_sixty_digits(reader: Client) -> None:
    digits = "123456789012345678901234567890.123456789012345678901234567891"
    make_coin(ath=Decimal(digits))

    assert read(reader, "/api/coins/bitcoin/")["ath"] == digits


def test_other_values_are_written_as_json_has_them(reader: Client) -> None:
    make_coin(
        name="الذهب 🚀",
        symbol="",
        market_cap_rank=7,
        ath_date=NOON + timedelta(microseconds=123_400),
        atl_date=NOON.replace(year=1),
        last_updated=NOON,
    )

    coin = read(reader, "/api/coins/bitcoin/")

    assert (coin["name"], coin["symbol"], coin["image"], coin["market_cap_rank"]) == ("الذهب 🚀", "", None, 7)
    assert coin["ath_date"] == "2026-02-05T12:00:00.123400Z"
    assert coin["atl_date"] == "0001-02-05T12:00:00Z"
    assert coin["last_updated"] == "2026-02-05T12:00:00Z"


def test_the_extremes_of_every_number_are_answered(reader: Client) -> None:
    whole = 29 if connection.vendor == "sqlite" else 30
    places = {f.name: f.decimal_places for f in FullCoin._meta.concrete_fields if isinstance(f, DecimalField)}
    make_coin("biggest", **{name: Decimal(10) ** (30 + whole - after - 1) for name, after in places.items()})
    make_coin("smallest", **{name: -Decimal(1).scaleb(-after) for name, after in places.items()})

    biggest, smallest = read(reader, COINS)["results"]

    assert biggest["ath"] == f"1{'0' * (whole - 1)}"
    assert biggest["ath_change_percentage"] == f"1{'0' * (whole + 19)}"
    assert smallest["ath_change_percentage"] == "-0.0000000001"


@pytest.mark.parametrize(
    "coin_id",
    [
        *(pytest.param(text, id=name) for name, text in HOSTILE.items() if text),
        pytest.param("a.b", id="dot"),
        pytest.param("a/", id="slash at the end"),
        pytest.param("//a", id="slashes at the beginning"),
        pytest.param("a\nb\r\n", id="line breaks"),
        pytest.param("100%25", id="percent-encoded"),
        pytest.param("a+b", id="plus"),
        pytest.param("x" * 255, id="long"),
    ],
)
def test_a_coin_of_any_id_is_found(reader: Client, coin_id: str) -> None:
    make_coin(coin_id)

    coin = read(reader, f"/api/coins/{quote(coin_id, safe='')}/", fields="coin_id")

    assert coin == {"coin_id": coin_id}


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        pytest.param("/api/coins/bitcon/", "There is no coin bitcon.", id="coin"),
        pytest.param("/api/coins/%F0%9F/", "There is no coin %F0%9F.", id="not UTF-8"),
        pytest.param(f"/api/coins/{'x' * 3_000}/", f"There is no coin {'x' * 97}....", id="long"),
        pytest.param("/api/runs/last/", "There is no run last.", id="run"),
        pytest.param("/api/nothing/", "There is nothing at this address: /api/ lists the addresses.", id="address"),
    ],
)
def test_what_is_not_there_is_404(reader: Client, address: str, sentence: str) -> None:
    make_rows()

    assert rejected(reader, address, 404) == sentence


def test_outside_of_the_api_pages_are_pages(client: Client) -> None:
    response = client.get("/nothing/")

    assert response.status_code == 404
    assert "There is nothing at this address." in response.content.decode()


FAIL = """
import django
from django.test import Client
django.setup()
client = Client(raise_request_exception=False, SERVER_NAME="localhost")
print(*(client.get(address).status_code for address in ("/api/health/", "/readyz", "/nothing/", "/api/?x=1")))
"""


@pytest.mark.parametrize("debug", ["true", "false"])
def test_why_an_answer_failed_stands_in_the_log_once(tmp_path: Path, debug: str) -> None:
    environment = {"DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3", "API_PUBLIC": "true", "DJANGO_DEBUG": debug}

    done = python(["-c", FAIL], environment)

    assert done.stdout.split() == ["500", "503", "404", "400"]
    assert done.stderr.count("Internal Server Error: /api/health/\n") == 1
    assert done.stderr.count("\ndjango.db.utils.OperationalError: no such table: ") == 1
    # Of what was answered on purpose only whoever develops the site is told.
    assert [words in done.stderr for words in ("/readyz", "/nothing/", "Bad Request")] == [debug == "true"] * 3


# Runs ----------------------------------------------------------------------------------------------
def test_runs_are_listed_the_newest_first(reader: Client) -> None:
    make_run(id="old")
    make_run(id="b/2", started_at=NOON + timedelta(hours=1))
    make_run(id="a", started_at=NOON + timedelta(hours=1))
    make_run(id="pending", verdict=Verdict.PENDING, started_at=None)

    pages = list(walk(reader, f"{RUNS}?page_size=3"))

    assert [[run["id"] for run in page["results"]] for page in pages] == [["pending", "a", "b/2"], ["old"]]
    assert pages[0]["next"] == f"http://testserver{RUNS}?page_size=3&page=2"


def test_a_run_has_every_field_of_the_model_but_what_concerns_its_machine_and_its_batches(reader: Client) -> None:
    odd = "\ud800" if connection.vendor == "sqlite" else "🚀"  # half a character, which PostgreSQL refuses
    make_run(id="b/2", arguments={"ids": [odd]}, messages="one\ntwo", seen=3, finished_at=NOON, filled={"name": 3})

    page, run = read(reader, RUNS), read(reader, "/api/runs/b%2F2/")

    hidden = {"node", "claim", "claimed_at", "settings", "log_tail", "log_file", "flushes", "rejected_rows"}
    fields = [field.name for field in CrawlRun._meta.concrete_fields if field.name not in hidden]
    assert page["results"] == [run]
    assert list(run) == list(RunSerializer().fields) == fields
    assert (run["arguments"], run["messages"], run["seen"]) == ({"ids": [odd]}, "one\ntwo", 3)
    assert (run["finished_at"], run["not_before"], run["filled"]) == ("2026-02-05T12:00:00Z", None, {"name": 3})


@pytest.mark.parametrize(
    ("query", "found"),
    [({"spider": "markets"}, ["one", "two"]), ({"verdict": "partial"}, ["two"]), ({"verdict": "lost"}, [])],
)
def test_runs_are_filtered(reader: Client, query: dict[str, str], found: list[str]) -> None:
    make_run(id="one")
    make_run(id="two", verdict=Verdict.PARTIAL)
    make_run(id="three", spider="another")

    assert [run["id"] for run in read(reader, RUNS, **query)["results"]] == found


@pytest.mark.parametrize("query", ["spider=another", "verdict=done", "coin_id=bitcoin", "fields=id", "after=one"])
def test_runs_are_not_filtered_by_what_there_is_not(reader: Client, query: str) -> None:
    assert rejected(reader, f"{RUNS}?{query}", 400)


# Health --------------------------------------------------------------------------------------------
def test_health_of_an_empty_database_has_no_problems(reader: Client) -> None:
    assert read(reader, HEALTH) == {
        "coins": 0,
        "missing": 0,
        "rejected": 0,
        "last_updated": None,
        "changed_at": None,
        "last_complete": None,
        "last_run": None,
        "running": [],
        "fresh": None,
        "problems": {},
    }


@pytest.mark.postgresql
def test_the_age_of_the_copy_is_by_the_databases_clock(reader: Client, settings: Any, time_machine: Any) -> None:
    settings.DATA_MAX_AGE_HOURS = 2
    now = timezone.now()
    make_run(started_at=now - timedelta(hours=2), finished_at=now - timedelta(hours=1))

    time_machine.move_to(now + timedelta(days=1))
    health = read(reader, HEALTH)

    assert health["fresh"]
    assert 3600 <= health["last_complete"]["age"] < 3700


def test_health_counts_and_names_what_is_stored(reader: Client, settings: Any) -> None:
    settings.DATA_MAX_AGE_HOURS = 2
    hour, now = timedelta(hours=1), timezone.now()
    make_coin("one", last_updated=NOON, changed_at=NOON + hour)
    make_coin("two", missing_since=NOON)
    make_rejected("open")
    make_rejected("done", status=RejectedRecord.Status.IGNORED)
    make_run(id="whole", started_at=now - 3 * hour, finished_at=now - hour)
    make_run(id="narrow", arguments={"pages": 1}, started_at=now - hour, finished_at=now)
    make_run(id="running", verdict=Verdict.RUNNING, started_at=now - hour / 2, heartbeat_at=now)
    make_run(id="skipped", verdict=Verdict.SKIPPED, reason="a run is under way", started_at=now, finished_at=now)
    make_run(id="pending", verdict=Verdict.PENDING, started_at=None)

    health = read(reader, HEALTH)

    assert (health["coins"], health["missing"], health["rejected"], health["fresh"]) == (2, 1, 1, True)
    assert (health["last_updated"], health["changed_at"]) == ("2026-02-05T12:00:00Z", "2026-02-05T13:00:00Z")
    assert health["last_complete"]["id"] == "whole"
    assert 3600 <= health["last_complete"]["age"] < 3700
    assert [run["id"] for run in health["running"]] == ["running"]
    assert health["last_run"].items() >= {"verdict": "skipped", "reason": "a run is under way"}.items()
