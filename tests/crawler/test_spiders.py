"""What a spider makes of records and answers, and what it asks for."""

import asyncio
import itertools
import json
from decimal import Decimal
from typing import Any

import pytest
from scrapy import signals
from scrapy.http import Request, Response

from coincrawl.components import extension
from coincrawl.extensions.pace import Pace
from coincrawl.extensions.progress import Progress
from coincrawl.extensions.run import RunRecord
from coincrawl.extensions.stop import Stop
from coincrawl.items import CoinPage
from coincrawl.listing import ListedCoverage
from coincrawl.pagination import PageNumber
from coincrawl.records import Record
from coincrawl.responses import Rows
from coincrawl.secret import Secret
from coincrawl.source import FIELDS
from coincrawl.spiders.base import PaginatedSpider
from coincrawl.spiders.markets import ENCODING, MarketsSpider
from coincrawl.spiders.mirror import MirrorSpider
from tests.support.spiders import answered, ids_in, make_spider, page, with_a_run_before
from webapp.coins.models import FullCoin
from webapp.coins.texts import Nested


class RenamingSpider(MarketsSpider):
    names = {"coin_id": "id", "name": "name", "image": "image.large"}


class NestingSpider(MarketsSpider):
    names = {"coin_id": "data.id", "current_price": "a.b.c"}


@pytest.mark.parametrize(
    ("record", "translated"),
    [
        ({"id": "a", "symbol": "b"}, {"coin_id": "a", "symbol": "b"}),
        ({"roi": None}, {"roi_times": None, "roi_currency": None, "roi_percentage": None}),
        (
            {"roi": {"times": 2, "currency": "usd", "percentage": 200}},
            {"roi_times": 2, "roi_currency": "usd", "roi_percentage": 200},
        ),
        ({"roi": "odd"}, {"roi_times": "odd", "roi_currency": "odd", "roi_percentage": "odd"}),
        ({"coin_id": "not its id", "roi_times": 5}, {}),
        ("no object", "no object"),
        (None, None),
    ],
    ids=["id", "null", "nested", "wrong type", "under our own name", "text", "nothing"],
)
def test_a_record_is_put_under_the_models_names(record: Any, translated: Any) -> None:
    assert MarketsSpider().translation(record) == translated


def test_a_field_may_be_found_under_its_own_name_or_inside_it() -> None:
    record = {"id": "a", "name": "A", "image": {"large": "https://x/a.png"}}

    assert RenamingSpider().translation(record) == {"coin_id": "a", "name": "A", "image": "https://x/a.png"}


@pytest.mark.parametrize(
    ("record", "price"),
    [
        ({"a": {"b": {"c": 5}}}, {"current_price": 5}),
        ({"a.b.c": 6}, {"current_price": 6}),
        ({"a": None}, {"current_price": None}),
        ({"a": {"b": "odd"}}, {"current_price": "odd"}),
        ({"a": {"b": {}}}, {}),
        ({}, {}),
    ],
    ids=["there", "one key", "null on the way", "no object on the way", "absent in it", "absent"],
)
def test_a_field_may_be_deep_inside_a_record(record: Any, price: dict[str, Any]) -> None:
    translated = NestingSpider().translation(record)

    assert {name: value for name, value in translated.items() if name == "current_price"} == price


def test_an_id_may_be_inside_a_record_too() -> None:
    assert ids_in(NestingSpider(), [{"data": {"id": "a"}}, {"data": {}}, {"data": 5}]) == ["a"]


def test_only_usable_ids_count_as_ids() -> None:
    rows = [{"id": "a"}, {"id": ""}, {"id": 5}, {"id": "n\0l"}, {"id": "x" * 256}, {}, "text", None]

    assert ids_in(MarketsSpider(), rows) == ["a"]


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [({}, True), ({"order": "id_desc", "per_page": "50"}, True), ({"pages": "1"}, False), ({"ids": "a"}, False)],
)
def test_only_arguments_that_narrow_it_make_a_run_less_than_whole(arguments: dict[str, str], whole: bool) -> None:
    assert MarketsSpider(**arguments).is_whole is whole


def records_of(item: object) -> list[Record]:
    assert isinstance(item, CoinPage)
    return item.records


def take_item() -> None:
    """Somebody who needs an item for each coin."""


@pytest.mark.parametrize(("is_ending", "taken"), [(True, 3), (False, 5)], ids=["ending", "going on"])
def test_of_a_page_only_a_few_seconds_are_taken_when_the_run_is_ending(
    is_ending: bool, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(10))
    now = next(seconds)
    monkeypatch.setattr("coincrawl.spiders.base.monotonic", lambda: now)
    spider = make_spider(MarketsSpider)
    spider.crawler.signals.connect(take_item, signals.item_scraped)
    if is_ending:
        extension(spider.crawler, Stop).begun.set()

    items = []
    for item in spider.items(spider.read([{"id": str(number)} for number in range(5)]), "1"):
        items.append(item)
        now = next(seconds)

    assert len(items) == taken


@pytest.mark.parametrize(("seconds", "number"), [(0.0, 1_000), (0.01, 200)], ids=["soon done", "slow"])
def test_when_the_run_ends_the_rest_of_a_page_that_takes_too_long_is_dropped(
    seconds: float, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count()
    monkeypatch.setattr("coincrawl.spiders.base.monotonic", lambda: 1_000 + seconds * (next(clock) // 2))
    spider = make_spider(MarketsSpider)
    spider.crawler.signals.connect(take_item, signals.item_scraped)
    extension(spider.crawler, Stop).begun.set()

    taken = list(spider.items(spider.read([{"id": "a"}] * 1_000), "1"))

    assert len(taken) == pytest.approx(number, abs=2)


def requests_for(spider: MarketsSpider) -> tuple[Request, Request, Request]:
    """What a run of the whole market asks for: a page, the list, and coins by their ids."""
    coverage = spider.coverage
    assert isinstance(coverage, ListedCoverage)
    first = coverage.begin(spider.collection)
    return first, spider._list(coverage), spider._call(coverage, ["a", "b"])


@pytest.mark.parametrize(("place", "survives"), [(0, False), (1, True), (2, False)], ids=["page", "list", "ids"])
def test_a_refusal_of_the_list_ends_no_run(place: int, survives: bool) -> None:
    spider = make_spider(MarketsSpider)

    assert spider.survives(requests_for(spider)[place], 401) is survives


@pytest.mark.parametrize(("place", "most"), [(0, 500), (1, None), (2, 2_500)], ids=["page", "list", "ids"])
@pytest.mark.parametrize("more", [0, 1])
def test_an_answer_has_ten_times_the_records_at_most_that_were_asked_for(
    place: int, most: int | None, more: int
) -> None:
    spider = make_spider(MarketsSpider, per_page="50")
    request = requests_for(spider)[place]
    body = json.dumps([{"id": "a"}] * ((most or 10_000) + more)).encode()

    judgement = spider.judge(request, Response(request.url, body=body))

    assert isinstance(judgement, Rows) is (most is None or not more)


def test_a_call_is_named_after_what_is_wanted_of_it() -> None:
    spider = make_spider(MarketsSpider)
    coverage = spider.coverage
    assert isinstance(coverage, ListedCoverage)
    coverage.note_answered(["a", "b"])
    (call,) = coverage.ask(["x", "y", "z"])

    request = spider._call(coverage, call)

    assert (request.meta["label"], request.meta["ids"]) == ("ids x to z", ["a", "b", "x", "y", "z"])
    assert request.dont_filter
    assert "ids=a,b,x,y,z" in request.url
    assert "category" not in request.url


@pytest.mark.parametrize("nameless", [[], [{"name": "no id"}]], ids=["all with an id", "one without"])
def test_what_only_the_list_names_is_asked_for_beside_what_pages_had(nameless: list[Any]) -> None:
    spider = make_spider(MarketsSpider)
    coverage = spider.coverage
    assert isinstance(coverage, ListedCoverage)
    first = coverage.begin(spider.collection)
    *_, list_ = spider.parse(answered(first, {"id": "a"}, {"id": "b"}, headers={"total": "2"}))
    rounds = spider.rounds()
    assert next(rounds) == []  # it has been asked for
    list(spider.parse_list(answered(list_, b"a", b"b", b"c", b"d", {"name": "no id"}), coverage))
    (call,) = next(rounds)
    (taken,) = spider.parse_ids(answered(call, {"id": "a"}, {"id": "b"}, {"id": "c"}, *nameless), coverage)

    assert (list_.url, list_.dont_filter) == ("https://api.example/coins/list", True)
    assert call.meta["ids"] == ["a", "b", "c", "d"]
    assert [record.raw for record in records_of(taken)] == [{"id": "c"}, *nameless]
    assert (coverage.listed, coverage.pages, coverage.answered) == (4, 3, {"a", "b", "c"})
    assert (coverage.lookup.absent, coverage.lookup.perhaps_absent) == ({"d"}, {"d"} if nameless else set())
    (again,) = next(rounds)
    others = spider.parse_ids(answered(again, *nameless), coverage)
    assert [record.raw for item in others for record in records_of(item)] == nameless
    assert [*rounds] == []
    assert coverage.lookup.absent == {"d"}
    assert ("d" in coverage.answered) is bool(nameless)


def test_before_the_list_lapsed_pages_are_asked_for_again() -> None:
    spider = make_spider(MarketsSpider, per_page="2")
    list(spider.parse(answered(spider.coverage.begin(spider.collection))))

    assert [[asked.meta.get("page")] for (asked,) in itertools.islice(spider.rounds(), 2)] == [[1], [1]]


def test_a_narrow_run_asks_for_what_its_pages_leave_unproven_and_for_no_list() -> None:
    spider = make_spider(MarketsSpider, category="x")
    list(spider.parse(answered(spider.coverage.begin(spider.collection))))
    rounds = spider.rounds()

    (again,) = next(rounds)
    list(spider.parse(answered(again)))

    assert again.meta["page"] == 1
    assert [*rounds] == []


@pytest.mark.parametrize(("coins", "expected"), [(0, 1), (18_000, 72)], ids=["first run", "later run"])
def test_a_run_expects_as_many_pages_as_the_last_complete_one_had(coins: int, expected: int) -> None:
    spider = with_a_run_before(make_spider(MarketsSpider), coins=coins)

    async def first() -> Request:
        return await anext(spider.start())

    assert asyncio.run(first()).meta["expected"] == expected


def test_each_id_in_the_list_counts_once_and_other_entries_are_noted() -> None:
    spider = make_spider(MarketsSpider)
    coverage = spider.coverage
    assert isinstance(coverage, ListedCoverage)
    (list_,) = spider._list_once(coverage)

    odd = ["text", 5, {"id": 5}, b"", "\ud800".encode(*ENCODING)]
    list(spider.parse_list(answered(list_, b"a", b"a", b"b", {"id": "c"}, Nested("{", {"id": "d"}), *odd), coverage))

    assert coverage.ask_unanswered() == [["a", "b", "c", "d"]]
    assert coverage.listed == 4
    assert "entries of /coins/list with a repeated id, or without a valid id: 6" in coverage.notes()


def test_a_list_is_compared_with_that_of_the_last_complete_run() -> None:
    spider = with_a_run_before(make_spider(MarketsSpider), coins=1, listed=1_000)
    coverage = spider.coverage
    assert isinstance(coverage, ListedCoverage)
    list(spider.first_requests())

    coverage.add_list(["a"], 1)
    coverage.ask_unanswered()

    assert coverage.doubts()[0] == "/coins/list names 1 coins, but the last complete run had 1,000"


def pages_in_all(spider: PaginatedSpider) -> int | None:
    progress = extension(spider.crawler, Progress)
    progress.record = extension(spider.crawler, RunRecord)
    return progress._pages_in_all()


@pytest.mark.parametrize(
    ("arguments", "before", "pages"),
    [
        ({}, None, 77),
        ({}, 40, 40),
        ({"per_page": "100"}, None, 188),
        ({"pages": "3"}, 40, 3),
        ({"category": "layer-1"}, None, None),
        ({"category": "layer-1"}, 4, 4),
        ({"ids": ",".join(f"{number:03}" for number in range(251))}, None, 2),
    ],
)
def test_progress_says_how_many_answers_a_run_will_ask_for(
    arguments: dict[str, str], before: int | None, pages: int | None
) -> None:
    spider = with_a_run_before(make_spider(MarketsSpider, None, **arguments), pages=before)

    assert pages_in_all(spider) == pages


def test_after_its_first_page_a_run_asks_for_as_many_as_that_says() -> None:
    spider = with_a_run_before(make_spider(MarketsSpider), pages=9)
    first = spider.coverage.begin(spider.collection)

    list(spider.parse(answered(first, {"id": "a"}, headers={"total": "500"})))

    assert pages_in_all(spider) == 2


@pytest.mark.parametrize(
    ("number", "status", "survives"),
    [(2, 404, True), (2, 410, True), (1, 404, False), (1, 410, False), (2, 401, False), (2, 403, False)],
)
def test_only_a_later_page_that_is_gone_does_not_end_the_run(number: int, status: int, survives: bool) -> None:
    assert MirrorSpider().survives(page(number), status) is survives


@pytest.mark.parametrize(
    ("number", "following"), [(1, []), (2, [5]), (17, [20]), (18, [21]), (19, []), (20, [])], ids=str
)
def test_while_a_page_waits_for_another_try_those_behind_it_are_asked_for(number: int, following: list[int]) -> None:
    spider = make_spider(MarketsSpider, per_page="50")
    spider.pagination = PageNumber(size=50, window=3)

    requests = spider.following(page(number, expected=20))

    assert [request.meta["page"] for request in requests] == following


class ListingsSpider(PaginatedSpider):
    name = "markets"  # one that is in the catalog
    url = "https://listings.example/v1/coins"
    pagination = PageNumber(size=50)


def test_a_source_is_asked_sixty_times_a_minute_if_its_spider_does_not_say_how_often() -> None:
    spider = make_spider(ListingsSpider)

    assert extension(spider.crawler, Pace).interval == pytest.approx(1.0 * Pace.MARGIN)


class EpochSpider(MarketsSpider):
    dates = "epoch_ms"


def test_a_spider_may_declare_that_its_dates_are_numbers() -> None:
    record = {"id": "a", "last_updated": Decimal(1782892800123), "ath_date": "1782892800000", "name": "1782892800000"}

    assert EpochSpider().translation(record) == {
        "coin_id": "a",
        "last_updated": "2026-07-01T08:00:00.123000+00:00",
        "ath_date": "2026-07-01T08:00:00+00:00",
        "name": "1782892800000",
    }


@pytest.mark.parametrize("usual", [{}, {"market_cap_rank_with_rehypothecated": 0.0}], ids=["never", "never a value"])
def test_a_field_that_is_new_is_missed_where_it_has_been_sent(usual: dict[str, float]) -> None:
    name, fields = "market_cap_rank_with_rehypothecated", [field.name for field in FullCoin.api_fields()]

    assert MarketsSpider().expected_fields(usual) == [field for field in fields if field != name]
    assert MarketsSpider().expected_fields({name: 0.01}) == fields


def test_of_a_source_that_nobody_has_described_only_what_it_has_sent_is_missed() -> None:
    assert MirrorSpider().expected_fields({}) == []
    assert MirrorSpider().expected_fields({"name": 1.0, "ath": 0.0, "coin_id": 1.0}) == ["coin_id", "name"]


class PageSpider(MarketsSpider):
    names = {"coin_id": "id", "name": "attributes.name", "symbol": "attributes.symbol", "ath": "a.b.ath"}


@pytest.mark.parametrize(
    ("fields", "called"),
    [
        ({"name"}, {"attributes.name"}),
        ({"name", "symbol", "coin_id"}, {"attributes", "id"}),
        ({"ath", "atl"}, {"a", "atl"}),
        (set(), set()),
    ],
)
def test_fields_are_called_as_the_source_calls_them_or_the_object_that_has_no_others(
    fields: set[str], called: set[str]
) -> None:
    assert PageSpider().translation.names_of(fields, [field.name for field in FIELDS]) == called


class PriceSpider(MarketsSpider):
    fields = ("coin_id", "current_price")


def test_a_spider_may_declare_the_fields_that_its_source_has() -> None:
    assert PriceSpider().expected_fields({}) == ["coin_id", "current_price"]


@pytest.mark.parametrize(
    ("secret", "headers"),
    [
        (Secret("K", header="X-Api-Key"), {"X-Api-Key": "the-key"}),
        (Secret("K", word="Bearer"), {"Authorization": "Bearer the-key"}),
    ],
)
def test_a_secret_is_sent_in_its_header(secret: Secret, headers: dict[str, str]) -> None:
    assert (secret.headers("the-key"), secret.headers("")) == (headers, {})
