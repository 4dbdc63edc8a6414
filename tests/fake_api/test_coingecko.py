"""The fake API keeps to what CoinGecko does; the other tests rely on that."""

import contextlib
import gzip
import threading
import time
from datetime import datetime, timedelta

import pytest

from fake_api import FakeAPI
from fake_api.api import SlidingWindow
from fake_api.coins import in_july
from tests.support.asking import AGENT, ask, ask_on, connected


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
def test_the_total_header_says_what_its_option_asks_for(market, total, sent):
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
