"""The fake API keeps to what CoinGecko does; the other tests rely on that."""

import contextlib
import gzip
import http.client
import json
import math
import os
import queue
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import pytest

from fake_api import Answer, FakeAPI, Listener, Market, answers
from fake_api.coins import in_july, make_records
from fake_api.records import Number
from fake_api.server import SlidingWindow
from fake_api.tls import self_signed

ROOT = Path(__file__).resolve().parent.parent.parent
AGENT = {"user-agent": "tests/1.0"}
FIVE_MINUTES = timedelta(minutes=5)
KEYS = """id symbol name image current_price market_cap market_cap_rank fully_diluted_valuation total_volume high_24h
low_24h price_change_24h price_change_percentage_24h market_cap_change_24h market_cap_change_percentage_24h
circulating_supply total_supply max_supply ath ath_change_percentage ath_date atl atl_change_percentage atl_date roi
last_updated market_cap_rank_with_rehypothecated"""
AMOUNTS = """current_price market_cap fully_diluted_valuation total_volume high_24h low_24h price_change_24h
market_cap_change_24h circulating_supply total_supply max_supply ath atl"""
PERCENTAGES = """price_change_percentage_24h market_cap_change_percentage_24h ath_change_percentage
atl_change_percentage"""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def ids(self) -> list[str]:
        return [record["id"] for record in self.json]


@contextlib.contextmanager
def connected(api: FakeAPI, trusted: Path | None = None) -> Iterator[http.client.HTTPConnection]:
    address = urlsplit(api.url)
    if address.scheme == "https":
        context = ssl.create_default_context(cafile=trusted)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            address.netloc, timeout=10, context=context
        )
    else:
        connection = http.client.HTTPConnection(address.netloc, timeout=10)
    with contextlib.closing(connection):
        yield connection


def ask_on(
    connection: http.client.HTTPConnection,
    path: str = "/coins/markets",
    headers: dict[str, str] = AGENT,
    **params: object,
) -> Reply:
    query = urlencode({"vs_currency": "usd"} | params)
    connection.request("GET", f"/api/v3{path}?{query}", headers=headers)
    response = connection.getresponse()
    return Reply(response.status, {k.lower(): response.headers[k] for k in response.headers}, response.read())


def ask(api: FakeAPI, path: str = "/coins/markets", *, headers: dict[str, str] = AGENT, **params: object) -> Reply:
    """One request on a connection of its own, in US dollars."""
    with connected(api) as connection:
        return ask_on(connection, path, headers, **params)


def run_fake_api(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fake_api", "--coins", "10", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


@pytest.fixture(scope="module")
def large() -> Market:
    """To look at, not to change."""
    return Market(coins=6_000)


@pytest.fixture(scope="module")
def records(large: Market) -> list[dict[str, Any]]:
    return [large.record(coin_id) for coin_id in large.ids]


@pytest.fixture
def market() -> Market:
    return Market(coins=300)


@pytest.fixture
def api(market: Market) -> Iterator[FakeAPI]:
    with FakeAPI(market) as api:
        yield api


# The data.


def test_the_same_seed_makes_the_same_market_and_another_seed_another():
    first, same, other = (list(make_records(50, seed)) for seed in (1, 1, 2))

    assert first == same != other
    assert Market(50, seed=1).texts() != Market(50, seed=2).texts()


def test_records_have_coingeckos_keys_in_its_order(records):
    assert {tuple(record) for record in records} == {tuple(KEYS.split())}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("current_price", "1e-18", id="smallest price"),
        pytest.param("current_price", "50000000000000", id="largest price"),
        pytest.param("current_price", "0.0000000000000001234567", id="22 decimals"),
        pytest.param("current_price", "-0.00000421", id="negative price"),
        pytest.param("fully_diluted_valuation", "7.0e-05", id="notation"),
        pytest.param("circulating_supply", "1e+25", id="largest supply"),
        pytest.param("circulating_supply", "9.999999999999999e+24", id="longest supply"),
        pytest.param("total_supply", "-1", id="negative supply"),
        pytest.param("atl_change_percentage", "3.2e+46", id="largest percentage"),
        pytest.param("market_cap_change_percentage_24h", "2.2e+08", id="largest change"),
        pytest.param("symbol", "", id="empty symbol"),
        pytest.param("symbol", "🚀", id="emoji"),
        pytest.param("symbol", "ذهب", id="right to left"),
        pytest.param("image", "missing_large.png", id="no image"),
        pytest.param("ath_date", "2021-05-11T20:22:37.614+08:00", id="date in Singapore"),
        *[pytest.param(key, None, id=f"no {key}") for key in KEYS.split()[1:]],
    ],
)
def test_the_oddities_of_the_real_market_are_there(records, field, value):
    assert value in [record[field] for record in records]


@pytest.mark.parametrize(("field", "length"), [("id", 86), ("symbol", 46), ("image", 308)])
def test_texts_are_as_long_as_the_longest_real_one(records, field, length):
    assert max(len(record[field] or "") for record in records) == length


def test_many_coins_share_the_symbol_weth(records):
    assert sum(record["symbol"] == "weth" for record in records) > 10


@pytest.mark.parametrize("minutes", [0, 7])
@pytest.mark.parametrize(
    ("fields", "digits", "places"),
    [
        pytest.param(AMOUNTS, 29, 30, id="amounts"),
        pytest.param(PERCENTAGES, 49, 5, id="percentages"),
    ],
)
def test_every_number_fits_its_column(fields, digits, places, minutes):
    market = Market(coins=1_200)
    market.advance(minutes)

    records = [market.record(coin_id) for coin_id in market.ids]

    numbers = [Decimal(record[field]) for record in records for field in fields.split() if record[field] is not None]
    assert len(numbers) > 4_000
    assert max(number.adjusted() + 1 for number in numbers) <= digits
    assert max(-int(number.as_tuple().exponent) for number in numbers) <= places


def test_a_little_over_half_of_the_coins_are_unranked(records):
    unranked = sum(record["market_cap_rank"] is None for record in records)

    assert 0.53 < unranked / len(records) < 0.58


def test_advancing_changes_every_record_and_going_back_restores_each(market):
    before = [market.text(coin_id) for coin_id in market.ids]

    market.advance(minutes=5)
    after = [market.text(coin_id) for coin_id in market.ids]
    market.advance(minutes=-5)

    assert not set(before) & set(after)
    assert [market.text(coin_id) for coin_id in market.ids] == before


def test_advancing_makes_a_coin_newer_and_dearer(market):
    before = market.record("tether")

    market.advance(minutes=5)

    after = market.record("tether")
    assert Decimal(after["current_price"]) == Decimal(before["current_price"]) * Decimal("1.0005")
    assert (
        datetime.fromisoformat(after["last_updated"]) - datetime.fromisoformat(before["last_updated"]) == FIVE_MINUTES
    )


@pytest.mark.parametrize("minutes", [0, 5, 100_000])
def test_every_number_is_the_shortest_form_of_a_float_as_all_of_coingeckos_are(market, minutes):
    market.advance(minutes)

    records = [market.record(coin_id) for coin_id in market.ids]
    values = [value for record in records for value in [*record.values(), *(record["roi"] or {}).values()]]
    texts = [value for value in values if isinstance(value, Number)]
    assert len(texts) > 15 * len(market.ids)
    assert [text for text in texts if Decimal(repr(float(text))) != Decimal(text)] == []


def test_a_large_whole_number_stays_one_when_the_market_moves(market):
    before = market.record("bitcoin")["market_cap"]

    market.advance(minutes=5)

    assert before.isdigit()
    assert market.record("bitcoin")["market_cap"].isdigit()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"id":"ethereum","current_price":NaN}', id="NaN"),
        pytest.param(f'{{"id":"ethereum","current_price":{"9" * 5_000}}}', id="5,000 digits"),
        pytest.param('{"id":"ethereum","name":"\\u0000"}', id="NUL"),
        pytest.param('{"id":"ethereum","name":"\\ud800"}', id="lone surrogate"),
        pytest.param('{"name":"without an id"}', id="no id"),
        pytest.param('"no record"', id="not an object"),
    ],
)
def test_a_poisoned_record_keeps_its_place_and_its_id(market, api, text):
    market.replace("ethereum", text)

    first = ask(api, per_page=4, order="market_cap_desc", include_rehypothecated="true", ids="bitcoin,ethereum,tether")
    asked = ask(api, ids="ethereum")

    expected = f"[{market.text('bitcoin')},{text},{market.text('tether')}]"
    assert first.body.decode() == expected
    assert asked.body.decode() == f"[{text}]"
    assert "ethereum" in ask(api, "/coins/list").ids


def test_an_added_coin_stands_where_its_rank_says_and_is_listed(market, api):
    assert ask(api, per_page=3).ids == ["bitcoin", "ethereum", "tether"]

    market.add({"id": "newcomer", "market_cap_rank": 1.5, "current_price": 0.5})

    assert ask(api, per_page=3).ids == ["bitcoin", "newcomer", "ethereum"]
    assert "newcomer" in ask(api, "/coins/list").ids


def test_a_removed_coin_is_neither_on_the_market_nor_listed(market, api):
    assert ask(api, per_page=3).ids == ["bitcoin", "ethereum", "tether"]

    market.remove("ethereum")

    assert ask(api, per_page=2).ids == ["bitcoin", "tether"]
    assert ask(api, ids="ethereum").ids == []
    assert "ethereum" not in ask(api, "/coins/list").ids


def test_every_record_can_be_reshaped(market, api):
    market.reshape(lambda record: {key: None if key == "ath" else value for key, value in record.items()})

    page = ask(api, per_page=250, page=2)

    assert {record["ath"] for record in page.json} == {None}


# Orders and pages.


@pytest.mark.parametrize(("order", "reverse"), [("id_asc", False), ("id_desc", True)])
def test_paging_by_id_is_exact(market, api, order, reverse):
    pages = [ask(api, order=order, page=page, include_rehypothecated="true") for page in (1, 2, 3)]

    assert [coin_id for page in pages for coin_id in page.ids] == sorted(market.ids, reverse=reverse)


@pytest.mark.parametrize(
    ("order", "field", "sign"),
    [
        ("market_cap_desc", "market_cap_rank", 1),
        ("market_cap_asc", "market_cap_rank", -1),
        ("volume_desc", "total_volume", -1),
        ("volume_asc", "total_volume", 1),
    ],
)
def test_ranked_coins_have_a_stable_order(api, order, field, sign):
    pages = [ask(api, order=order, per_page=250, page=page).json for page in (1, 2)]

    ranked = [coin for page in pages for coin in page if coin["market_cap_rank"]]
    values = [sign * (coin[field] or 0) for coin in ranked]
    assert len(values) == len({coin["id"] for coin in ranked}) > 100
    assert values == sorted(values)


def test_paging_by_market_cap_repeats_a_fifth_of_the_rows_and_loses_as_many_coins(large):
    seen = [row for page in range(1, 25) for row in large.page("market_cap_desc", page, 250, rehypothecated=True)[0]]

    assert len(seen) == len(large.ids)
    assert 0.17 < 1 - len(set(seen)) / len(seen) < 0.24


def test_unranked_coins_stand_elsewhere_at_each_request(api):
    first, second = (ask(api, per_page=250, page=1).ids for _ in range(2))

    assert first[:100] == second[:100]
    assert first != second


@pytest.mark.parametrize(
    ("params", "count"),
    [
        pytest.param({}, 100, id="default"),
        pytest.param({"per_page": 7}, 7, id="as asked"),
        pytest.param({"per_page": 250}, 250, id="most"),
        pytest.param({"per_page": 251}, 250, id="capped"),
        pytest.param({"page": 4}, 0, id="past the end"),
    ],
)
def test_a_page_holds_as_many_records_as_asked_for_up_to_250(api, params, count):
    page = ask(api, **params)

    assert (page.status, len(page.json)) == (200, count)


def test_the_page_past_the_end_is_an_empty_list(api):
    assert ask(api, page=99).body == b"[]"


@pytest.mark.parametrize(
    ("total", "sent"),
    [("exact", "300"), ("absent", None), ("half", "150"), ("double", "600"), ("many", "many"), ("-5", "-5")],
)
def test_the_total_header_says_what_it_is_told_to(market, total, sent):
    with FakeAPI(market, total=total) as api:
        page = ask(api, per_page=250, include_rehypothecated="true")

    assert page.headers.get("total") == sent
    assert page.headers.get("per-page") == (sent and "250")


def test_ids_selects_known_coins_in_the_order_asked_for(api):
    page = ask(api, ids="tether,bitcoin,no-such-coin,bitcoin", order="id_desc")

    assert page.ids == ["tether", "bitcoin"]
    assert page.headers["total"] == "2"


def test_ids_after_the_250th_are_not_considered(api):
    page = ask(api, ids=",".join(["no-such-coin"] * 249 + ["tether", "bitcoin"]))

    assert page.ids == ["tether"]


def test_rehypothecated_coins_are_left_out_unless_asked_for(api, market):
    named = "weth,staked-ether,wrapped-bitcoin"

    without, asked = ask(api, ids=named), ask(api, ids=named, include_rehypothecated="true")

    assert without.ids == []
    assert sorted(asked.ids) == sorted(named.split(","))
    assert int(ask(api).headers["total"]) == len(market.ids) - 6
    assert set(named.split(",")) <= set(ask(api, "/coins/list").ids)


def test_the_rank_among_all_coins_comes_with_rehypothecated_ones(api):
    without, asked = ask(api, ids="bitcoin,tether"), ask(api, ids="weth,tether,steth", include_rehypothecated="true")

    name = "market_cap_rank_with_rehypothecated"
    assert [name in coin for coin in without.json] == [False, False]
    ranks = {coin["id"]: (coin["market_cap_rank"], coin[name]) for coin in asked.json}
    assert ranks == {"tether": (3, 3), "weth": (None, 4)}


def test_since_july_dates_are_whole_seconds_and_those_of_extremes_eight_hours_earlier(api, market):
    before = market.record("ethereum")
    names = ("last_updated", "ath_date")
    market.reshape(in_july)

    after = ask(api, ids="ethereum").json[0]

    dates = [datetime.fromisoformat(record[name]) for name in names for record in (before, after)]
    assert dates[1] == dates[0].replace(second=dates[0].second // 10 * 10, microsecond=0)
    assert dates[3] == dates[2].replace(microsecond=0) - timedelta(hours=8)
    assert after["atl_date"].endswith(".000Z")


def test_a_category_selects_its_coins(api):
    assert ask(api, category="layer-1").ids == ["bitcoin", "ethereum"]


def test_the_list_names_every_coin_and_a_few_that_the_market_does_not_know(api, market):
    listing = ask(api, "/coins/list")

    assert listing.ids == sorted(market.ids + market.ghosts)
    assert listing.json[listing.ids.index("bitcoin")] == {"id": "bitcoin", "symbol": "btc", "name": "Bitcoin"}
    assert ask(api, ids=market.ghosts[0]).ids == []


# What the API demands.


@pytest.mark.parametrize(
    ("path", "params", "status", "error"),
    [
        pytest.param("/coins/markets", {"vs_currency": ""}, 422, "Missing parameter vs_currency", id="no currency"),
        pytest.param("/coins/markets", {"vs_currency": "usdt"}, 400, "invalid vs_currency", id="wrong currency"),
        pytest.param("/coins/markets", {"category": "none"}, 404, "category not found", id="wrong category"),
        pytest.param("/coins/nowhere", {}, 404, "Incorrect path", id="wrong path"),
    ],
)
def test_a_senseless_request_is_refused_with_an_error_object(api, path, params, status, error):
    reply = ask(api, path, **params)

    assert (reply.status, error in reply.json["error"]) == (status, True)


@pytest.mark.parametrize("headers", [{}, {"user-agent": ""}])
def test_a_request_without_a_user_agent_is_forbidden(api, headers):
    reply = ask(api, headers=headers)

    assert reply.status == 403
    assert "descriptive User-Agent" in reply.json["status"]["error_message"]


def test_a_url_over_8190_bytes_is_too_long(api):
    assert ask(api, ids="x" * 8_000).status == 200
    assert ask(api, ids="x" * 8_200).status == 414


@pytest.mark.parametrize(
    ("plan", "sent", "status", "code"),
    [
        ("keyless", {}, 200, None),
        ("keyless", {"x-cg-pro-api-key": "secret"}, 400, 10010),
        ("demo", {"x-cg-demo-api-key": "secret"}, 200, None),
        ("demo", {"x-cg-demo-api-key": "wrong"}, 401, 10002),
        ("demo", {}, 401, 10002),
        ("demo", {"x-cg-pro-api-key": "secret"}, 400, 10010),
        ("pro", {"x-cg-pro-api-key": "secret"}, 200, None),
        ("pro", {"x-cg-pro-api-key": "wrong"}, 401, 10002),
        ("pro", {}, 401, 10002),
        ("pro", {"x-cg-demo-api-key": "secret"}, 400, 10011),
    ],
)
def test_each_plan_takes_its_own_key_alone(market, plan, sent, status, code):
    with FakeAPI(market, plan=plan, key="secret") as api:
        reply = ask(api, "/ping", headers=AGENT | sent)

    error = reply.json
    assert reply.status == status
    assert error.get("error_code", error.get("status", {}).get("error_code")) == code


@pytest.mark.parametrize("options", [{"plan": "enterprise"}, {"plan": "demo"}])
def test_a_wrong_configuration_fails_when_it_is_made(market, options):
    with pytest.raises(ValueError, match="plan"):
        FakeAPI(market, **options)


def test_calls_beyond_the_rate_limit_are_told_to_wait_until_the_window_has_moved_on(market):
    with FakeAPI(market, calls_per_minute=2, window=7) as api:
        statuses = [ask(api, "/nowhere").status, ask(api).status]
        refused = ask(api)

    assert statuses == [404, 200]  # what failed counts
    assert (refused.status, refused.headers["retry-after"]) == (429, "7")
    assert refused.json["status"]["error_code"] == 429


def test_a_sliding_window_counts_calls_until_they_have_left_it():
    window = SlidingWindow(calls=2, seconds=60)

    waits = [window.wait(now) for now in (0, 10, 20, 80, 80, 80, 139)]

    assert waits == [0, 0, 50, 0, 0, 60, 1]


def test_answers_are_gzipped_for_clients_that_take_it(api, market):
    plain = ask(api, order="id_asc")
    zipped = ask(api, order="id_asc", headers=AGENT | {"accept-encoding": "gzip, deflate"})

    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert len(zipped.body) < len(plain.body) / 2
    assert gzip.decompress(zipped.body) == plain.body


def test_a_connection_is_kept_and_carries_many_requests(api):
    with connected(api) as connection:
        statuses = [ask_on(connection, "/ping").status for _ in range(3)]

    assert (statuses, api.connections) == ([200, 200, 200], 1)


def test_opened_connections_are_counted(api):
    counts = [api.connections]

    for _ in range(2):
        ask(api, "/ping")
        counts.append(api.connections)

    assert counts == [0, 1, 2]


def test_closing_the_server_closes_kept_connections(market):
    with contextlib.ExitStack() as clients:
        with FakeAPI(market) as api:
            connection = clients.enter_context(connected(api))
            ask_on(connection, "/ping")

        assert connection.sock.recv(1) == b""


def test_every_request_is_in_the_log_the_failed_ones_too(api):
    ask(api, page=2)
    ask(api, "/nowhere", headers={"User-Agent": "", "X-Trace": "1"})

    first, second = api.requests
    assert (first.method, first.path, first.status) == ("GET", "/coins/markets", 200)
    assert first.params == {"vs_currency": "usd", "page": "2"}
    assert first.time <= first.sent <= second.time <= second.sent <= time.monotonic()
    assert (second.path, second.status, second.headers["x-trace"]) == ("/nowhere", 403, "1")


def test_waiting_for_requests_ends_when_they_have_come_or_with_an_error(api):
    threading.Thread(target=ask, args=[api]).start()

    api.wait_for(requests=1)

    assert len(api.requests) == 1
    with pytest.raises(TimeoutError, match="1 of 2 requests"):
        api.wait_for(requests=2, timeout=0.01)


# Faults.


@pytest.mark.parametrize(
    ("answer", "status", "header", "part"),
    [
        pytest.param(answers.rate_limited(7), 429, {"retry-after": "7"}, b'"error_code":429', id="Retry-After"),
        pytest.param(
            answers.rate_limited_until(datetime(2026, 1, 1, tzinfo=UTC)),
            429,
            {"x-ratelimit-reset": "2026-01-01 00:00:00 +0000"},
            b'"error_code":429',
            id="x-ratelimit-reset",
        ),
        pytest.param(answers.rate_limited("soon"), 429, {"retry-after": "soon"}, b"", id="Retry-After of any text"),
        pytest.param(
            answers.rate_limited("Thu, 01 Jan 2026 00:00:30 GMT", date="Thu, 01 Jan 2026 00:00:00 GMT"),
            429,
            {"retry-after": "Thu, 01 Jan 2026 00:00:30 GMT", "date": "Thu, 01 Jan 2026 00:00:00 GMT"},
            b'"error_code":429',
            id="Retry-After and Date",
        ),
        pytest.param(
            answers.rate_limited_until("later"), 429, {"x-ratelimit-reset": "later"}, b"", id="reset of any text"
        ),
        pytest.param(
            answers.cloudflare_limited(30),
            429,
            {"retry-after": "30", "content-type": "text/html; charset=UTF-8"},
            b"<title>Access denied | api.coingecko.com used Cloudflare to restrict access</title>",
            id="Cloudflare",
        ),
        pytest.param(answers.RATE_LIMITED, 429, {}, b'"error_code":429', id="429 without a time"),
        pytest.param(answers.RATE_LIMITED_IN_A_200, 200, {}, b'"error_code":429', id="429 in a 200"),
        pytest.param(answers.CREDITS_SPENT, 429, {}, b'"error_code":10006', id="credits spent"),
        pytest.param(answers.KEY_MISSING, 401, {}, b'"error_code":10002', id="key missing"),
        pytest.param(answers.NOT_IN_PLAN, 401, {}, b'"error_code":10005', id="not in the plan"),
        pytest.param(answers.PRO_KEY_AT_PUBLIC_HOST, 400, {}, b'{"error_code":10010,"status":{', id="pro key"),
        pytest.param(answers.DEMO_KEY_AT_PRO_HOST, 400, {}, b'{"error_code":10011,"status":{', id="demo key"),
        pytest.param(answers.SERVER_ERROR, 500, {}, b'"error":"Internal Server Error"', id="500"),
        pytest.param(answers.BAD_GATEWAY, 502, {"content-type": "text/html; charset=UTF-8"}, b"<title>", id="502"),
        pytest.param(answers.UNAVAILABLE, 503, {"content-type": "text/html; charset=UTF-8"}, b"<title>", id="503"),
        pytest.param(Answer(520), 520, {"server": "cloudflare"}, b"", id="520 without a page"),
        *[
            pytest.param(
                answers.cloudflare_error(status),
                status,
                {"content-type": "text/html; charset=UTF-8"},
                b"<title>",
                id=f"{status} with a page",
            )
            for status in range(520, 531)
        ],
        *[
            pytest.param(
                answers.bare(status),
                status,
                {"content-type": "text/html; charset=UTF-8"},
                b"<title>%d " % status,
                id=f"{status}",
            )
            for status in (408, 418, 425, 451)
        ],
        pytest.param(answers.unavailable(5), 503, {"retry-after": "5"}, b"<title>", id="503 with Retry-After"),
        pytest.param(answers.NO_CONTENT, 204, {}, b"", id="204"),
        pytest.param(answers.PARTIAL_CONTENT, 206, {"content-range": "bytes 0-1/60000"}, b"[]", id="206"),
        pytest.param(answers.NOT_MODIFIED, 304, {}, b"", id="304"),
        pytest.param(answers.FORBIDDEN, 403, {}, b'{"error":"Forbidden"}', id="403"),
        pytest.param(
            answers.BLOCKED,
            403,
            {"content-type": "text/html; charset=UTF-8"},
            b"Cloudflare</title>",
            id="403 from Cloudflare",
        ),
        pytest.param(
            answers.HTML_IN_A_200, 200, {"content-type": "text/html; charset=UTF-8"}, b"<title>", id="HTML in a 200"
        ),
        pytest.param(answers.in_a_200(answers.WRONG_CURRENCY), 200, {}, b'{"error":"invalid', id="error in a 200"),
        pytest.param(answers.EMPTY, 200, {"content-length": "0"}, b"", id="empty"),
        pytest.param(
            answers.redirect("http://other.test/"), 302, {"location": "http://other.test/"}, b"", id="redirect"
        ),
        pytest.param(Answer(headers={"Server": "x"}, body=b"[1]"), 200, {"server": "x"}, b"[1]", id="of one's own"),
    ],
)
def test_a_fault_is_answered_once_in_the_place_of_data(api, answer, status, header, part):
    api.fault(answer)

    reply, next_reply = ask(api), ask(api)

    assert reply.status == api.requests[0].status == status
    assert header.items() <= reply.headers.items()
    assert part in reply.body
    assert (next_reply.status, len(next_reply.json)) == (200, 100)


@pytest.mark.parametrize("name", ["Date", "Server", "ETag", "Content-Type"])
def test_an_answer_can_lack_a_header(api, name):
    api.fault(Answer(headers=answers.JSON | {name: None}))

    without, usual = ask(api), ask(api)

    assert name.lower() in usual.headers
    assert name.lower() not in without.headers


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(answers.CUT_GZIP, EOFError, id="cut"),
        pytest.param(answers.HALF_GZIP, EOFError, id="half"),
        pytest.param(answers.CUT_GZIP_TRAILER, EOFError, id="cut in the trailer"),
        pytest.param(answers.FALSE_GZIP, gzip.BadGzipFile, id="plain"),
        pytest.param(answers.WRONG_CHECKSUM, gzip.BadGzipFile, id="wrong checksum"),
        pytest.param(answers.FLIPPED_BIT, gzip.BadGzipFile, id="flipped bit"),
    ],
)
def test_broken_gzip_does_not_unpack(api, answer, problem):
    api.fault(answer)

    reply = ask(api, headers=AGENT | {"accept-encoding": "gzip"})

    assert reply.headers["content-encoding"] == "gzip"
    assert reply.body == answer.body
    with pytest.raises(problem):
        gzip.decompress(reply.body)


@pytest.mark.parametrize(
    ("answer", "price"),
    [(answers.CUT_GZIP_TRAILER, 60_000), (answers.WRONG_CHECKSUM, 60_000), (answers.FLIPPED_BIT, 70_000)],
)
def test_broken_gzip_may_hold_data_that_parse_if_nobody_looks_at_the_checksum(api, answer, price):
    api.fault(answer)

    reply = ask(api)

    assert json.loads(zlib.decompressobj(wbits=-15).decompress(reply.body[10:]))[0]["current_price"] == price


@pytest.mark.parametrize(
    ("answer", "coding", "unpack"),
    [
        pytest.param(
            answers.DOUBLE_GZIP, "gzip, gzip", lambda body: gzip.decompress(gzip.decompress(body)), id="gzip twice"
        ),
        pytest.param(answers.DEFLATE, "deflate", zlib.decompress, id="deflate"),
        pytest.param(answers.BROTLI, "br", lambda body: body[3:-1], id="brotli"),
        pytest.param(answers.ZSTD, "zstd", lambda body: body[-2:], id="zstd"),
        pytest.param(answers.UNKNOWN_CODING, "nonsense", bytes, id="nonsense"),
    ],
)
def test_an_answer_can_be_packed_in_a_way_that_nobody_asked_for(api, answer, coding, unpack):
    api.fault(answer)

    reply = ask(api)

    assert reply.headers["content-encoding"] == coding
    assert isinstance(json.loads(unpack(reply.body)), list)


@pytest.mark.parametrize(("answer", "wire"), [(answers.oversized(3), 3 << 20), (answers.gzip_bomb(3), 3 << 13)])
def test_a_body_can_be_too_large(api, answer, wire):
    api.fault(answer)

    reply = ask(api, headers=AGENT | {"accept-encoding": "gzip"})

    body = gzip.decompress(reply.body) if "content-encoding" in reply.headers else reply.body
    assert (json.loads(body), len(body)) == ([], (3 << 20) + 2)
    assert wire * 0.5 < len(reply.body) < wire * 1.1


def test_json_can_be_nested_too_deep(api, market):
    api.fault(answers.nested(3))
    api.fault(answers.nested(100_000))
    api.fault(answers.UNBALANCED)
    market.replace("bitcoin", answers.nested_record("bitcoin", 3))

    shallow, deep, unbalanced, coin = ask(api), ask(api), ask(api), ask(api, ids="bitcoin")

    assert (shallow.json, coin.json[0]["id"], coin.json[0]["roi"]) == ([[[]]], "bitcoin", [[[]]])
    for reply in (deep, unbalanced):
        with pytest.raises(RecursionError):
            _ = reply.json


@pytest.mark.parametrize(
    ("answer", "encoding"),
    [(answers.WITH_BOM, "utf-8-sig"), (answers.UTF_16, "utf-16"), (answers.LATIN_1, "latin-1")],
)
def test_json_can_be_no_plain_utf_8(api, answer, encoding):
    api.fault(answer)

    reply = ask(api)

    assert json.loads(reply.body.decode(encoding))[0]["id"] == "bitcoin"
    with pytest.raises(ValueError, match=r"BOM|utf-8"):
        json.loads(reply.body.decode())


@pytest.mark.parametrize("answer", [answers.CUT_JSON, answers.BLANK, answers.EMPTY, answers.HTML_IN_A_200])
def test_a_body_can_be_no_json(api, answer):
    api.fault(answer)

    with pytest.raises(json.JSONDecodeError):
        _ = ask(api).json


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(answers.HUNG_UP, http.client.RemoteDisconnected, id="hung up"),
        pytest.param(answers.RESET, ConnectionResetError, id="reset"),
        pytest.param(answers.GARBAGE, http.client.BadStatusLine, id="no HTTP"),
    ],
)
@pytest.mark.parametrize("after", [0, 1])
def test_a_connection_can_end_without_an_answer_at_its_first_request_and_later(api, answer, error, after):
    api.fault(answer, after=after)

    with connected(api) as connection:
        for _ in range(after):
            ask_on(connection)
        with pytest.raises(error) as caught:
            ask_on(connection)

    assert caught.type is error  # a polite end is a ConnectionResetError, too
    assert [request.status for request in api.requests] == [200] * after + [0]
    assert api.connections == 1


@pytest.mark.parametrize("answer", [answers.CUT_BODY, answers.CUT_CHUNKS])
def test_what_comes_of_a_cut_body_parses(api, answer):
    api.fault(answer)

    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(api, headers=AGENT | {"accept-encoding": "gzip"})

    assert json.loads(caught.value.partial) == []


def test_a_connection_can_be_reset_amid_a_body(api):
    api.fault(answers.RESET_BODY)

    with pytest.raises(ConnectionResetError):
        ask(api)


def test_a_chunked_answer_is_one_like_any_other(api):
    api.fault(Answer(body=b"[1]", chunked=True), times=2)
    api.fault(Answer(chunked=True))

    with connected(api) as connection:
        plain, empty = ask_on(connection), ask_on(connection, headers={"accept-encoding": "gzip"})
        last = ask_on(connection)

    assert plain.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in plain.headers
    assert (plain.body, gzip.decompress(empty.body), last.body) == (b"[1]", b"[1]", b"")


def test_a_sound_answer_may_end_its_connection_unannounced(api):
    api.fault(Answer(body=b"[]", end="close"))

    with connected(api) as connection:
        ask_on(connection)

        assert connection.sock.recv(1) == b""


def test_a_body_can_stall_until_the_server_closes(market):
    with contextlib.ExitStack() as clients:
        with FakeAPI(market) as api:
            api.fault(answers.STALLS)
            connection = clients.enter_context(connected(api))
            connection.request("GET", "/api/v3/coins/markets", headers=AGENT)
            response = connection.getresponse()
            first = response.read(2)
            connection.sock.settimeout(0.05)
            with pytest.raises(TimeoutError):
                connection.sock.recv(1)

        assert (first, connection.sock.recv(1)) == (b"[]", b"")


def test_a_body_can_trickle(api):
    api.fault(answers.trickles(per_second=50_000))

    reply = ask(api)

    assert (reply.json, len(reply.body)) == ([], 10_002)
    assert time.monotonic() - api.requests[0].sent >= 0.2


@pytest.mark.parametrize("answer", [answers.HANGS, answers.trickles(per_second=1), Answer(wait=threading.Event())])
def test_an_answer_that_takes_for_ever_ends_when_the_server_closes(market, answer):
    errors = (http.client.RemoteDisconnected, http.client.IncompleteRead)
    with FakeAPI(market) as api:
        api.fault(answer)
        client = threading.Thread(target=pytest.raises, args=[errors, ask, api])
        client.start()
        api.wait_for(requests=1)

    client.join(timeout=5)
    assert not client.is_alive()


def test_an_answer_can_wait_until_the_test_has_acted(api, market):
    gate = threading.Event()
    replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
    api.fault(lambda _: Answer(body=market.text("tether").encode(), wait=gate))
    threading.Thread(target=lambda: replies.put(ask(api))).start()
    api.wait_for(requests=1)

    unsent, acted = api.requests[0].sent, time.monotonic()
    gate.set()

    assert replies.get(timeout=10).json["id"] == "tether"
    assert unsent is None
    assert api.requests[0].sent >= acted


@pytest.mark.parametrize(("plan", "header"), [("demo", "x-cg-demo-api-key"), ("pro", "x-cg-pro-api-key")])
def test_an_answer_can_repeat_the_key_it_was_asked_with(market, plan, header):
    with FakeAPI(market, plan=plan, key="se/cret") as api:
        api.fault(answers.echo)
        reply = ask(api, headers=AGENT | {header: "se/cret"})

    assert (reply.status, reply.json) == (401, {"error": "Invalid API key: se/cret"})
    assert api.requests[0].status == 401


def test_an_answer_can_be_made_of_the_request(api):
    api.fault(lambda request: answers.redirect(f"http://other.test{request.path}?page={request.params['page']}"))

    reply = ask(api, page=3)

    assert (reply.status, reply.headers["location"]) == (302, "http://other.test/coins/markets?page=3")


def test_faults_go_to_the_requests_they_are_for(api):
    api.fault(answers.SERVER_ERROR, page=2)
    api.fault(answers.BAD_GATEWAY, ids="tether")
    api.fault(answers.UNAVAILABLE, path="/coins/list")
    api.fault(answers.EMPTY, path=None, page=9)

    asked: list[dict[str, Any]] = [{"page": 1}, {"page": 2}, {"ids": "bitcoin"}, {"ids": "bitcoin,tether"}]
    statuses = [ask(api, **params).status for params in asked]

    assert statuses == [200, 500, 200, 502]
    assert ask(api, "/coins/list").status == 503
    assert ask(api, "/ping", page=9).body == b""


def test_faults_for_the_same_requests_come_one_after_the_other(api):
    api.fault(answers.SERVER_ERROR, times=2, after=1)
    api.fault(answers.BAD_GATEWAY, after=1)
    api.fault(answers.UNAVAILABLE, page=1, times=math.inf, after=1)

    statuses = [ask(api).status for _ in range(6)]

    assert statuses == [200, 500, 500, 502, 503, 503]


def test_a_page_can_be_answered_with_another(api):
    api.fault({"page": 1}, page=2)

    first, repeated, second = (ask(api, order="id_asc", page=page).ids for page in (1, 2, 2))

    assert repeated == first != second
    assert [request.params["page"] for request in api.requests] == ["1", "2", "2"]


def test_every_page_can_be_answered_with_the_first(api):
    api.fault({"page": 1}, times=math.inf)

    pages = [ask(api, order="id_asc", page=page).body for page in (1, 2, 99)]

    assert pages[0] == pages[1] == pages[2] != b"[]"


# TLS, and hosts that should hear nothing.


def test_it_speaks_tls_to_those_who_trust_its_certificate(market, tmp_path):
    certificate, key = self_signed(tmp_path)

    with FakeAPI(market, tls=(certificate, key)) as api, connected(api, trusted=certificate) as connection:
        statuses = [ask_on(connection, "/ping").status for _ in range(2)]

    assert api.url.startswith("https://127.0.0.1:")
    assert (statuses, api.connections) == ([200, 200], 1)


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        pytest.param({"host": "api.test"}, "IP address mismatch", id="of another host"),
        pytest.param({"days": -1}, "certificate has expired", id="expired"),
        pytest.param(None, "self-signed certificate", id="unknown"),
    ],
)
def test_who_does_not_trust_its_certificate_sends_no_request(market, tmp_path, capfd, made, problem):
    certificate, key = self_signed(tmp_path, **made or {})

    with (
        FakeAPI(market, tls=(certificate, key)) as api,
        connected(api, trusted=certificate if made else None) as connection,
        pytest.raises(ssl.SSLCertVerificationError, match=problem),
    ):
        ask_on(connection)

    assert (api.connections, api.requests) == (1, [])
    assert capfd.readouterr().err == ""


def test_closing_the_server_closes_tls_connections_also_those_that_never_shook_hands(market, tmp_path, capfd):
    with contextlib.ExitStack() as clients:
        certificate, key = self_signed(tmp_path)
        with FakeAPI(market, tls=(certificate, key)) as api:
            silent = clients.enter_context(socket.create_connection(("127.0.0.1", urlsplit(api.url).port), timeout=10))
            connection = clients.enter_context(connected(api, certificate))
            ask_on(connection, "/ping")

        assert (connection.sock.recv(1), silent.recv(1)) == (b"", b"")
    assert capfd.readouterr().err == ""


def test_a_listener_hears_every_connection_and_byte_at_once():
    with Listener() as listener:
        address = "127.0.0.1", urlsplit(listener.url).port
        heard = [listener.heard]
        with socket.create_connection(address) as first, socket.create_connection(address):
            first.sendall(b"GET /")
            heard.append(listener.heard)
            first.sendall(b"secret HTTP/1.1")

    assert heard == [[], [b"GET /", b""]]
    assert listener.heard == [b"GET /secret HTTP/1.1", b""]


def test_a_listener_may_answer():
    with Listener(answers=True) as listener, urlopen(f"{listener.url}/page", timeout=10) as response:
        body = response.read()

    assert body == b"[]"
    assert listener.heard[0].startswith(b"GET /page HTTP/1.1\r\n")


# Recorded pages.

RECORDED = """[\r
  {"name": "Zwei \\u00e9 é", "id": "b", "current_price": 1.10e-07, "market_cap_rank": 2, "total_volume": 5.0,
   "last_updated": "2025-05-09T06:04:23.041Z", "extra": [1.00, {"deep": -0.0}]},
  {"id":"a","current_price":123456789012345678901234567890.1200,"market_cap_rank":1,"last_updated":null}
]"""
NEWER = '[{"id":"a","current_price":2.50,"market_cap_rank":1,"last_updated":"2025-05-09T06:04:23.041Z"}]'
OLDER = '[{"id":"b","current_price":9,"market_cap_rank":1,"last_updated":"2025-05-09T08:00:00.000+08:00"}]'


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    (tmp_path / "1.json").write_bytes(RECORDED.encode())
    (tmp_path / "list.json").write_text('[{"id": "c", "symbol": "c", "name": "only listed"}]')
    (tmp_path / "error.json").write_text('{"error": [1]}')
    (tmp_path / "notes.txt").write_text("no page")
    return tmp_path


def test_recorded_records_are_served_character_for_character(pages):
    with FakeAPI(pages=pages) as api:
        page = ask(api, order="id_asc")

    second, first = RECORDED.removeprefix("[\r\n  ").removesuffix("\n]").split(",\n  {")
    assert page.body.decode() == f"[{{{first},{second}]"


def test_of_a_coin_recorded_twice_the_newest_record_counts(pages):
    (pages / "0.json").write_text(NEWER)
    (pages / "2.json").write_text(OLDER)

    market = Market.recorded(pages)

    assert market.ids == ["a", "b"]
    assert market.record("a")["current_price"] == "2.50"
    assert market.record("b")["current_price"] == "1.10e-07"


def test_recorded_pages_are_paged_ordered_and_listed_like_a_made_market(pages):
    with FakeAPI(pages=pages) as api:
        orders = [ask(api, order=order).ids for order in ("market_cap_desc", "volume_desc", "id_desc")]
        second, asked, listing = ask(api, per_page=1, page=2), ask(api, ids="b"), ask(api, "/coins/list")

    assert orders == [["a", "b"], ["b", "a"], ["b", "a"]]
    assert (second.ids, asked.ids, listing.ids) == (["b"], ["b"], ["a", "b"])


@pytest.mark.parametrize("content", ['[{"id": "a"', "[]"])
def test_a_directory_without_sound_pages_is_refused(tmp_path, content):
    (tmp_path / "1.json").write_text(content)

    with pytest.raises(ValueError, match=r"no recorded page"):
        FakeAPI(pages=tmp_path)


# By itself.


def test_the_process_says_its_address_and_serves_until_it_is_told_to_stop(tmp_path):
    with run_fake_api("--total", "half", "--log", tmp_path / "log.jsonl") as process:
        line = line_of(process)
        port = int(line.removesuffix("/api/v3\n").rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/api/v3/coins/markets?vs_currency=usd", headers=AGENT)
        total = connection.getresponse().headers["total"]
        connection.close()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)

    assert line == f"Fake CoinGecko API with 10 coins at http://127.0.0.1:{port}/api/v3\n"
    assert (total, process.returncode, errors) == ("3", 0, "")
    entry = json.loads((tmp_path / "log.jsonl").read_text())
    assert (entry["path"], entry["params"], entry["status"]) == ("/coins/markets", {"vs_currency": "usd"}, 200)
    assert entry["headers"]["user-agent"] == "tests/1.0"
    assert entry["time"] <= time.monotonic()


def test_the_process_runs_a_command_with_its_address_and_ends_with_its_status():
    script = "import os; print(os.environ['BASE_API_URL']); raise SystemExit(3)"

    with run_fake_api("--", sys.executable, "-c", script) as process:
        output, _ = process.communicate(timeout=10)

    first, second = output.splitlines()
    assert first.endswith(f" at {second}")
    assert process.returncode == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_process_hands_signals_to_its_command(number):
    script = f"import signal; signal.signal({number}, lambda *_: exit(7)); print('ready', flush=True); signal.pause()"

    with run_fake_api("--", sys.executable, "-c", script) as process:
        line_of(process)  # the address
        ready = line_of(process)
        os.kill(process.pid, number)
        process.communicate(timeout=10)

    assert (ready, process.returncode) == ("ready\n", 7)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--plan", "demo"], 1, "The fake API cannot start: the demo plan needs a key\n"),
        (["--pages", "/nonexistent"], 1, "The fake API cannot start: /nonexistent holds no recorded page\n"),
        (["--", "/nonexistent"], 127, "Cannot run /nonexistent: No such file or directory\n"),
    ],
)
def test_the_process_says_in_one_line_why_it_cannot_start(arguments, status, message):
    with run_fake_api(*arguments) as process:
        _, errors = process.communicate(timeout=10)

    assert (process.returncode, errors) == (status, message)


def test_the_usual_answer_can_be_sent_in_another_way(api):
    usual = ask(api, vs_currency="usd")
    api.fault(lambda request: api.usual(request, status=203))

    changed = ask(api, vs_currency="usd")

    assert (usual.status, changed.status) == (200, 203)
    assert changed.body == usual.body
