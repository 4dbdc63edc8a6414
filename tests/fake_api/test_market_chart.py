"""The fake API answers for a coin's past prices as CoinGecko does."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from fake_api import Answer, FakeAPI, Market, Number, answers
from fake_api.coins import START
from fake_api.history import EMPTY, EPOCH, FIRST, milliseconds
from tests.support.asking import AGENT, Reply, ask

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def chart(api: FakeAPI, coin_id: str = "bitcoin", **params: Any) -> Reply:
    return ask(api, f"/coins/{coin_id}/market_chart", **params)


def times(reply: Reply) -> list[datetime]:
    return [EPOCH + timedelta(milliseconds=ms) for ms, _ in reply.json["prices"]]


@pytest.mark.parametrize(
    ("params", "count", "step"),
    [
        pytest.param({"days": 0.5}, 145, 5 * MINUTE, id="half a day"),
        pytest.param({"days": 1}, 289, 5 * MINUTE, id="a day"),
        pytest.param({"days": 2}, 49, HOUR, id="two days"),
        pytest.param({"days": 90}, 2161, HOUR, id="ninety days"),
        pytest.param({"days": 91}, 92, DAY, id="more"),
        pytest.param({"days": 365}, 366, DAY, id="a year"),
        pytest.param({"days": 14, "interval": "daily"}, 15, DAY, id="daily"),
        pytest.param({"days": 1, "interval": "hourly"}, 25, HOUR, id="hourly"),
        pytest.param({"days": 365, "interval": "hourly"}, 2401, HOUR, id="hourly up to 100 days"),
        pytest.param({"days": 2, "interval": "15min"}, 49, HOUR, id="unknown interval"),
    ],
)
def test_how_many_days_are_asked_for_decides_how_dense_the_points_are(
    api: FakeAPI, params: dict[str, Any], count: int, step: timedelta
) -> None:
    reply = chart(api, **params)

    at = times(reply)
    assert (reply.status, len(at)) == (200, count)
    assert abs((at[-2] - at[-3]) - step) < timedelta(seconds=10)


def test_a_chart_comes_with_the_usual_headers_and_packed(api: FakeAPI) -> None:
    reply = chart(api, days=90, headers=AGENT | {"accept-encoding": "gzip"})

    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    assert reply.headers["content-encoding"] == "gzip"
    assert not {"total", "per-page"} & set(reply.headers)


@pytest.mark.parametrize(
    ("coin_id", "params", "status", "error"),
    [
        pytest.param("no-such-coin", {"days": 1}, 404, "coin not found", id="unknown coin"),
        pytest.param("ghost-0", {"days": 1}, 404, "coin not found", id="listed and not on the market"),
        pytest.param("bitcoin", {"days": 1, "vs_currency": ""}, 422, "Missing parameter vs_currency", id="no currency"),
        pytest.param("bitcoin", {"days": 1, "vs_currency": "usdt"}, 400, "invalid vs_currency", id="wrong currency"),
        pytest.param("bitcoin", {}, 422, "Missing parameter days", id="no days"),
        *[
            pytest.param("bitcoin", {"days": days}, 400, "invalid days", id=f"days {days}")
            for days in ("many", "-1", "0", "nan", "inf")
        ],
    ],
)
def test_a_senseless_request_for_a_chart_is_refused(
    api: FakeAPI, coin_id: str, params: dict[str, Any], status: int, error: str
) -> None:
    reply = chart(api, coin_id, **params)

    assert (reply.status, reply.json) == (status, {"error": error})


@pytest.mark.parametrize("days", [365.5, 366, "max"])
def test_more_than_365_days_need_a_paid_plan(market: Market, days: object) -> None:
    with FakeAPI(market) as free, FakeAPI(market, plan="pro", key="secret") as paid:
        refused = chart(free, days=days)
        reply = chart(paid, days=days, headers=AGENT | {"x-cg-pro-api-key": "secret"})

    status = refused.json["error"]["status"]
    assert (refused.status, list(refused.json), status["error_code"]) == (401, ["error"], 10012)
    assert status["timestamp"] == "2026-02-05T12:00:00.000+00:00"
    assert status["error_message"].startswith("Your request exceeds the allowed time range. Public API users are")
    assert reply.status == 200
    if days == "max":
        assert times(reply)[0] == FIRST


def test_five_minutes_cannot_be_asked_for_without_an_enterprise_plan(api: FakeAPI) -> None:
    reply = chart(api, days=1, interval="5m")

    assert (reply.status, reply.json["status"]["error_code"]) == (401, 10005)


def test_an_id_may_have_to_be_quoted(api: FakeAPI) -> None:
    api.market.add({"id": "0-5x / ü", "current_price": Number("2.5")})

    reply = chart(api, quote("0-5x / ü", safe=""), days=1, interval="daily")

    assert [price for _, price in reply.json["prices"]] == [2.5, 2.5]


@pytest.mark.parametrize(("precision", "price"), [("2", 0.12), ("full", 0.12345), ("", 0.12345), ("two", 0.12345)])
def test_prices_are_rounded_where_precision_is_a_number(api: FakeAPI, precision: str, price: float) -> None:
    api.market.add({"id": "new", "current_price": Number("0.12345")})

    reply = chart(api, "new", days=1, interval="daily", precision=precision)

    assert {value for _, value in reply.json["prices"]} == {price}


# What a test may do.


@pytest.mark.parametrize(
    ("given", "body"),
    [
        pytest.param((), '{"prices":[],"market_caps":[],"total_volumes":[]}', id="empty"),
        pytest.param(
            (EMPTY | {"prices": [[milliseconds(START), Number("1.50e-18")], [1, None]]},),
            '{"prices":[[1770292800000,1.50e-18],[1,null]],"market_caps":[],"total_volumes":[]}',
            id="points of its own",
        ),
        pytest.param(('{"prices":[[',), '{"prices":[[', id="text"),
    ],
)
def test_a_chart_can_be_given(api: FakeAPI, given: tuple[Any, ...], body: str) -> None:
    api.market.chart("bitcoin", *given)

    assert chart(api, days=30).body.decode() == body
    assert len(chart(api, "ethereum", days=30).json["prices"]) == 721


def test_a_fault_can_meet_one_coins_chart_alone(api: FakeAPI) -> None:
    api.fault(answers.rate_limited(), path="/coins/bitcoin/market_chart")
    api.fault(Answer(500), path="/coins/tether/market_chart", after=1)
    api.fault({"days": 2}, path="/coins/weth/market_chart")

    coins = ("ethereum", "bitcoin", "bitcoin", "tether", "tether", "weth")
    replies = [chart(api, coin_id, days=1) for coin_id in coins]

    assert [reply.status for reply in replies] == [200, 429, 200, 200, 500, 200]
    assert len(replies[-1].json["prices"]) == 49
