"""The fake of an API with `next` links keeps to what such APIs do; the tests of the mirror rely on that."""

import contextlib
import http.client
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest

from fake_api import LinkedAPI, Market, answers
from fake_api.linked import ABSENT, FORMS, HEADER, ODD_QUERY, as_asked
from webapp.coins.models import FullCoin


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    json: Any

    @property
    def ids(self) -> list[str]:
        return [record["coin_id"] for record in self.json["results"]]


def ask(api: LinkedAPI, target: str = "", **headers: str) -> Reply:
    """One request: for a query, for the target of a link, or for the first page."""
    target = target if target.startswith("/") else api.base + target
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        body = response.read()
        return Reply(response.status, response.headers, json.loads(body) if body else None)


def follow(api: LinkedAPI, target: str = "", most: int = 9) -> list[Reply]:
    """The pages from there on, by the links in their bodies."""
    pages: list[Reply] = []
    link: Any = urljoin(api.url, target)
    while link and len(pages) < most:
        parts = urlsplit(link)
        pages.append(ask(api, as_asked(f"{parts.path}?{parts.query}")))
        link = pages[-1].json["next"] and urljoin(link, pages[-1].json["next"])
    return pages


def moment(date: str | None) -> datetime | None:
    return datetime.fromisoformat(date) if date else None


@pytest.fixture
def market() -> Market:
    return Market(coins=50)


@pytest.fixture
def api(market: Market) -> Iterator[LinkedAPI]:
    with LinkedAPI(market, page_size=20) as api:
        yield api


# Records.


def test_records_have_all_fields_of_the_model(api):
    assert {tuple(sorted(record)) for record in ask(api).json["results"]} == {
        tuple(sorted(field.name for field in FullCoin._meta.concrete_fields if field.name not in FullCoin.INTERNAL))
    }


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("1e-18", "0.000000000000000001"),
        ("1e+25", "10000000000000000000000000"),
        ("1.0", "1"),
        ("-0.00", "0"),
        ("100", "100"),
        ("-1.50", "-1.5"),
        ("9999999999999999999999999.0", "9999999999999999999999999"),
    ],
)
def test_numbers_are_texts_with_all_digits_and_no_padding(market, sent, shown):
    market.add(f'{{"id": "a", "current_price": {sent}, "market_cap_rank": 7, "image": "none.png"}}')

    with LinkedAPI(market) as api:
        record = api.records["a"]

    assert record["current_price"] == shown
    assert (record["market_cap_rank"], record["image"]) == (7, None)


def test_every_value_is_the_markets(api, market):
    for record in ask(api, "?page_size=50").json["results"]:
        sent = market.record(record["coin_id"])
        assert (record["symbol"], record["name"]) == (sent["symbol"], sent["name"])
        assert (record["ath_date"] or "Z").endswith("Z")
        assert moment(record["ath_date"]) == moment(sent["ath_date"])
        for name in ("current_price", "total_supply", "atl_change_percentage"):
            assert Decimal(record[name]) == Decimal(sent[name])
        assert record["roi_times"] == (sent["roi"] and str(sent["roi"]["times"]))


def test_a_record_can_be_given_other_names(market):
    with LinkedAPI(market, record=lambda coin: {"id": coin["coin_id"], "price_usd": coin["current_price"]}) as api:
        assert ask(api, "?page_size=1").json["results"][0].keys() == {"id", "price_usd"}


# What comes, changes and goes.


def test_changed_since_lists_what_has_come_changed_or_left_from_then_on(api, market):
    gone, *_ = market.ids
    api.later(minutes=60)
    market.replace("tether", '{"id": "tether", "current_price": 1.1}')
    market.remove(gone)
    market.add('{"id": "newcomer"}')
    since = "2026-02-05T13:00:00Z"
    api.later(minutes=60)

    changed = ask(api, f"?changed_since={since}")

    assert changed.ids == sorted([gone, "newcomer", "tether"])
    assert changed.json["count"] == 3
    assert {record["changed_at"] for record in changed.json["results"]} == {since}
    assert [r["missing_since"] for r in changed.json["results"]] == [since if i == gone else None for i in changed.ids]


def test_a_coin_that_returns_is_missing_no_more(api, market):
    bitcoin = market.text("bitcoin")
    market.remove("bitcoin")
    left = api.records["bitcoin"]
    api.later(minutes=60)

    market.add(bitcoin)

    returned = api.records["bitcoin"]
    assert (left["missing_since"], left["changed_at"]) == ("2026-02-05T12:00:00Z", "2026-02-05T12:00:00Z")
    assert (returned["missing_since"], returned["changed_at"]) == (None, "2026-02-05T13:00:00Z")
    assert returned["first_seen_at"] == "2026-02-05T12:00:00Z"


def test_a_forgotten_coin_is_listed_no_more(api, market):
    market.remove("bitcoin")

    api.forget("bitcoin")
    api.forget("tether")

    assert not {"bitcoin", "tether"} & set(ask(api, "?page_size=50").ids)


def test_advancing_the_market_moves_every_coin_and_the_clock(api, market):
    market.advance(minutes=5)

    changed = ask(api, "?changed_since=2026-02-05T12:05:00Z")

    assert changed.json["count"] == 50


# Pages and links.


@pytest.mark.parametrize("keyset", [True, False])
def test_the_links_lead_through_all_coins_in_the_order_of_ids(market, keyset):
    with LinkedAPI(market, page_size=20, keyset=keyset) as api:
        pages = follow(api, "?page_size=15&changed_since=2026-01-01T00%3A00%3A00Z")

    assert [coin_id for page in pages for coin_id in page.ids] == market.ids
    assert [(page.json["count"], len(page.ids)) for page in pages] == [(50, 15)] * 3 + [(50, 5)]
    assert api.targets[1:] == api.linked
    assert all("page_size=15&" in target for target in api.targets)
    assert all(("after=" in target) == keyset for target in api.linked)
    assert [dict(parse_qsl(target)).get("page") for target in api.targets] == [None, "2", "3", "4"]
    assert pages[0].json["previous"] is None
    assert "page=1" in pages[1].json["previous"]


def test_no_row_is_lost_while_others_come_and_go(api, market):
    first = ask(api)
    api.forget(first.ids[3])

    second = ask(api, urlsplit(first.json["next"])._replace(scheme="", netloc="").geturl())

    assert second.ids == market.ids[19:39]


@pytest.mark.parametrize("form", sorted(set(FORMS) - {"http"}))
def test_each_form_of_a_link_leads_to_the_same_page(market, form):
    with LinkedAPI(market, page_size=20, form=form, query=ODD_QUERY + "é") as api:
        pages = follow(api)

    assert [coin_id for page in pages for coin_id in page.ids] == market.ids
    assert api.targets[1:] == api.linked
    assert api.linked[0].endswith(ODD_QUERY.replace("[]|", "%5B%5D%7C%C3%A9"))


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("absolute", "http://127.0.0.1:{}/api/coins/?"),
        ("path", "/api/coins/?"),
        ("query", "?page=2"),
        ("relative", "../coins/?"),
        ("network", "//127.0.0.1:{}/api/coins/?"),
        ("http", "http://127.0.0.1:{}/api/coins/?"),
        ("capitals", "HTTP://127.0.0.1:{}/api/coins/?"),
    ],
)
def test_a_link_is_written_as_asked(market, form, start):
    with LinkedAPI(market, page_size=20, form=form) as api:
        link = ask(api).json["next"]

    assert link.startswith(start.format(urlsplit(api.url).port))


def test_a_target_that_arrives_changed_is_noticed(market):
    with LinkedAPI(market, page_size=20, query="a=%2C") as api:
        first = ask(api)
        ask(api, f"?{urlsplit(first.json['next']).query.replace('%2C', ',')}")

    assert api.targets[1:] != api.linked


@pytest.mark.parametrize(
    ("at", "keys"),
    [
        ({"rows_at": ("data", "items"), "link_at": ("links", "next")}, {"data", "links", "count", "previous"}),
        ({"rows_at": "value", "link_at": "@odata.nextLink"}, {"value", "@odata.nextLink", "count", "previous"}),
        ({"count_at": ABSENT}, {"results", "next", "previous"}),
        ({"count_at": ("page", "count"), "link_at": ("page", "next")}, {"results", "page", "previous"}),
    ],
    ids=["nested", "dots in the key", "no count", "one object"],
)
def test_rows_link_and_count_stand_where_the_options_put_them(market, at, keys):
    with LinkedAPI(market, **at) as api:
        assert ask(api).json.keys() == keys


def test_the_link_may_stand_in_one_header_of_several_and_the_rows_in_a_bare_list(market):
    with LinkedAPI(market, page_size=20, rows_at=(), link_at=HEADER, query="a=1,2") as api:
        first, last = ask(api), ask(api, "?page=3")

    before, here, after = first.headers.get_all("link", [])
    assert len(first.json) == 20
    assert here.startswith(f"<{api.url}?page=2&after=")
    assert here.endswith('&a=1,2>; title="rel=next, not last"; rel="next"')
    assert ('rel="first"' in before, 'rel="last"' in after) == (True, True)
    assert not any(link.endswith('rel="next"') for link in last.headers.get_all("link", []))


@pytest.mark.parametrize("end", [None, False, "", ABSENT], ids=["null", "false", "empty", "absent"])
def test_the_last_page_may_say_in_several_ways_that_it_is_the_last(market, end):
    with LinkedAPI(market, end=end) as api:
        assert ask(api).json.get("next", ABSENT) is end or end == ""


@pytest.mark.parametrize("value", [17, ["a"], {"a": 1}, True, None, "x" * 100_000, "\r\n\0\ud800", ABSENT])
def test_a_hook_answers_anything_in_the_place_of_a_link_or_a_count(market, value):
    instead = lambda page, usual: value if page == 2 else usual  # noqa: E731 - it is one hook for both
    with LinkedAPI(market, page_size=20, link=instead, count=instead) as api:
        first, second = ask(api), ask(api, "?page=2")

    assert first.json["count"] == 50
    assert first.json["next"].startswith(api.url)
    assert len(api.linked) == 1
    assert (second.json.get("next", ABSENT), second.json.get("count", ABSENT)) == (value, value)


def test_hooks_can_empty_a_page_and_lead_on_for_ever(market):
    numbers = itertools.count(2)
    hooks: dict[str, Any] = {
        "rows": lambda page, usual: [] if page == 3 else usual,
        "link": lambda *_: f"?page={next(numbers)}&page_size=9",
    }
    with LinkedAPI(market, **hooks) as api:
        pages = follow(api, most=4)

    assert [len(page.ids) for page in pages] == [50, 9, 0, 9]


# What it demands.


@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        ("?page=4", 404, {"detail": "Invalid page."}),
        ("?page=0", 404, {"detail": "Invalid page."}),
        ("?page=x", 404, {"detail": "Invalid page."}),
        ("/api/runs/", 404, {"detail": "Not found."}),
        ("?changed_since=yesterday", 400, {"changed_since": ["Enter a valid date/time."]}),
        ("?changed_since=2026-02-05T12:00:00+00:00", 400, {"changed_since": ["Enter a valid date/time."]}),
        ("?changed_since=2026-02-05T12:00:00", 400, {"changed_since": ["Enter a valid date/time."]}),
        ("/api/coins", 301, None),
    ],
)
def test_what_cannot_be_asked_is_refused(api, target, status, body):
    reply = ask(api, target)

    assert (reply.status, reply.json) == (status, body)


@pytest.mark.parametrize(("strict", "status", "count"), [(False, 200, 30), (True, 400, None)])
def test_a_page_holds_no_more_than_the_most(market, strict, status, count):
    with LinkedAPI(market, max_page_size=30, strict=strict) as api:
        reply = ask(api, "?page_size=31")

    assert (reply.status, len(reply.json["results"]) if count else None) == (status, count)


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        ({"authorization": "Bearer secret"}, 200, None),
        ({"authorization": "Token secret"}, 401, "Invalid token."),
        ({"authorization": "Bearer other"}, 401, "Invalid token."),
        ({}, 401, "Authentication credentials were not provided."),
    ],
)
def test_it_asks_for_its_token_under_its_word(market, sent, status, words):
    with LinkedAPI(market, token="secret", word="Bearer") as api:
        reply = ask(api, **sent)

    assert (reply.status, reply.json.get("detail")) == (status, words)
    assert reply.headers["www-authenticate"] == (words and "Bearer")


def test_a_client_that_asks_too_often_gets_a_429_with_a_time(market):
    with LinkedAPI(market, calls_per_minute=1) as api:
        ask(api)
        reply = ask(api)

    seconds = int(reply.headers["retry-after"])
    assert (reply.status, 0 < seconds <= 60) == (429, True)
    assert reply.json == {"detail": f"Request was throttled. Expected available in {seconds} seconds."}


def test_faults_go_to_pages_as_they_do_with_coingeckos(api):
    api.fault(answers.SERVER_ERROR, page=2)

    assert [ask(api, f"?page={page}").status for page in (1, 2, 2)] == [200, 500, 200]
    assert [request.status for request in api.requests] == [200, 500, 200]
