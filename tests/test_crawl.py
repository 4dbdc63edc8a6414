"""End to end: the fake API, `scrapy crawl` as a process, the rows that it leaves and what it says of them."""

import json
import math
import threading
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client

from tests.conftest import Crawl, last_run
from tests.fake_api import FakeAPI, Market, Request, answers
from webapp.coins.catalog import ORDERS
from webapp.coins.models import CrawlRun, FullCoin, RejectedRecord

COUNTS = ("seen", "created", "updated", "unchanged", "duplicates", "rejected")


def outcome(run: CrawlRun) -> dict[str, int]:
    """What became of the records, without the zeros."""
    return {name: getattr(run, name) for name in COUNTS if getattr(run, name)}


# The market is whole ---------------------------------------------------------------------------------


@pytest.mark.parametrize("total", ["exact", "absent", "many", "half", "double", "-5"])
def test_the_total_header_changes_the_speed_and_never_the_result(total: str, crawl: Crawl) -> None:
    with FakeAPI(Market(coins=1_300), total=total) as api:
        done = crawl(api)

    assert (done.returncode, last_run().verdict) == (0, "complete")
    assert outcome(last_run()) == {"seen": 1_300, "created": 1_300}
    assert FullCoin.objects.count() == 1_300


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_ends_with_the_same_set_of_coins(order: str, api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api, "-a", f"order={order}", "-a", "per_page=50")

    assert (done.returncode, last_run().verdict) == (0, "complete")
    assert set(FullCoin.objects.values_list("pk", flat=True)) == set(api.market.ids)


def test_pages_are_asked_for_one_after_the_other_without_a_total(crawl: Crawl) -> None:
    with FakeAPI(Market(coins=600), total="absent") as api:
        crawl(api)

    assert [request.params["page"] for request in api.requests if "page" in request.params] == ["1", "2", "3", "4"]


def test_rehypothecated_coins_are_asked_for(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)

    markets = [request for request in api.requests if request.path == "/coins/markets"]
    assert {request.params["include_rehypothecated"] for request in markets} == {"true"}
    assert FullCoin.objects.filter(pk="weth").exists()


def test_what_paging_lost_is_fetched_by_id(api: FakeAPI, crawl: Crawl) -> None:
    api.fault({"page": 1}, page=2)

    done = crawl(api)

    assert (done.returncode, FullCoin.objects.count()) == (0, 600)
    assert "page 2 brought nothing new" in last_run().messages
    assert any("ids" in request.params for request in api.requests)


def test_asking_by_id_keeps_to_250_ids_and_2000_characters(crawl: Crawl) -> None:
    with FakeAPI(Market(coins=1_000)) as api:
        api.fault(answers.data("[]"), page=1)
        done = crawl(api)

    asked = [request.params["ids"] for request in api.requests if "ids" in request.params]
    assert done.returncode == 0
    assert FullCoin.objects.count() == 1_000
    assert max(len(ids.split(",")) for ids in asked) <= 250
    assert all(len(api.url) + len("/coins/markets?") + len(ids) < 2_000 for ids in asked)


def test_an_api_that_ignores_the_page_number_ends_at_the_first_repetition(api: FakeAPI, crawl: Crawl) -> None:
    api.fault({"page": 1}, times=math.inf, after=1)

    done = crawl(api, "-a", "category=layer-1", "-a", "per_page=1")

    assert done.returncode == 3
    assert "brought nothing new" in last_run().reason


def test_without_the_list_a_run_of_the_whole_market_is_partial(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.SERVER_ERROR, path="/coins/list", times=math.inf)

    done = crawl(api)

    assert done.returncode == 3
    assert "without /coins/list nothing proves that this is the whole market" in last_run().reason
    assert FullCoin.objects.count() == 600


def test_a_list_that_names_a_fraction_of_the_market_proves_nothing(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.data('[{"id":"bitcoin","symbol":"btc","name":"Bitcoin"}]'), path="/coins/list")

    done = crawl(api)

    assert done.returncode == 3
    assert "/coins/list names only 1 of the 600 coins" in last_run().reason


def test_an_empty_answer_to_everything_is_not_a_complete_market(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    api.fault(answers.data("[]"), path=None, times=math.inf)

    done = crawl(api)

    assert done.returncode == 3
    assert "the API returned no coins at all" in last_run().reason
    assert not FullCoin.objects.exclude(missing_since=None).exists()


@pytest.mark.parametrize(
    "named", [r'"\ud800"', '"' + "x" * 3_000 + '"', "17", "null"], ids=["half", "long", "number", "null"]
)
def test_an_impossible_id_on_the_list_does_not_hide_the_others(named: str, api: FakeAPI, crawl: Crawl) -> None:
    listed = api.market.listing()
    api.fault(answers.data(f'[{{"id":{named}}},{listed[1:]}'), path="/coins/list")
    api.fault(answers.data("[]"), page=2)

    done = crawl(api)

    assert (done.returncode, FullCoin.objects.count()) == (0, 600)
    assert "1 entries of /coins/list repeat an id or have none" in last_run().messages


def test_an_api_that_ignores_ids_proves_nothing(api: FakeAPI, crawl: Crawl) -> None:
    api.fault({"page": 1}, page=2)
    api.fault({"ids": ""}, ids=api.market.ids[300], times=math.inf)

    done = crawl(api)

    assert done.returncode == 3
    assert "the answer has other coins than were asked for" in last_run().reason


def test_a_list_that_lacks_more_than_a_hundredth_proves_nothing(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    listed = json.loads(api.market.listing())
    api.fault(answers.error(200, listed[:590]), path="/coins/list")

    done = crawl(api)

    assert done.returncode == 3
    assert not FullCoin.objects.exclude(missing_since=None).exists()


def test_answers_by_id_that_leave_coins_out_are_asked_for_again(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.data("[]"), page=1)
    api.fault({"per_page": 100}, times=math.inf, ids=api.market.ids[0])

    done = crawl(api)

    assert (done.returncode, FullCoin.objects.count()) == (0, 600)


@pytest.mark.parametrize("lapse", ["[]", "[null]", '[{"error": "boom"}]'])
def test_an_answer_by_id_that_leaves_all_coins_out_is_not_believed_at_once(
    lapse: str, api: FakeAPI, crawl: Crawl
) -> None:
    crawl(api)
    api.fault(answers.data("[]"), page=1)
    api.fault(answers.data(lapse), ids="bitcoin")

    done = crawl(api)

    assert (done.returncode, last_run().missing) == (0, 0)
    assert last_run().unchanged == 600


def test_a_record_without_an_id_may_be_any_of_those_asked_for(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    api.market.replace("bitcoin", '{"name": "Nameless"}')

    done = crawl(api)

    assert (done.returncode, last_run().missing) == (0, 0)
    assert not FullCoin.objects.exclude(missing_since=None).exists()


def test_at_most_250_ids_are_asked_for_at_once(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api, "-a", f"ids={','.join(f'{number:03}' for number in range(251))}")

    assert sorted(len(request.params["ids"].split(",")) for request in api.requests) == [1, 1, 250, 250]  # each twice


def test_recorded_pages_are_crawled_digit_for_digit(crawl: Crawl, tmp_path: Path) -> None:
    numbers = ["96114.0848173868", "1e-18", "0.0000000123456789012345", "21000000.0"]
    record = '{{"id": "coin-{}", "current_price": {}, "last_updated": null}}'
    coins = [record.format(place, number) for place, number in enumerate(numbers)]
    (tmp_path / "page.json").write_text(f"[{', '.join(coins)}]")

    with FakeAPI(pages=tmp_path) as api:
        crawl(api)

    stored = FullCoin.objects.order_by("pk").values_list("current_price", flat=True)
    assert list(stored) == [Decimal(number) for number in numbers]


# Narrower scopes -------------------------------------------------------------------------------------


def test_pages_ends_after_so_many_and_asks_for_nothing_else(api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api, "-a", "order=market_cap_desc", "-a", "pages=1")

    assert done.returncode == 0
    assert [request.params["page"] for request in api.requests] == ["1"]
    assert FullCoin.objects.count() == 250


def test_pages_beyond_the_end_are_complete_too(api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api, "-a", "pages=9")

    assert (done.returncode, FullCoin.objects.count()) == (0, 600)


def test_a_broken_page_of_a_narrow_run_makes_it_partial(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.SERVER_ERROR, page=2, times=math.inf)

    done = crawl(api, "-a", "pages=3")

    assert (done.returncode, FullCoin.objects.count()) == (3, 350)
    assert last_run().reason == "page 2 stayed broken: status 500"


def test_a_hole_between_the_pages_of_a_narrow_run_makes_it_partial(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.data("[]"), page=2, times=2)

    done = crawl(api, "-a", "pages=3")

    assert done.returncode == 3
    assert last_run().reason == "page 2 was empty and page 3 was not"


@pytest.mark.parametrize(
    ("total", "page", "lapse"),
    [
        ("exact", 2, {"per_page": 0}),
        ("exact", 3, {"per_page": 0}),
        ("absent", 3, {"per_page": 0}),
        ("exact", 2, {"per_page": 100, "page": 3}),
        ("absent", 1, {"per_page": 100}),
    ],
    ids=[
        "an empty page",
        "an early end",
        "an early end without a total",
        "a short page",
        "a short page without a total",
    ],
)
def test_a_lapse_of_the_api_in_a_narrow_run_is_asked_for_again(
    total: str, page: int, lapse: dict[str, int], crawl: Crawl
) -> None:
    with FakeAPI(Market(coins=1_000), total=total) as api:
        api.fault(answers.data("[]") if lapse == {"per_page": 0} else lapse, page=page)
        done = crawl(api, "-a", "pages=9")

    assert (done.returncode, FullCoin.objects.count()) == (0, 1_000)


def test_a_run_after_a_complete_one_asks_ahead_also_without_a_total(crawl: Crawl) -> None:
    with FakeAPI(Market(coins=1_500), total="absent") as api:
        crawl(api)
        api.requests.clear()
        ahead = threading.Event()

        def let_the_others_go(request: Request) -> answers.Answer:
            ahead.set()
            return api.usual(request)

        api.fault(lambda request: api.usual(request, wait=ahead), page=2)
        api.fault(let_the_others_go, page=6)
        done = crawl(api)

    assert (done.returncode, last_run().unchanged) == (0, 1_500)


def test_ids_fetches_these_coins_and_names_those_that_are_not_there(api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api, "-a", "ids=ethereum,bitcoin,bitcion")

    assert done.returncode == 0
    assert set(FullCoin.objects.values_list("pk", flat=True)) == {"bitcoin", "ethereum"}
    assert last_run().messages == "not on the market: bitcion"


def test_a_narrow_run_marks_nothing_missing(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)

    crawl(api, "-a", "pages=1")

    assert not FullCoin.objects.exclude(missing_since=None).exists()


# Again, newer, older, gone ---------------------------------------------------------------------------


def test_the_same_market_again_changes_nothing(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)

    crawl(api)

    assert outcome(last_run()) == {"seen": 600, "unchanged": 600}


def test_newer_data_updates_and_older_data_does_not(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    api.market.advance(5)
    crawl(api)
    newer = outcome(last_run())
    api.market.advance(-5)

    crawl(api)

    undated = sum(api.market.record(coin_id)["last_updated"] is None for coin_id in api.market.ids)
    assert newer["updated"] >= 600 - undated
    assert outcome(last_run()).get("updated", 0) <= undated


def test_a_coin_that_left_the_market_is_marked_and_one_that_returns_is_not(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    bitcoin = api.market.record("bitcoin")
    api.market.remove("bitcoin")
    crawl(api)
    gone = last_run()
    marked = list(FullCoin.objects.exclude(missing_since=None).values_list("pk", flat=True))
    api.market.add(bitcoin)

    crawl(api)

    assert (gone.verdict, gone.missing, marked) == ("complete", 1, ["bitcoin"])
    assert not FullCoin.objects.exclude(missing_since=None).exists()


def test_a_market_that_shrank_by_a_third_is_not_believed(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    for coin_id in api.market.ids[:200]:
        api.market.remove(coin_id)

    done = crawl(api)

    assert done.returncode == 3
    assert "400 coins, where the last complete run had 600" in last_run().reason
    assert not FullCoin.objects.exclude(missing_since=None).exists()


# Fields ----------------------------------------------------------------------------------------------


def test_a_field_that_the_api_adds_is_named_once_and_not_fatal(api: FakeAPI, crawl: Crawl) -> None:
    api.market.reshape(lambda record: record | {"sparkline": [1, 2]})

    done = crawl(api)

    assert done.returncode == 0
    assert "fields that the API sends and FullCoin does not have: sparkline" in last_run().messages


def test_a_field_that_the_api_drops_makes_the_run_partial(api: FakeAPI, crawl: Crawl) -> None:
    api.market.reshape(lambda record: {name: value for name, value in record.items() if name != "roi"})

    done = crawl(api)

    assert done.returncode == 3
    assert last_run().reason == "the API no longer sends roi"


def test_a_field_that_has_gone_empty_makes_the_run_partial(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    api.market.reshape(lambda record: record | {"current_price": None})

    done = crawl(api)

    assert done.returncode == 3
    assert last_run().reason == "empty in every record: current_price"


# Exactness -------------------------------------------------------------------------------------------


def test_every_stored_number_is_the_one_that_was_sent(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)

    # SQLite keeps 15 significant digits.
    off_by = Decimal("1e-14") if connection.vendor == "sqlite" else 0
    for coin in FullCoin.objects.all():
        sent = json.loads(api.market.text(coin.pk), parse_float=Decimal, parse_int=Decimal)
        for name, value in sent.items():
            if isinstance(value, Decimal):
                assert abs(getattr(coin, name) - value) <= abs(value) * off_by, (coin.pk, name, value)


def test_a_feed_beside_it_has_exact_numbers(api: FakeAPI, crawl: Crawl, tmp_path: Path) -> None:
    done = crawl(api, "-O", str(tmp_path / "coins.json"), "-O", str(tmp_path / "coins.jsonl"))

    coins = json.loads((tmp_path / "coins.json").read_text(), parse_float=Decimal, parse_int=Decimal)
    lines = (tmp_path / "coins.jsonl").read_text().splitlines()
    assert (done.returncode, len(coins), len(lines)) == (0, 600, 600)
    for coin in coins:
        sent = json.loads(api.market.text(coin["coin_id"]), parse_float=Decimal, parse_int=Decimal)
        assert coin["current_price"] == sent["current_price"]
        assert coin["total_supply"] == sent["total_supply"]


def test_a_feed_has_each_coin_once(api: FakeAPI, crawl: Crawl, tmp_path: Path) -> None:
    crawl(api, "-a", "order=market_cap_desc", "-a", "per_page=50", "-O", str(tmp_path / "coins.csv"))

    header, *lines = (tmp_path / "coins.csv").read_text().splitlines()
    assert last_run().duplicates > 0
    assert len(lines) == 600
    assert header.split(",") == [field.name for field in FullCoin.api_fields()]


# Poison ----------------------------------------------------------------------------------------------

POISON: dict[str, tuple[str, str]] = {
    "no id": ('{"name": "Nameless"}', "coin_id: missing (in the record named Nameless)"),
    "empty id": ('{"id": ""}', "coin_id: empty"),
    "id that is a number": ('{"id": 17}', "coin_id: a number, not a text"),
    "id with a NUL": (r'{"id": "nu\u0000l"}', "coin_id: has a NUL character"),
    "NaN": ('{"id": "ID", "current_price": NaN}', "current_price: not a finite number"),
    "Infinity": ('{"id": "ID", "market_cap": -Infinity}', "market_cap: not a finite number"),
    "true for a number": ('{"id": "ID", "ath": true}', "ath: true, not a number"),
    "5,000 digits": ('{"id": "ID", "ath": ' + "9" * 5_000 + "}", "digits before the point"),
    "an exponent out of this world": ('{"id": "ID", "ath": 1e999999999999}', "digits before the point"),
    "too long": ('{"id": "ID", "symbol": "' + "x" * 101 + '"}', "symbol: longer than 100 characters"),
    "half a character": (r'{"id": "ID", "name": "\ud800"}', "name: has half a character"),
    "impossible date": ('{"id": "ID", "ath_date": "2025-02-30T00:00:00Z"}', "ath_date: not a possible date"),
    "rank out of range": ('{"id": "ID", "market_cap_rank": 3000000000}', "market_cap_rank: not between"),
    "no object": ('"just a text"', "record: a text, not an object"),
}


def test_poisoned_records_are_kept_with_reasons_and_all_others_stored(
    api: FakeAPI, crawl: Crawl, admin_client: Client
) -> None:
    victims = api.market.ids[100 : 100 + len(POISON)]
    for coin_id, (text, _) in zip(victims, POISON.values(), strict=True):
        api.market.replace(coin_id, text.replace("ID", coin_id))

    done = crawl(api)

    rejected = [record.reasons for record in RejectedRecord.objects.all()]
    assert FullCoin.objects.count() == 600 - len(POISON)
    assert len(rejected) == len(POISON)
    for name, (_, reason) in POISON.items():
        assert any(reason in reasons for reasons in rejected), name
    run = last_run()
    assert done.returncode == 3  # 14 of 600 are more than 1 %
    for name in ("fullcoin", "crawlrun", "rejectedrecord"):
        assert admin_client.get(f"/admin/coins/{name}/").status_code == 200
    for record in RejectedRecord.objects.all():
        assert admin_client.get(f"/admin/coins/rejectedrecord/{record.pk}/change/").status_code == 200
    assert run.seen == run.created + run.updated + run.unchanged + run.duplicates + run.rejected


def test_the_same_defect_again_is_counted_not_repeated(api: FakeAPI, crawl: Crawl) -> None:
    api.market.replace("bitcoin", '{"id": "bitcoin", "current_price": NaN}')
    crawl(api)

    crawl(api)

    record = RejectedRecord.objects.get()
    assert (record.coin_id, record.count, record.run_id) == ("bitcoin", 2, last_run().pk)
    assert '"current_price": NaN' in record.raw
