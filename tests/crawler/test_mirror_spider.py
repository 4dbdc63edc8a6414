"""What the spider of a mirror makes of its source."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from scrapy.settings import Settings

from coincrawl.secret import Secret
from coincrawl.spiders.mirror import MirrorSpider, newest
from tests.support.spiders import answered, ids_in, make_spider, page, with_a_run_before
from webapp.coins.models import FullCoin


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

    assert MirrorSpider().translation(record) == {"coin_id": "1", "name": "1.5", "current_price": value}


def test_the_sources_books_are_not_copied_but_for_what_is_missing() -> None:
    books = dict.fromkeys(FullCoin.BOOKKEEPING, "2026-11-22T12:00:00Z")

    assert MirrorSpider().translation({"coin_id": "a"} | books) == {
        "coin_id": "a",
        "missing_since": "2026-11-22T12:00:00Z",
    }
    assert MirrorSpider().translation("no object") == "no object"


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

    assert ArticleSpider().translation(record) == {"coin_id": "a", "current_price": Decimal("1.5")}
    assert ids_in(ArticleSpider(), [record]) == ["a"]


class EpochMirrorSpider(MirrorSpider):
    dates = "epoch_s"


def test_the_dates_of_a_mirrors_bookkeeping_are_numbers_too() -> None:
    record = {"coin_id": "a", "missing_since": Decimal(1782892800), "changed_at": Decimal(1782892800)}

    assert EpochMirrorSpider().translation(record) == {"coin_id": "a", "missing_since": "2026-07-01T08:00:00+00:00"}


@pytest.mark.parametrize(
    ("url", "collection"),
    [
        ("https://a.example/coins/", "https://a.example/coins/?changed_since=2026-11-22T11%3A50%3A00.000000Z"),
        ("https://a.example/?b=c", "https://a.example/?b=c&changed_since=2026-11-22T11%3A50%3A00.000000Z"),
    ],
)
def test_changes_are_asked_for_beside_what_the_address_asks(url: str, collection: str) -> None:
    known = datetime(2026, 11, 22, 12, tzinfo=UTC)
    spider = with_a_run_before(make_spider(MirrorSpider, url=url, only="changed"), newest_change=known)

    assert spider.collection == collection


def test_a_run_notes_since_when_it_asks_for_changes() -> None:
    known = datetime(2026, 11, 22, 12, tzinfo=UTC)
    spider = with_a_run_before(
        make_spider(MirrorSpider, {"MIRROR_URL": "https://api.example/"}, only="changed"), newest_change=known
    )

    list(spider.first_requests())

    assert spider.coverage.notes() == ["asked for what has changed since 2026-11-22 11:50:00 UTC"]


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

    assert spider.is_whole is is_whole


class PartSpider(MirrorSpider):
    is_whole = False


@pytest.mark.parametrize(
    ("cls", "ids", "present", "notes"),
    [
        (MirrorSpider, ["a"], {"a"}, 0),
        (MirrorSpider, ["a", None], None, 1),
        (PartSpider, ["a", None], None, 0),
        (PartSpider, ["a"], None, 0),
    ],
    ids=["whole", "a record without an id", "narrow without an id", "narrow"],
)
def test_only_a_whole_run_whose_records_all_have_an_id_knows_which_coins_are_there(
    cls: type[MirrorSpider], ids: list[Any], present: set[str] | None, notes: int
) -> None:
    spider = make_spider(cls, {"MIRROR_URL": "https://api.example/"})
    rows = [{"coin_id": coin_id} for coin_id in ids]

    spider.coverage.begin(spider.url)
    list(spider.parse(answered(page(1, empty=0), *rows, count=Decimal(len(ids)), next=None)))

    assert (spider.coverage.present, len(spider.coverage.notes())) == (present, notes)


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
