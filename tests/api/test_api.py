"""The read API through Django's test client: who may read, what is answered, and what is refused."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.db.models import DecimalField
from django.test import Client
from django.utils import timezone
from rest_framework.authtoken.models import Token
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle

from tests.conftest import python
from tests.support.admin import HOSTILE
from tests.support.factories import NOON, make_coin, make_rejected, make_run
from webapp.api.serializers import CoinSerializer, RunSerializer
from webapp.coins.models import FullCoin
from webapp.coins.models.coin import ORDERINGS
from webapp.coins.numbers import plain
from webapp.crawls.models import CrawlRun, RejectedRecord, Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

COINS = "/api/coins/"
RUNS = "/api/runs/"
HEALTH = "/api/health/"
CHALLENGE = 'Token, Bearer realm="api"'
ADDRESSES = ["/api/", COINS, "/api/coins/bitcoin/", RUNS, "/api/runs/first/", HEALTH]
FOR_EVERYBODY = ["/api/schema/", "/api/docs/"]
addresses = pytest.mark.parametrize("address", ADDRESSES)


@pytest.fixture(autouse=True)
def calls() -> Iterator[None]:
    """Each test begins with no calls counted, although users of the same number have called in another."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def user() -> User:
    return User.objects.create(username="reader")


@pytest.fixture
def token(user: User) -> str:
    return Token.objects.create(user=user).key


@pytest.fixture
def reader(token: str) -> Client:
    return Client(headers={"Authorization": f"Token {token}"})


def make_rows() -> None:
    make_coin()
    make_run(id="first", finished_at=NOON)


def read(client: Client, address: str, **query: Any) -> Any:
    """The answer to a question that is answered."""
    response = client.get(address, query)
    assert response.status_code == 200, response.content
    return response.json()


def refused(client: Client, address: str, status: int) -> str:
    """Why a question is not answered."""
    response = client.get(address)
    assert (response.status_code, response["Content-Type"]) == (status, "application/json")
    answer = response.json()
    assert list(answer) == ["detail"]
    return answer["detail"]


def ids(page: Any) -> list[str]:
    return [coin["coin_id"] for coin in page["results"]]


# Who may read --------------------------------------------------------------------------------------
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
def test_a_token_that_is_none_lets_nobody_read(client: Client, token: str, header: str) -> None:
    response = client.get("/api/", headers={"Authorization": header.format(token=token)})

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == CHALLENGE


def test_the_token_of_a_user_who_may_no_longer_log_in_lets_nobody_read(reader: Client, user: User) -> None:
    user.is_active = False
    user.save()

    assert refused(reader, COINS, 401) == "User inactive or deleted."


def test_whoever_is_logged_in_to_the_admin_may_read(client: Client, user: User) -> None:
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
def test_who_is_not_let_in_counts_for_the_address_and_nobody_else_does(
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
def test_whoever_takes_anything_or_does_not_say_gets_json(reader: Client, accept: str) -> None:
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


# What is answered ----------------------------------------------------------------------------------
def test_the_root_leads_to_all_there_is(reader: Client, client: Client) -> None:
    there = read(reader, "/api/")

    assert list(there) == ["coins", "runs", "health", "schema", "docs"]
    for address in there.values():
        assert reader.get(address).status_code == 200


def test_a_coin_has_every_field_of_the_model(reader: Client) -> None:
    make_coin()

    page, coin = read(reader, COINS), read(reader, "/api/coins/bitcoin/")

    fields = [field.name for field in FullCoin._meta.concrete_fields if field.name != "stale_before"]
    assert page["results"] == [coin]
    assert list(coin) == list(CoinSerializer().fields) == fields
    assert fields[0] == "coin_id"
    assert (*fields[-4:], "stale_before") == FullCoin.BOOKKEEPING


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

    assert refused(reader, address, 404) == sentence


def test_outside_of_the_api_pages_are_pages(client: Client) -> None:
    response = client.get("/nothing/")

    assert response.status_code == 404
    assert "Not Found" in response.content.decode()


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


# Pages ---------------------------------------------------------------------------------------------
def make_coins(number: int) -> None:
    """Coins 000, 001 and so on, ranked from 1 on."""
    rows = ({"coin_id": f"{rank - 1:03}", "market_cap_rank": rank} for rank in range(1, number + 1))
    FullCoin.objects.upsert(rows, NOON)


@pytest.mark.parametrize("size", [10, 1_000])
def test_the_number_of_queries_does_not_grow_with_the_page(
    reader: Client, size: int, django_assert_num_queries: Any
) -> None:
    make_coins(1_001)

    with django_assert_num_queries(3):  # whose token, how many, which
        page = read(reader, COINS, page_size=size)

    assert len(page["results"]) == size


def walk(client: Client, address: str) -> Iterator[Any]:
    """The pages from this one on, by their `next` links."""
    following: str | None = address
    while following:
        page = read(client, following)
        yield page
        following = page["next"]


@pytest.mark.parametrize("order", ["coin_id", "-coin_id", "-market_cap_rank"])
@pytest.mark.parametrize("size", [1, 3, 7, 1_000])
def test_the_links_lead_through_all_coins(reader: Client, order: str, size: int) -> None:
    make_coins(7)
    expected = [f"{number:03}" for number in range(7)]

    pages = list(walk(reader, f"{COINS}?ordering={order}&page_size={size}"))

    found = [coin_id for page in pages for coin_id in ids(page)]
    assert found == (expected if order == "coin_id" else expected[::-1])
    assert [len(page["results"]) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert {page["count"] for page in pages} == {7}
    assert pages[0]["previous"] is None


def test_links_keep_the_question_and_know_the_pages_beside(reader: Client) -> None:
    make_coins(9)

    pages = list(walk(reader, f"{COINS}?rank_max=8&fields=coin_id&page_size=3"))
    by_number = read(reader, pages[2]["previous"])

    asked = [parse_qs(urlsplit(page["next"]).query) for page in pages[:2]]
    same = {"rank_max": ["8"], "fields": ["coin_id"], "page_size": ["3"]}
    assert asked == [same | {"page": ["2"], "after": ["002"]}, same | {"page": ["3"], "after": ["005"]}]
    assert pages[1]["previous"] == f"http://testserver{COINS}?rank_max=8&fields=coin_id&page_size=3&page=1"
    assert pages[2]["results"] == [{"coin_id": "006"}, {"coin_id": "007"}]
    assert pages[2]["previous"] == f"http://testserver{COINS}?rank_max=8&fields=coin_id&page_size=3&page=2"
    assert by_number["results"] == pages[1]["results"]


def test_whoever_follows_the_links_loses_no_coin_while_coins_come_and_go(reader: Client) -> None:
    make_coins(30)
    found = []

    for number, page in enumerate(walk(reader, f"{COINS}?missing=false&page_size=4")):
        found += ids(page)
        # Of the coins that were read the first three are missing now, and new ones come before all others; by page
        # numbers the first would shift the following pages forwards, and lose coins, and the second backwards.
        FullCoin.objects.filter(pk__in=found[:3]).update(missing_since=NOON)
        if number % 2:
            make_coin(f" {number}")

    assert found == [f"{number:03}" for number in range(30)]


@pytest.mark.parametrize("left", [2, 0])
def test_what_follows_may_be_gone_when_a_link_is_followed(reader: Client, left: int) -> None:
    make_coins(4)
    first = read(reader, COINS, page_size=2)
    FullCoin.objects.filter(market_cap_rank__gt=left).delete()

    second = read(reader, first["next"])

    assert (second["count"], second["results"], second["next"]) == (left, [], None)


@pytest.mark.parametrize("order", [name.removeprefix("-") for name in ORDERINGS])
@pytest.mark.parametrize("sign", ["", "-"])
def test_after_is_where_the_default_order_begins_and_a_filter_in_every_other(
    reader: Client, order: str, sign: str
) -> None:
    make_coins(6)

    first = read(reader, COINS, ordering=sign + order, after="001", page_size=3)
    third = reader.get(f"{COINS}?ordering={sign}{order}&after=001&page_size=3&page=3")

    is_default = sign + order == "coin_id"
    assert set(ids(first)) <= {"002", "003", "004", "005"}
    assert (first["count"], first["previous"]) == (6 if is_default else 4, None)
    assert third.status_code == (200 if is_default else 404)


def test_in_another_order_after_is_a_filter(reader: Client) -> None:
    make_coins(6)

    pages = list(walk(reader, f"{COINS}?ordering=-coin_id&after=001&page_size=2"))

    assert [ids(page) for page in pages] == [["005", "004"], ["003", "002"]]
    assert pages[0]["count"] == 4
    assert refused(reader, f"{COINS}?ordering=-coin_id&after=001&page_size=2&page=3", 404)


@contextmanager
def once_between_statements(do: Callable[[], object]) -> Iterator[None]:
    """Something is done to the database after the first statement about coins, as another process might."""
    todo = [do]

    def statement(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if "coins_fullcoin" in sql and todo:
            todo.pop()()
        return result

    with connection.execute_wrapper(statement):
        yield


@pytest.mark.parametrize(
    "do",
    [
        pytest.param(lambda: make_coins(5), id="more come"),
        pytest.param(lambda: FullCoin.objects.all().delete(), id="all go"),
    ],
)
def test_count_is_never_less_than_what_was_read(reader: Client, do: Callable[[], object]) -> None:
    make_coins(3)

    with once_between_statements(do):
        page = read(reader, f"{COINS}?page=2&page_size=2")

    assert page["count"] >= 2 + len(page["results"]) > 2


def test_an_empty_list_is_one_page(reader: Client) -> None:
    assert read(reader, COINS) == {"count": 0, "next": None, "previous": None, "results": []}


@pytest.mark.parametrize("address", [COINS, RUNS])
@pytest.mark.parametrize("page", [2, 10**15])
@pytest.mark.parametrize("size", [100, 1_000])
def test_a_page_past_the_end_is_404(reader: Client, address: str, size: int, page: int) -> None:
    make_rows()

    sentence = refused(reader, f"{address}?page_size={size}&page={page}", 404)

    assert sentence == f"Page {page} is past the end: there are 1 results, {size} on a page."


def test_a_page_has_100_results_unless_told_otherwise(reader: Client) -> None:
    make_coins(101)

    assert len(read(reader, COINS)["results"]) == 100


# Filters and orders --------------------------------------------------------------------------------
@pytest.fixture
def market() -> None:
    make_coin("bitcoin", name="Bitcoin", symbol="btc", market_cap_rank=1, current_price=96_000, market_cap=10**12)
    make_coin("ether", name="Ethereum", symbol="ETH", market_cap_rank=2, current_price=2_000, market_cap=10**11)
    make_coin("dust", name="Bit of 100%", symbol="", current_price=Decimal("0.0000001"), missing_since=NOON)
    make_coin("unknown", market_cap_rank=900, total_volume=5, changed_at=NOON + timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param({"symbol": "BTC"}, "bitcoin", id="symbol"),
        pytest.param({"symbol": "eth"}, "ether", id="symbol in capitals"),
        pytest.param({"symbol": "bt"}, "", id="part of a symbol"),
        pytest.param({"symbol": "b_c"}, "", id="symbol that is a pattern"),
        pytest.param({"rank_max": 2}, "bitcoin ether", id="rank_max"),
        pytest.param({"rank_min": 2}, "ether unknown", id="rank_min"),
        pytest.param({"rank_min": "-2147483648", "rank_max": "2147483647"}, "bitcoin ether unknown", id="any rank"),
        pytest.param({"price_min": "2000"}, "bitcoin ether", id="price_min"),
        pytest.param({"price_max": "0.0000001"}, "dust", id="price_max"),
        pytest.param({"price_min": "0.0000001", "price_max": "2000.00"}, "dust ether", id="prices between"),
        pytest.param({"price_min": f"-{'9' * 30}.{'9' * 30}"}, "bitcoin dust ether", id="all digits"),
        pytest.param({"market_cap_min": "1000000000000"}, "bitcoin", id="market_cap_min"),
        pytest.param({"market_cap_max": "999999999999.9"}, "ether", id="market_cap_max"),
        pytest.param({"missing": "true"}, "dust", id="missing"),
        pytest.param({"missing": "false"}, "bitcoin ether unknown", id="not missing"),
        pytest.param({"search": "bit"}, "bitcoin dust", id="search"),
        pytest.param({"search": "  BIT of\tbit "}, "dust", id="every word"),
        pytest.param({"search": "eth dust"}, "", id="words of two coins"),
        pytest.param({"search": "100%"}, "dust", id="a percent sign"),
        pytest.param({"search": "b%n"}, "", id="search that is a pattern"),
        pytest.param({"search": "a " * 50}, "", id="many words"),
        pytest.param({"search": "bit", "missing": "false"}, "bitcoin", id="two filters"),
        pytest.param({"after": "dust"}, "ether unknown", id="after"),
        pytest.param({"page": 7, "after": "dust"}, "ether unknown", id="after, whatever the page"),
    ],
)
def test_filters_leave_what_is_asked_for(reader: Client, market: None, query: dict[str, Any], found: str) -> None:
    assert ids(read(reader, COINS, **query)) == found.split()


@pytest.mark.parametrize(
    ("since", "coins"),
    [
        pytest.param("2026-02-05T12:00:00Z", 4, id="then"),
        pytest.param("2026-02-05T12:00:00.000001Z", 1, id="a microsecond later"),
        pytest.param("2026-02-05T12:00:00.000001999999999Z", 1, id="finer than microseconds"),
        pytest.param("2026-02-05T12:00:00.000002Z", 0, id="later"),
        pytest.param("2026-02-05t14:00:00.000001+02:00", 1, id="with an offset"),
        pytest.param("2026-02-05T14:00:00.000001 02:00", 1, id="with a plus that came as a space"),
        pytest.param("2026-02-05 03:30:00.000001-08:30", 1, id="with a space and an offset to the west"),
        pytest.param("2026-02-05T12:00:00.000001", 1, id="without an offset, in UTC"),
        pytest.param("2026-02-06", 0, id="a day"),
        pytest.param("0001-01-01T00:00:00Z", 4, id="in the first year"),
    ],
)
def test_changes_are_asked_for_from_any_instant_on(reader: Client, market: None, since: str, coins: int) -> None:
    assert read(reader, COINS, changed_since=since)["count"] == coins


@pytest.mark.parametrize("order", ORDERINGS)
@pytest.mark.parametrize("is_reversed", [False, True], ids=["as it is", "reversed"])
def test_an_index_serves_each_order_and_its_reverse(order: str, *, is_reversed: bool) -> None:
    coins = FullCoin.objects.order_by(*ORDERINGS[order])
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # which reads and sorts so few rows sooner than an index
            cursor.execute("SET LOCAL enable_seqscan = off")

    plan = (coins.reverse() if is_reversed else coins)[:10].explain().upper()

    assert "INDEX" in plan
    assert "SORT" not in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        pytest.param("coin_id", "bitcoin dust ether unknown", id="coin_id"),
        pytest.param("market_cap_rank", "bitcoin ether unknown dust", id="market_cap_rank"),
        pytest.param("-market_cap", "bitcoin ether dust unknown", id="market_cap"),
        pytest.param("-total_volume", "unknown bitcoin dust ether", id="total_volume"),
        pytest.param("changed_at", "bitcoin dust ether unknown", id="changed_at"),
    ],
)
def test_each_order_has_its_reverse(reader: Client, market: None, order: str, expected: str) -> None:
    opposite = order[1:] if order.startswith("-") else f"-{order}"

    one, other = (ids(read(reader, COINS, ordering=name)) for name in (order, opposite))

    assert one == expected.split()
    assert other == one[::-1]
    assert order in ORDERINGS


def test_only_the_fields_that_are_asked_for_are_answered(reader: Client, market: None) -> None:
    page = read(reader, COINS, fields="current_price,coin_id,coin_id", page_size=2)
    coin = read(reader, "/api/coins/bitcoin/", fields="current_price")

    assert list(page["results"][0]) == ["coin_id", "current_price"]
    assert page["results"] == [
        {"coin_id": "bitcoin", "current_price": "96000"},
        {"coin_id": "dust", "current_price": "0.0000001"},
    ]
    assert coin == {"current_price": "96000"}


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("fields=coin_id&fields=current_price", id="given twice"),
        pytest.param("fields=current_price&fields=coin_id&fields=coin_id", id="in another order, and one twice"),
        pytest.param("fields=coin_id,current_price&fields=coin_id", id="in both ways"),
    ],
)
def test_fields_may_be_given_one_by_one(reader: Client, market: None, query: str) -> None:
    both = read(reader, f"{COINS}?{query}&page_size=2")
    coin = read(reader, f"/api/coins/bitcoin/?{query}")

    assert both["results"][0] == coin == {"coin_id": "bitcoin", "current_price": "96000"}
    assert read(reader, both["next"])["results"][0].keys() == coin.keys()


FILTERS = (
    "page, page_size, fields, symbol, rank_min, rank_max, price_min, price_max, market_cap_min, market_cap_max, "
    "missing, changed_since, search, ordering, after"
)
FORMATS = "Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
BIG = "99999999999999999999999999999999"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        pytest.param("smybol=btc", f"There is no parameter smybol. The parameters are {FILTERS}.", id="misspelt"),
        pytest.param("format=xml", f"There is no parameter format. The parameters are {FILTERS}.", id="format"),
        pytest.param("symbol=a&symbol=b", "symbol: This parameter may be given only once.", id="twice"),
        pytest.param("symbol=", "symbol: This field may not be blank.", id="empty"),
        pytest.param(f"symbol={'x' * 101}", "symbol: Ensure this field has no more than 100 characters.", id="long"),
        pytest.param(f"after={'x' * 256}", "after: Ensure this field has no more than 255 characters.", id="after"),
        pytest.param("search=+%09", "search: This field may not be blank.", id="no words"),
        pytest.param(f"search={'x' * 101}", "search: Ensure this field has no more than 100 characters.", id="words"),
        pytest.param("rank_min=1.5", "rank_min: A valid integer is required.", id="no rank"),
        pytest.param(
            "rank_max=2147483648", "rank_max: Ensure this value is less than or equal to 2147483647.", id="high rank"
        ),
        pytest.param("price_min=much", "price_min: A valid number is required.", id="no number"),
        pytest.param("price_max=NaN", "price_max: A valid number is required.", id="NaN"),
        pytest.param("price_max=-Infinity", "price_max: A valid number is required.", id="infinity"),
        pytest.param("price_max=1,5", "price_max: A valid number is required.", id="a comma"),
        pytest.param(
            f"market_cap_min={BIG}",
            "market_cap_min: Ensure that there are no more than 30 digits before the decimal point.",
            id="many digits",
        ),
        pytest.param("price_min=1e61", "price_min: Ensure that there are no more than 60 digits in total.", id="huge"),
        pytest.param(
            f"market_cap_max=0.{BIG}",
            "market_cap_max: Ensure that there are no more than 30 decimal places.",
            id="many places",
        ),
        pytest.param("missing=perhaps", "missing: Must be a valid boolean.", id="neither true nor false"),
        *(
            pytest.param(f"changed_since={text}", f"changed_since: Datetime has wrong format. {FORMATS}", id=text)
            for text in (
                "yesterday",
                "2026-02-30T12:00:00Z",
                "2026-02-05T12:00:00%2B24:00",
                "2026-02-05T12:00:60Z",
                "0000-02-05T12:00:00Z",
            )
        ),
        pytest.param(
            "changed_since=0001-01-01T00:00:00%2B01:00", "changed_since: Datetime value out of range.", id="too early"
        ),
        pytest.param(
            "ordering=name",
            "ordering: Must be one of coin_id, -coin_id, market_cap_rank, -market_cap_rank, -market_cap, market_cap, "
            "-total_volume, total_volume, changed_at, -changed_at.",
            id="no such order",
        ),
        pytest.param("page=0", "page: Ensure this value is greater than or equal to 1.", id="page 0"),
        pytest.param("page=last", "page: A valid integer is required.", id="no page"),
        pytest.param(
            f"page={2**63}", f"page: Ensure this value is less than or equal to {10**15}.", id="no database's page"
        ),
        pytest.param("page_size=1001", "page_size: Ensure this value is less than or equal to 1000.", id="too much"),
        pytest.param("page_size=0", "page_size: Ensure this value is greater than or equal to 1.", id="too little"),
        pytest.param(
            "page=0&missing=&x=1&y=1",
            f"There is no parameter x. The parameters are {FILTERS}. page: Ensure this value is greater than or equal "
            "to 1. missing: Must be a valid boolean.",
            id="more than one",
        ),
    ],
)
def test_an_invalid_query_is_400_with_a_sentence(reader: Client, query: str, sentence: str) -> None:
    assert refused(reader, f"{COINS}?{query}", 400) == sentence


@pytest.mark.parametrize("address", [COINS, "/api/coins/bitcoin/"])
@pytest.mark.parametrize(
    "fields", [["coin_id,nmae"], [""], ["coin_id,"], ["coin_id name"], ["node"], ["coin_id", "nmae"], ["coin_id", ""]]
)
def test_unknown_fields_are_refused(reader: Client, address: str, fields: list[str]) -> None:
    sentence = refused(reader, f"{address}?{urlencode({'fields': fields}, doseq=True)}", 400)

    assert sentence.startswith("fields: Must be one of coin_id, symbol, name, ")


@pytest.mark.parametrize("address", ["/api/", "/api/runs/first/", HEALTH, "/api/schema/"])
def test_where_nothing_can_be_asked_everything_is_refused(reader: Client, address: str) -> None:
    sentence = refused(reader, f"{address}?version=%0A", 400)

    assert sentence == "There is no parameter version. This address takes none."


def test_a_query_of_too_many_parameters_is_400(reader: Client) -> None:
    assert refused(reader, f"{COINS}?{'a=1&' * 1_001}", 400)


def test_an_address_without_its_slash_leads_to_the_one_with_it(reader: Client) -> None:
    response = reader.get("/api/coins?symbol=btc")

    assert response.status_code == 301
    assert response["Location"] == "/api/coins/?symbol=btc"


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
    assert refused(reader, f"{RUNS}?{query}", 400)


# Health --------------------------------------------------------------------------------------------
def test_an_empty_database_is_healthy_in_its_way(reader: Client) -> None:
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


def test_the_health_of_the_data_is_told(reader: Client, settings: Any) -> None:
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
