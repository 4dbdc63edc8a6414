"""Who may read the API, how often, and with which methods and headers."""

import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle

from tests.support.api import ADDRESSES, COINS, make_rows, read, rejected
from tests.support.factories import NOON, make_coin
from tests.support.processes import python

pytestmark = pytest.mark.django_db

CHALLENGE = 'Token, Bearer realm="api"'
FOR_EVERYBODY = ["/api/schema/", "/api/docs/"]
addresses = pytest.mark.parametrize("address", ADDRESSES)


# Who may read --------------------------------------------------------------------------------------
@pytest.mark.every_database
@addresses
def test_a_token_lets_read(reader: Client, address: str) -> None:
    make_rows()

    response = reader.get(address)

    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"


@pytest.mark.parametrize("word", ["Token", "Bearer", "bearer"])
def test_a_token_is_taken_behind_either_word(client: Client, token: str, word: str) -> None:
    assert client.get("/api/", headers={"Authorization": f"{word} {token}"}).status_code == 200


@addresses
def test_without_a_token_nothing_is_read(client: Client, address: str) -> None:
    make_rows()

    response = client.get(address)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == CHALLENGE
    assert response.json() == {"detail": "Authentication credentials were not provided."}


@pytest.mark.every_database
@pytest.mark.parametrize(
    "header",
    [
        pytest.param("Token 0123456789012345678901234567890123456789", id="unknown"),
        pytest.param("Token", id="none"),
        pytest.param("Token a b", id="two words"),
        pytest.param("Token \xff", id="not ASCII"),
        pytest.param("Token " + "a" * 5_000, id="long"),
        pytest.param("Bearer 0123456789012345678901234567890123456789", id="unknown, behind the other word"),
        pytest.param("Bearer Token {token}", id="both words"),
        pytest.param("Basic {token}", id="another scheme"),
    ],
)
def test_an_invalid_token_is_401(client: Client, token: str, header: str) -> None:
    response = client.get("/api/", headers={"Authorization": header.format(token=token)})

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == CHALLENGE


def test_the_token_of_an_inactive_user_is_401(reader: Client, user: User) -> None:
    user.is_active = False
    user.save()

    assert rejected(reader, COINS, 401) == "User inactive or deleted."


def test_a_user_who_is_logged_in_to_the_admin_may_read(client: Client, user: User) -> None:
    client.force_login(user)

    assert read(client, COINS)["count"] == 0


@pytest.mark.parametrize("address", FOR_EVERYBODY)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Token wrong"}], ids=["no token", "a wrong token"])
def test_what_describes_the_api_is_for_everybody(client: Client, address: str, headers: dict[str, str]) -> None:
    assert client.get(address, headers=headers).status_code == 200


ASK = """
import json, django
from django.test import Client
django.setup()
from django.conf import settings
answer = Client(SERVER_NAME="localhost").get("/api/")
rest = settings.REST_FRAMEWORK
print(json.dumps([answer.status_code, *rest["DEFAULT_THROTTLE_RATES"].values(), rest["NUM_PROXIES"]]))
"""


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({}, [401, "300/minute", "60/minute", 0], id="unless told otherwise"),
        pytest.param(
            {"API_PUBLIC": "true", "API_CALLS_PER_MINUTE": "4", "DJANGO_BEHIND_TLS_PROXY": "true"},
            [200, "4/minute", "1/minute", 1],
            id="public, slow, and behind a proxy",
        ),
        pytest.param({"API_CALLS_PER_MINUTE": "0"}, [401, None, None, 0], id="without a limit"),
    ],
)
def test_the_environment_says_who_may_read_and_how_often(environment: dict[str, str], expected: list[Any]) -> None:
    done = python(["-c", ASK], environment)

    assert json.loads(done.stdout) == expected


# How it may be asked -------------------------------------------------------------------------------
@pytest.mark.parametrize("address", [*ADDRESSES, *FOR_EVERYBODY])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "FROBNICATE"])
def test_nothing_is_written(client: Client, address: str, method: str) -> None:
    response = client.generic(method, address, "{}")

    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD, OPTIONS"
    assert method in response.json()["detail"]


@pytest.mark.parametrize("address", [*ADDRESSES, *FOR_EVERYBODY])
def test_head_and_options_are_answered(reader: Client, address: str) -> None:
    make_rows()

    head, options = reader.head(address), reader.options(address)

    assert (head.status_code, head.content) == (200, b"")
    assert (options.status_code, options["Allow"]) == (200, "GET, HEAD, OPTIONS")
    assert options["Content-Type"] == "application/json"


def test_calls_beyond_the_rate_have_to_wait(reader: Client, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UserRateThrottle, "rate", "2/minute", raising=False)
    monkeypatch.setattr(AnonRateThrottle, "rate", "1/minute", raising=False)

    by_token = [reader.get("/api/") for _ in range(3)]
    by_address = [client.get("/api/schema/") for _ in range(2)]

    assert [response.status_code for response in by_token] == [200, 200, 429]
    assert [response.status_code for response in by_address] == [200, 429]
    assert 0 < int(by_token[-1]["Retry-After"]) <= 60
    assert by_token[-1].json()["detail"].startswith("Request was throttled.")


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({}, id="no token"),
        pytest.param({"Authorization": "Token wrong"}, id="a wrong token"),
        pytest.param({"Authorization": "Bearer wrong"}, id="a wrong token behind the other word"),
    ],
)
def test_calls_without_a_valid_token_count_for_the_address_alone(
    client: Client, reader: Client, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    monkeypatch.setattr(AnonRateThrottle, "rate", "2/minute", raising=False)

    before = [reader.get("/api/").status_code for _ in range(3)]
    refusals = [client.get("/api/", headers=wrong) for _ in range(3)]
    after = reader.get("/api/").status_code

    assert [refusal.status_code for refusal in refusals] == [401, 401, 429]
    assert 0 < int(refusals[-1]["Retry-After"]) <= 60
    assert {*before, after} == {200}


def test_an_address_that_is_only_claimed_is_not_counted_for(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AnonRateThrottle, "rate", "1/minute", raising=False)

    answers = [client.get("/api/schema/", headers={"X-Forwarded-For": claimed}) for claimed in ("10.0.0.1", "10.0.0.2")]

    assert [answer.status_code for answer in answers] == [200, 429]


@pytest.mark.parametrize("accept", ["", " ", "*/*", "text/html, */*;q=0.1"])
def test_a_client_that_accepts_anything_gets_json(reader: Client, accept: str) -> None:
    response = reader.get("/api/", headers={"Accept": accept})

    assert (response.status_code, response["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@addresses
def test_what_has_not_changed_is_not_sent_again(reader: Client, address: str, packed: bool, time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)  # health tells ages
    make_rows()
    headers = {"Accept-Encoding": "gzip"} if packed else {}
    first = reader.get(address, headers=headers)

    again = reader.get(address, headers=headers | {"If-None-Match": first["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"].removeprefix("W/") == first["ETag"].removeprefix("W/")
    assert again["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("address", [COINS, "/api/coins/bitcoin/"])
def test_what_has_changed_is_sent_again(reader: Client, address: str) -> None:
    coin = make_coin()
    first = reader.get(address)
    coin.current_price = Decimal("0.1")
    coin.save()

    again = reader.get(address, headers={"If-None-Match": first["ETag"]})

    assert again.status_code == 200
    assert again["ETag"] != first["ETag"]


def test_a_304_is_for_those_who_may_read(client: Client, reader: Client) -> None:
    first = reader.get(COINS)

    again = client.get(COINS, headers={"If-None-Match": first["ETag"]})

    assert again.status_code == 401


def test_no_answer_is_kept_for_another_user(reader: Client) -> None:
    response = reader.get(COINS)

    assert response["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Cookie"} <= set(response["Vary"].split(", "))


def test_long_answers_are_packed(reader: Client) -> None:
    for number in range(20):
        make_coin(f"coin-{number}")

    plain, packed = reader.get(COINS), reader.get(COINS, headers={"Accept-Encoding": "gzip"})

    assert packed["Content-Encoding"] == "gzip"
    assert len(packed.content) * 5 < len(plain.content)
    assert gzip.decompress(packed.content) == plain.content
    assert "Accept-Encoding" in packed["Vary"]
    assert packed["ETag"] == f"W/{plain['ETag']}"
