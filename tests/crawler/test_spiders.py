"""What spiders make of a record, before anything is checked."""

import asyncio
import itertools
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from scrapy.http import Request, Response
from scrapy.settings import Settings

from coincrawl.pagination import PageNumber
from coincrawl.responses import Rows
from coincrawl.secret import Secret
from coincrawl.spiders import base
from coincrawl.spiders.base import Ending
from coincrawl.spiders.markets import MarketsSpider
from coincrawl.spiders.mirror import MirrorSpider, newest
from webapp.coins.models import FullCoin
from webapp.crawls.models import Verdict


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
    assert MarketsSpider().translate(record) == translated


def test_a_field_may_be_found_under_its_own_name_or_inside_it() -> None:
    record = {"id": "a", "name": "A", "image": {"large": "https://x/a.png"}}

    assert RenamingSpider().translate(record) == {"coin_id": "a", "name": "A", "image": "https://x/a.png"}


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
    translated = NestingSpider().translate(record)

    assert {name: value for name, value in translated.items() if name == "current_price"} == price


def test_an_id_may_be_inside_a_record_too() -> None:
    assert list(NestingSpider().ids([{"data": {"id": "a"}}, {"data": {}}, {"data": 5}])) == ["a"]


def test_only_usable_ids_count_as_ids() -> None:
    rows = [{"id": "a"}, {"id": ""}, {"id": 5}, {"id": "n\0l"}, {"id": "x" * 256}, {}, "text", None]

    assert list(MarketsSpider().ids(rows)) == ["a"]


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [({}, True), ({"order": "id_desc", "per_page": "50"}, True), ({"pages": "1"}, False), ({"ids": "a"}, False)],
)
def test_only_arguments_that_narrow_it_make_a_run_less_than_whole(arguments: dict[str, str], whole: bool) -> None:
    assert MarketsSpider(**arguments).whole is whole


@pytest.mark.parametrize(
    ("listed", "held", "answered", "before", "fault"),
    [
        (1_000, 990, 1_000, None, ""),
        (1_000, 989, 1_000, None, "/coins/list names only 989 of the 1,000 coins that pages had"),
        (900, 900, 900, 1_000, ""),
        (899, 899, 899, 1_000, "/coins/list names 899 coins, where the last complete run had 1,000"),
        (5, 0, 0, None, ""),
        (0, 0, 0, None, "/coins/list has no entry with an id"),
        (100_000, 1, 1, None, ""),
        (100_001, 1, 1, None, "/coins/list names 100,001 coins, which is not believed"),
    ],
)
def test_a_list_names_the_whole_market_or_it_is_said_why_not(
    listed: int, held: int, answered: int, before: int | None, fault: str
) -> None:
    spider: Any = MarketsSpider()
    previous = before and SimpleNamespace(listed=before, coins=1)
    spider.crawler = SimpleNamespace(get_extension=lambda kind: SimpleNamespace(previous=previous))
    spider.answered.update(map(str, range(answered)))
    spider.listed, spider.unanswered = listed, {f"coin-{number}" for number in range(listed - held)}

    spider._compare()

    assert spider.list_fault == fault
    assert len(spider.unanswered) == (0 if "not believed" in fault else listed - held)


@pytest.mark.parametrize(("is_ending", "taken"), [(True, 3), (False, 5)], ids=["ending", "going on"])
def test_of_a_page_only_a_few_seconds_are_taken_when_the_run_is_ending(
    is_ending: bool, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(10))
    now = next(seconds)
    monkeypatch.setattr("coincrawl.spiders.base.monotonic", lambda: now)
    spider: Any = MarketsSpider()
    parts = SimpleNamespace(look_at=lambda records, page: None, begun=SimpleNamespace(is_set=lambda: is_ending))
    spider.crawler = SimpleNamespace(get_extension=lambda kind: parts)

    items = []
    for item in spider.items([{"id": str(number)} for number in range(5)], "1"):
        items.append(item)
        now = next(seconds)

    assert len(items) == taken


def test_the_first_end_of_a_run_counts_and_stops_what_waits() -> None:
    async def end() -> tuple[Any, bool]:
        stop = SimpleNamespace(begun=asyncio.Event())
        engine = SimpleNamespace(close_spider_async=lambda reason: asyncio.sleep(0))
        spider: Any = MarketsSpider()
        spider.crawler = SimpleNamespace(get_extension=lambda kind: stop, engine=engine)
        spider.end(Verdict.PARTIAL, "first")
        spider.end(Verdict.FAILED, "second")
        await spider.closing
        return spider.ending, stop.begun.is_set()

    assert asyncio.run(end()) == (Ending(Verdict.PARTIAL, "first"), True)


def test_the_list_counts_each_id_once() -> None:
    spider = MarketsSpider()
    entries: list[Any] = [("a",), ("a",), ("b",), {"name": "no id"}]

    spider.parse_list(
        Response("https://api.example", request=Request("https://api.example", meta={"answer": Rows(entries)}))
    )

    assert (spider.listed, spider.unanswered, spider.pages) == (2, {"a", "b"}, 1)
    assert spider.notes_on_list == ["entries of /coins/list that repeat an id, or have none that can be one: 2"]


def test_what_keeps_a_run_of_ids_from_being_complete() -> None:
    spider: Any = MarketsSpider(ids="a,b")
    spider.settings = Settings({"BASE_API_URL": "https://api.example", "VS_CURRENCY": "usd"})
    spider.broken.append("ids c to d stayed broken")
    (call,) = spider.lookup.ask(["a", "b"])
    spider.lookup.add(call, [], 0)

    assert spider.doubts() == ["ids c to d stayed broken", "2 ids had no answer in 1 round of asking"]


UNSOUND = "no coin was marked missing, because not all pages came as they should"


@pytest.mark.parametrize(
    ("fault", "broken", "doubts", "notes"),
    [
        ("", [], [], ["page 1 was not read", UNSOUND]),
        ("a fault of the list", [], ["a fault of the list", "page 1 was not read"], [UNSOUND]),
        ("", ["ids a to b stayed broken"], ["ids a to b stayed broken", "page 1 was not read"], [UNSOUND]),
    ],
    ids=["proven", "list", "ids"],
)
def test_trouble_with_pages_is_a_note_where_the_list_proves_the_market_and_else_a_doubt(
    fault: str, broken: list[str], doubts: list[str], notes: list[str]
) -> None:
    spider = MarketsSpider()
    spider.list_fault, spider.broken = fault, broken

    assert (spider.doubts(), spider.notes()) == (doubts, notes)


def whole(**arguments: str) -> Any:
    """A spider that has read its pages to the end, and the whole market of two coins."""
    spider: Any = MarketsSpider(**arguments)
    spider.settings = Settings({"BASE_API_URL": "https://api.example", "VS_CURRENCY": "usd"})
    spider.coverage.begin("https://api.example")
    for request, ids in (page(1, expected=1), ["a", "b"]), (page(2, expected=1), []):
        response = Response(request.url, headers={"total": "2"})
        spider.coverage.add(request, response, Rows([{"id": coin_id} for coin_id in ids]), ids)
    spider.list_fault, spider.listed = "", 2
    return spider


def test_of_a_whole_market_whose_pages_are_sound_what_is_not_there_is_missing() -> None:
    assert whole().present == {"a", "b"}
    assert whole(pages="1").present is None
    unsound = whole()
    unsound.coverage.give_up(page(3, expected=1), "page 3 stayed broken")
    assert unsound.present is None


@pytest.mark.parametrize(
    ("arguments", "absent", "proof", "notes"),
    [
        ({}, [], "/coins/list names 2 coins, and each was returned or is not on the market", []),
        (
            {},
            ["c"],
            "/coins/list names 2 coins, and each was returned or is not on the market",
            ["not on the market, though /coins/list names them: 1 id"],
        ),
        ({"ids": "a,b"}, [], "each of these coins was returned", []),
        (
            {"ids": "a,b,c"},
            ["c"],
            "each of these coins was returned, or was in neither of two answers",
            ["not on the market: c"],
        ),
        ({"category": "x"}, [], "the API counts 2 records, and as many different ones came", []),
    ],
    ids=["whole", "whole but one", "ids", "ids but one", "narrow"],
)
def test_what_proves_a_run_and_what_it_notes(
    arguments: dict[str, str], absent: list[str], proof: str, notes: list[str]
) -> None:
    spider = whole(**arguments)
    known: list[str] = []
    while absent and (calls := spider.lookup.again(known) if known else spider.lookup.ask(absent, ["a", "b"])):
        known = ["a", "b"]
        for call in calls:
            spider.lookup.add(call, set(call) & {"a", "b"}, 0)

    assert (spider.doubts(), spider.proof(), spider.notes()) == ([], proof, notes)


@pytest.mark.parametrize(
    ("request_", "status", "survives"),
    [
        (Request("https://api.example", meta={"label": "/coins/list"}), 401, True),
        (Request("https://api.example", meta={"label": "ids a to b", "ids": ["a", "b"]}), 401, False),
        (Request("https://api.example", meta={"page": 2}), 410, True),
        (Request("https://api.example", meta={"page": 2}), 401, False),
    ],
    ids=["list", "ids", "a page that is gone", "page"],
)
def test_a_refusal_of_the_list_ends_no_run(request_: Request, status: int, survives: bool) -> None:
    assert MarketsSpider().survives(request_, status) is survives


def test_a_call_is_named_after_what_is_wanted_of_it() -> None:
    spider = whole()
    (call,) = spider.lookup.ask(["x", "y", "z"], ["a", "b"])

    request = spider._call(call)

    assert (request.meta["label"], request.meta["ids"]) == ("ids x to z", ["a", "b", "x", "y", "z"])
    assert request.dont_filter
    assert "ids=a,b,x,y,z" in request.url
    assert "category" not in request.url


def test_what_is_doubtful_or_narrow_is_said_to_be_missing_nowhere() -> None:
    spider = whole(ids="a,b,c")
    (call,) = spider.lookup.ask(["c"], ["a", "b"])
    spider.lookup.add(call, [], 0)
    narrow = whole(category="x")
    narrow.coverage.give_up(page(3, expected=1), "page 3 stayed broken")

    assert (bool(spider.doubts()), spider.notes()) == (True, [])
    assert narrow.notes() == []


def answered(request: Request, *rows: Any) -> Response:
    return Response(request.url, request=request.replace(meta=request.meta | {"answer": Rows([*rows])}))


@pytest.mark.parametrize("nameless", [[], [{"name": "no id"}]], ids=["all with an id", "one without"])
def test_what_only_the_list_names_is_asked_for_beside_what_pages_had(nameless: list[Any]) -> None:
    spider = whole()
    spider.list_fault = "not compared"
    parts = SimpleNamespace(
        previous=None, look_at=lambda records, page: None, begun=SimpleNamespace(is_set=lambda: False)
    )
    spider.crawler = SimpleNamespace(get_extension=lambda kind: parts)
    rounds = spider.rounds()

    (list_,) = next(rounds)
    spider.parse_list(answered(list_, ("a",), ("b",), ("c",), ("d",)))
    (call,) = next(rounds)
    items = list(spider.parse_ids(answered(call, {"id": "a"}, {"id": "b"}, {"id": "c"}, *nameless)))

    assert (list_.url, list_.dont_filter) == ("https://api.example/coins/list", True)
    assert call.meta["ids"] == ["a", "b", "c", "d"]
    assert [item["record"] for item in items] == [{"id": "c"}, *nameless]
    assert (spider.list_fault, spider.pages, spider.answered) == ("", 2, {"a", "b", "c"})
    assert (spider.lookup.absent, spider.lookup.perhaps_absent) == ({"d"}, {"d"} if nameless else set())
    (again,) = next(rounds)
    assert len(list(spider.parse_ids(answered(again, *nameless)))) == len(nameless)
    assert [*rounds] == []
    assert spider.lookup.absent == {"d"}
    assert ("d" in spider.answered) is bool(nameless)


def test_before_the_list_lapsed_pages_are_asked_for_again() -> None:
    spider: Any = MarketsSpider(per_page="2")
    spider.settings = Settings({"BASE_API_URL": "https://api.example", "VS_CURRENCY": "usd"})
    request = spider.coverage.begin("https://api.example")
    spider.coverage.add(request, Response(request.url), Rows([]), [])

    assert [[asked.meta.get("page")] for (asked,) in itertools.islice(spider.rounds(), 2)] == [[1], [1]]


def test_a_narrow_run_asks_for_what_its_pages_leave_unproven_and_for_no_list() -> None:
    spider: Any = MarketsSpider(category="x")
    request = spider.coverage.begin("https://api.example")
    spider.coverage.add(request, Response(request.url), Rows([]), [])

    (again,) = next(spider.rounds())
    spider.coverage.add(again, Response(again.url), Rows([]), [])

    assert again.meta["page"] == 1
    assert [*spider.rounds()] == []


def test_what_came_to_nothing_is_a_doubt_of_pages_or_of_all_else() -> None:
    spider = MarketsSpider()

    assert [*spider.go_without(page(2, expected=2), "page 2 stayed broken")] != []
    assert [*spider.go_without(Request("https://api.example"), "the list stayed broken")] == []

    assert spider.coverage.doubts()[0] == "page 2 stayed broken"
    assert spider.broken == ["the list stayed broken"]


@pytest.mark.parametrize(
    ("total", "doubt"),
    [("3", ""), ("4", "of 4 by the pages' own count"), ("", "of 5 by the pages' number and size")],
    ids=["as many as are counted", "fewer", "no count"],
)
def test_a_broken_page_of_the_whole_market_lacks_coins_by_its_count_or_by_its_size(total: str, doubt: str) -> None:
    spider = MarketsSpider(per_page="2")
    request = spider.coverage.begin("https://api.example")
    for number, ids in (1, ["a", "b"]), (3, ["c"]):
        numbered = request.replace(meta={"page": number, "expected": 1})
        rows = Rows([{"id": coin_id} for coin_id in ids])
        spider.coverage.add(numbered, Response(request.url, headers={"total": total}), rows, ids)
    spider.coverage.give_up(request.replace(meta={"page": 2, "expected": 1}), "page 2 stayed broken")
    spider.list_fault = ""

    assert spider.doubts()[:1] == ([f"pages and /coins/list have 3 coins, {doubt}"] if doubt else [])


@pytest.mark.parametrize(
    ("answered", "note"),
    [(600, "the API counts more coins than came"), (601, "")],
    ids=["fewer than are counted", "as many"],
)
def test_no_coin_is_missing_where_the_pages_count_speaks_of_more(answered: int, note: str) -> None:
    spider = MarketsSpider(per_page="250")
    request = spider.coverage.begin("https://api.example")
    response = Response(request.url, headers={"total": "601"})
    ids = [f"coin-{number}" for number in range(10)]
    spider.coverage.add(request, response, Rows([{"id": coin_id} for coin_id in ids]), ids)
    spider.coverage.add(request.replace(meta={"page": 2, "expected": 2}), response, Rows([]), [])
    spider.answered.update(f"coin-{number}" for number in range(answered))

    assert (spider.present is None) is bool(note)
    assert spider.notes()[-1:] == ([f"no coin was marked missing, because {note}"] if note else [])


def test_without_a_list_nothing_is_compared() -> None:
    spider: Any = MarketsSpider()
    spider.crawler = SimpleNamespace(get_extension=lambda kind: SimpleNamespace(previous=None))

    spider._compare()

    assert spider.list_fault == "without /coins/list nothing proves that this is the whole market"


@pytest.mark.parametrize(("coins", "expected"), [(None, 1), (18_000, 72)], ids=["first run", "later run"])
def test_a_run_expects_as_many_pages_as_the_last_complete_one_had(coins: int | None, expected: int) -> None:
    spider: Any = MarketsSpider()
    spider.settings = Settings({"BASE_API_URL": "https://api.example", "VS_CURRENCY": "usd"})
    previous = coins and SimpleNamespace(coins=coins)
    spider.crawler = SimpleNamespace(get_extension=lambda kind: SimpleNamespace(previous=previous))

    async def first() -> Request:
        return await anext(spider.start())

    assert asyncio.run(first()).meta["expected"] == expected


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
def test_how_many_answers_a_run_will_ask_for(arguments: dict[str, str], before: int | None, pages: int | None) -> None:
    spider: Any = MarketsSpider(**arguments)
    spider.settings = Settings({"BASE_API_URL": "https://api.example", "VS_CURRENCY": "usd"})

    assert spider.pages_in_all(before) == pages


def test_after_its_first_page_a_run_asks_for_as_many_as_that_says() -> None:
    spider = MarketsSpider()
    first = spider.coverage.begin("https://api.example", 0)
    spider.coverage.add(first, Response(first.url, headers={"total": "500"}), Rows([{"id": "a"}]), ["a"])

    assert spider.pages_in_all(None) == 2 + 2
    assert spider.pages_in_all(9) == 2


def page(number: int, **meta: Any) -> Request:
    return Request("https://api.example/coins", meta={"page": number} | meta)


@pytest.mark.parametrize(
    ("request_", "most"),
    [
        (page(1), 500),
        (Request("https://api.example/coins", meta={"ids": ["bitcoin"]}), 2_500),
        (Request("https://api.example/coins", meta={"label": "/coins/list"}), None),
    ],
    ids=["page", "ids", "list"],
)
def test_an_answer_has_ten_times_the_records_at_most_that_were_asked_for(request_: Request, most: int | None) -> None:
    assert MarketsSpider(per_page="50").max_rows(request_) == most


@pytest.mark.parametrize(
    ("number", "status", "survives"),
    [(2, 404, True), (2, 410, True), (1, 404, False), (1, 410, False), (2, 401, False), (2, 403, False)],
)
def test_only_a_later_page_that_is_gone_does_not_end_the_run(number: int, status: int, survives: bool) -> None:
    assert MirrorSpider().survives(page(number), status) is survives


@pytest.mark.parametrize(("number", "following"), [(1, []), (2, [5]), (17, [20]), (18, []), (20, [])], ids=str)
def test_while_a_page_waits_for_another_try_those_behind_it_are_asked_for(number: int, following: list[int]) -> None:
    asked: list[int] = []
    spider: Any = MarketsSpider(per_page="50")
    spider.pagination = PageNumber(size=50, window=3)
    engine = SimpleNamespace(crawl=lambda request: asked.append(request.meta["page"]))
    spider.crawler = SimpleNamespace(engine=engine)

    spider.put_off(page(number, expected=20))

    assert asked == following


# The mirror ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.50", Decimal("1.50")),
        ("-0.000000000000000000000000000001", Decimal("-1e-30")),
        ("1e-18", Decimal("1e-18")),
        ("9" * 5_000, Decimal("9" * 5_000)),
        ("1e999999999999999999999", Decimal("Infinity")),
        *((odd, odd) for odd in ("", "NaN", "Infinity", "1,5", " 1", "1_000", "0x1", "+1", "٣", "1.", ".5")),
        (Decimal(5), Decimal(5)),
        (None, None),
        (True, True),
    ],
    ids=repr,
)
def test_a_number_written_as_text_is_one_where_it_is_written_as_one(text: Any, value: Any) -> None:
    record = {"coin_id": "1", "name": "1.5", "current_price": text}

    assert MirrorSpider().translate(record) == {"coin_id": "1", "name": "1.5", "current_price": value}


def test_the_sources_books_are_not_copied_but_for_what_is_missing() -> None:
    books = dict.fromkeys(FullCoin.BOOKKEEPING, "2026-11-22T12:00:00Z")

    assert MirrorSpider().translate({"coin_id": "a"} | books) == {
        "coin_id": "a",
        "missing_since": "2026-11-22T12:00:00Z",
    }
    assert MirrorSpider().translate("no object") == "no object"


class ArticleSpider(MirrorSpider):
    """An API with another word before its token, and `id` for the key."""

    secret = Secret("API_TOKEN", word="Bearer", is_required=False)
    names = {"coin_id": "id"}


@pytest.mark.parametrize(
    ("home", "url", "headers"),
    [
        ("", "https://coins.example/api/", {}),
        ("https://coins.example/api/", "https://coins.example:443/other/", {"Authorization": "Bearer the-token"}),
        ("https://coins.example/api/", "https://evil.example/api/", {}),
        ("https://coins.example/api/", "https://coins.example:8443/api/", {}),
        ("https://127.0.0.1/", "http://127.0.0.1/", {}),
    ],
)
def test_the_token_goes_to_the_source_that_it_was_set_for(home: str, url: str, headers: dict[str, str]) -> None:
    spider = ArticleSpider(url=url)
    spider.settings = Settings({"MIRROR_URL": home, "API_TOKEN": "the-token"})

    assert spider.secret_headers() == headers


def test_a_like_api_may_name_things_in_its_own_way() -> None:
    record = {"id": "a", "coin_id": "not its id", "current_price": "1.5", "vs_currency": "usd"}

    assert ArticleSpider().translate(record) == {"coin_id": "a", "current_price": Decimal("1.5")}
    assert list(ArticleSpider().ids([record])) == ["a"]


class EpochSpider(MarketsSpider):
    dates = "epoch_ms"


def test_a_spider_may_declare_that_its_dates_are_numbers() -> None:
    record = {"id": "a", "last_updated": Decimal(1782892800123), "ath_date": "1782892800000", "name": "1782892800000"}

    assert EpochSpider().translate(record) == {
        "coin_id": "a",
        "last_updated": "2026-07-01T08:00:00.123000+00:00",
        "ath_date": "2026-07-01T08:00:00+00:00",
        "name": "1782892800000",
    }


class EpochMirrorSpider(MirrorSpider):
    dates = "epoch_s"


def test_the_dates_of_a_mirrors_bookkeeping_are_numbers_too() -> None:
    record = {"coin_id": "a", "missing_since": Decimal(1782892800), "changed_at": Decimal(1782892800)}

    assert EpochMirrorSpider().translate(record) == {"coin_id": "a", "missing_since": "2026-07-01T08:00:00+00:00"}


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
    assert PageSpider().called(fields) == called


class PriceSpider(MarketsSpider):
    fields = ("coin_id", "current_price")


def test_a_spider_may_declare_the_fields_that_its_source_has() -> None:
    assert PriceSpider().expected_fields({}) == ["coin_id", "current_price"]


@pytest.mark.parametrize(
    ("url", "collection"),
    [
        ("https://a.example/coins/", "https://a.example/coins/?changed_since=2026-11-22T11%3A50%3A00.000000Z"),
        ("https://a.example/?b=c", "https://a.example/?b=c&changed_since=2026-11-22T11%3A50%3A00.000000Z"),
    ],
)
def test_changes_are_asked_for_beside_what_the_address_asks(url: str, collection: str) -> None:
    spider: Any = MirrorSpider(url=url, only="changed")
    known = datetime(2026, 11, 22, 12, tzinfo=UTC)
    spider.crawler = SimpleNamespace(get_extension=lambda kind: SimpleNamespace(newest_change=known))

    assert spider.collection == collection


@pytest.mark.parametrize(
    ("secret", "headers"),
    [
        (Secret("K", header="X-Api-Key"), {"X-Api-Key": "the-key"}),
        (Secret("K", word="Bearer"), {"Authorization": "Bearer the-key"}),
    ],
)
def test_a_secret_is_sent_in_its_header(secret: Secret, headers: dict[str, str]) -> None:
    assert (secret.headers("the-key"), secret.headers("")) == (headers, {})


@pytest.mark.parametrize(
    ("url", "home", "is_whole"),
    [
        ("https://a.example/coins/", "", True),
        ("https://a.example/coins/?category=x", "", False),
        ("https://a.example/coins/?category=x", "https://a.example/coins/", False),
        ("https://a.example/coins/?vs=usd", "https://a.example/coins/?vs=usd", True),
    ],
)
def test_a_query_narrows_a_source_unless_it_is_the_sources_own(url: str, home: str, is_whole: bool) -> None:
    spider = MirrorSpider(url=url)
    spider.settings = Settings({"MIRROR_URL": home})

    assert spider.whole is is_whole


class PartSpider(MirrorSpider):
    whole = False


@pytest.mark.parametrize(
    ("spider", "ids", "present", "notes"),
    [
        (MirrorSpider(url="https://a.example/"), ["a"], {"a"}, 0),
        (MirrorSpider(url="https://a.example/"), ["a", None], None, 1),
        (PartSpider(url="https://a.example/"), ["a", None], None, 0),
        (PartSpider(url="https://a.example/"), ["a"], None, 0),
    ],
    ids=["whole", "a record without an id", "narrow without an id", "narrow"],
)
def test_only_a_whole_run_whose_records_all_have_an_id_knows_which_coins_are_there(
    spider: Any, ids: list[Any], present: set[str] | None, notes: int
) -> None:
    first = spider.coverage.begin(spider.url)
    rows = Rows([{"coin_id": coin_id} for coin_id in ids], {"count": Decimal(len(ids)), "next": None})
    spider.coverage.add(first, Response(first.url), rows, spider.ids(rows.rows))

    assert (spider.present, len(spider.notes())) == (present, notes)


@pytest.mark.parametrize(
    ("moments", "hour"),
    [
        (["2026-11-22T10:00:00Z", "2026-11-22T11:00:00.5Z", None], 11),
        (["2026-11-22T10:00:00Z", "2126-11-22T13:00:00Z"], 12),
        ([datetime(2026, 11, 22, 9, tzinfo=UTC), "2026-11-22T08:00:00+00:00", "soon", 5, {}], 9),
        ([None, "never", "0001-01-01T00:00:00Z"], None),
    ],
    ids=["the newest", "of a clock that was ahead", "known before", "nothing"],
)
def test_the_newest_change_is_the_newest_that_the_source_has_dated(moments: list[Any], hour: int | None) -> None:
    found = newest(moments, datetime(2026, 11, 22, 12, tzinfo=UTC))

    assert (found and found.hour) == hour


class EndingSpider(MarketsSpider):
    is_ending = True


@pytest.mark.parametrize(("seconds", "number"), [(0.0, 1_000), (0.01, 200)], ids=["soon done", "slow"])
def test_when_the_run_ends_the_rest_of_a_page_that_takes_too_long_is_dropped(
    seconds: float, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count()
    monkeypatch.setattr(base, "monotonic", lambda: 1_000 + seconds * (next(clock) // 2))
    spider: Any = EndingSpider()
    spider.crawler = SimpleNamespace(get_extension=lambda kind: None)

    taken = list(spider.items([{"id": "a"}] * 1_000, "1"))

    assert len(taken) == pytest.approx(number, abs=2)
