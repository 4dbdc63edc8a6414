"""End to end: what has to be answered before a run may say that it is complete."""

import json
import math
import re
import threading
from typing import Any

import pytest

from fake_api import FakeAPI, Market, Request, answers
from tests.support.crawls import Crawl, last_run, outcome
from webapp.coins.models import FullCoin
from webapp.crawls.catalog import ORDERS

SMALL_PAGES = ("-a", "per_page=50")

# The market is whole ---------------------------------------------------------------------------------


@pytest.mark.parametrize("total", ["exact", "absent", "many", "half", "double", "-5"])
def test_the_total_header_changes_the_speed_and_never_the_result(total: str, crawl: Crawl) -> None:
    with FakeAPI(Market(coins=260), total=total) as api:
        done = crawl(api, *SMALL_PAGES)

    assert (done.returncode, last_run().verdict) == (0, "complete")
    assert outcome(last_run()) == {"seen": 260, "created": 260}
    assert FullCoin.objects.count() == 260


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_ends_with_the_same_set_of_coins(order: str, api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api, "-a", f"order={order}", "-a", "per_page=50")

    assert (done.returncode, last_run().verdict) == (0, "complete")
    assert set(FullCoin.objects.values_list("pk", flat=True)) == set(api.market.ids)


def test_rehypothecated_coins_are_asked_for(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)

    markets = [request for request in api.requests if request.path == "/coins/markets"]
    assert {request.params["include_rehypothecated"] for request in markets} == {"true"}
    assert FullCoin.objects.filter(pk="weth").exists()


def test_what_paging_lost_is_fetched_by_id(api: FakeAPI, crawl: Crawl) -> None:
    api.fault({"page": 1}, page=2, times=2)

    done = crawl(api)

    assert (done.returncode, FullCoin.objects.count()) == (0, 600)
    assert "page 2 brought nothing new" in last_run().messages
    assert any("ids" in request.params for request in api.requests)


def test_asking_by_id_keeps_to_250_ids_and_2000_characters(crawl: Crawl) -> None:
    with FakeAPI(Market(coins=1_000)) as api:
        api.fault(answers.data("[]"), page=1, times=2)
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


def test_a_lapse_of_one_page_costs_one_request_and_hides_no_coin_that_is_gone(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    api.market.remove(api.market.ids[0])
    asked = len(api.requests)
    api.fault(answers.data("[]"), page=2)

    done = crawl(api)

    assert (done.returncode, last_run().missing) == (0, 1)
    assert len(api.requests) - asked == asked + 1


@pytest.mark.parametrize(
    ("total", "before", "reason"),
    [
        ("exact", False, "pages and /coins/list have 598 coins, but the pages count 600"),
        ("absent", True, "pages and /coins/list have 598 coins, but the last complete run had 600"),
        ("absent", False, "pages and /coins/list have 598 coins, but by their number and size the pages have 600"),
    ],
    ids=["by the pages' count", "by the last run", "by the pages' numbers"],
)
def test_a_page_and_the_list_may_not_both_lack_a_coin_that_is_known_of(
    total: str, before: bool, reason: str, crawl: Crawl
) -> None:
    with FakeAPI(Market(coins=600), total=total) as api:
        if before:
            crawl(api)
        lost = api.market.ids[300:302]
        listed = [entry for entry in json.loads(api.market.listing()) if entry["id"] not in lost]
        api.fault(answers.data(json.dumps(listed)), path="/coins/list")
        api.fault(answers.SERVER_ERROR, page=2, times=math.inf)

        crawl(api)

    run = last_run()
    assert run.verdict == "partial"
    assert run.reason.partition(";")[0] == reason
    assert run.seen == 598


def test_an_empty_answer_to_everything_is_not_a_complete_market(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    api.fault(answers.data("[]"), path=None, times=math.inf)

    done = crawl(api)

    assert done.returncode == 3
    assert "the API returned no coins at all" in last_run().reason
    assert not FullCoin.objects.exclude(missing_since=None).exists()


def test_impossible_ids_on_the_list_do_not_hide_the_others(api: FakeAPI, crawl: Crawl) -> None:
    impossible = [r'"\ud800"', '"' + "x" * 3_000 + '"', "17", "null"]
    entries = "".join(f'{{"id":{value}}},' for value in impossible)
    api.fault(answers.data(f"[{entries}{api.market.listing()[1:]}"), path="/coins/list")
    api.fault(answers.data("[]"), page=2)

    done = crawl(api)

    assert (done.returncode, FullCoin.objects.count()) == (0, 600)
    assert "entries of /coins/list with a repeated id, or without a valid id: 4" in last_run().messages


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda entries: [entry["id"] for entry in entries], "/coins/list has no entry with an id"),
        (lambda entries: entries[:590], "/coins/list names only 584 of the 600 coins that pages had"),
    ],
    ids=["bare texts", "a hundredth too few"],
)
def test_a_list_that_is_not_the_whole_one_proves_nothing(change: Any, words: str, api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    api.fault(answers.error(200, change(json.loads(api.market.listing()))), path="/coins/list")

    done = crawl(api)

    assert done.returncode == 3
    assert words in last_run().reason
    assert not FullCoin.objects.exclude(missing_since=None).exists()


def test_a_list_that_has_become_shorter_by_a_tenth_proves_nothing(crawl: Crawl) -> None:
    with FakeAPI(Market(coins=300)) as api:
        api.market.ghosts = [f"ghost-{number}" for number in range(100)]
        crawl(api)
        api.market.ghosts = []
        done = crawl(api)

    assert done.returncode == 3
    assert "/coins/list names 300 coins, but the last complete run had 400" in last_run().reason


def test_a_list_that_is_refused_after_all_pages_makes_the_run_partial(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.NOT_IN_PLAN, path="/coins/list")

    done = crawl(api)

    assert (done.returncode, FullCoin.objects.count()) == (3, 600)
    assert "without /coins/list nothing proves" in last_run().reason
    assert "/coins/list was refused: the API answered 401 with code 10005" in last_run().reason


def test_coins_are_not_missing_because_asking_by_id_is_broken(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    asked = len(api.requests)
    api.fault(answers.data("[]"), page=2, times=2)
    api.fault(lambda request: answers.data("[]") if "ids" in request.params else api.usual(request), times=math.inf)

    done = crawl(api)

    assert done.returncode == 3
    assert "256 ids had no answer, but the same answers lack coins that are known to be there" in last_run().reason
    assert len(api.requests) - asked <= 6 + 3 * 3
    assert not FullCoin.objects.exclude(missing_since=None).exists()


def test_an_api_that_ignores_ids_proves_nothing(api: FakeAPI, crawl: Crawl) -> None:
    api.fault({"page": 1}, page=2, times=2)
    api.fault({"ids": "", "order": "id_asc"}, ids=api.market.ids[300], times=math.inf)

    done = crawl(api)

    assert done.returncode == 3
    assert "the answers have coins that were not asked for" in last_run().reason


def test_answers_by_id_that_leave_coins_out_are_asked_for_again(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.data("[]"), page=1, times=2)
    api.fault({"per_page": 100}, times=math.inf, ids=api.market.ids[0])

    done = crawl(api)

    assert (done.returncode, FullCoin.objects.count()) == (0, 600)


@pytest.mark.parametrize("lapse", ["[]", "[null]", '[{"error": "boom"}]'])
def test_an_answer_by_id_that_leaves_all_coins_out_is_not_believed_at_once(
    lapse: str, api: FakeAPI, crawl: Crawl
) -> None:
    crawl(api)
    api.fault(answers.data("[]"), page=1, times=2)
    api.fault(answers.data(lapse), ids="bitcoin")

    done = crawl(api)

    assert (done.returncode, last_run().missing) == (0, 0)
    assert last_run().unchanged == 600


def test_a_coin_that_only_the_list_still_names_is_marked(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    api.market.remove("bitcoin")
    api.market.ghosts = ["bitcoin"]

    done = crawl(api)

    assert (done.returncode, last_run().missing) == (0, 1)
    assert last_run().messages.endswith("not on the market, though /coins/list names them: 1 id")
    assert FullCoin.objects.get(pk="bitcoin").missing_since


def test_a_record_without_an_id_may_be_any_of_those_asked_for(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    api.market.replace("bitcoin", '{"name": "Nameless"}')

    done = crawl(api)

    assert (done.returncode, last_run().missing) == (0, 0)
    assert not FullCoin.objects.exclude(missing_since=None).exists()


def test_at_most_250_ids_are_asked_for_at_once(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api, "-a", f"ids={','.join(f'{number:03}' for number in range(251))}")

    assert sorted(len(request.params["ids"].split(",")) for request in api.requests) == [1, 1, 250, 250]  # each twice


# Narrower scopes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", ["exact", "absent"])
def test_an_empty_page_hides_none_of_those_behind_it(total: str, crawl: Crawl) -> None:
    with FakeAPI(Market(coins=1_000), total=total) as api:
        crawl(api, *SMALL_PAGES, "-a", "pages=20")
        api.fault(answers.data("[]"), page=3)
        done = crawl(api, *SMALL_PAGES, "-a", "pages=20")

    assert (done.returncode, last_run().seen) == (0, 1_000)
    assert "proof: each of the 20 pages came full" in last_run().messages


@pytest.mark.parametrize("total", ["half", "double"])
def test_in_a_narrow_run_the_count_is_the_proof(total: str, crawl: Crawl) -> None:
    with FakeAPI(Market(coins=600), total=total) as api:
        done = crawl(api, "-a", "pages=9")

    assert (done.returncode, FullCoin.objects.count()) == (3, 600)
    assert re.search(r"the API counts [\d,]+ records, and its pages had 600 different ones", last_run().reason)


def test_a_list_that_shrinks_while_it_is_read_is_read_again(crawl: Crawl) -> None:
    with FakeAPI(Market(coins=1_000)) as api:
        gone = api.market.ids[:70]
        stay = set(api.market.ids[70:])

        def shrink(request: Request) -> answers.Answer:
            while gone:
                api.market.remove(gone.pop())
            return api.usual(request)

        api.fault(shrink, page=3)
        done = crawl(api, "-a", "pages=9")

    assert done.returncode == 0
    assert set(FullCoin.objects.values_list("pk", flat=True)) >= stay


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
    assert last_run().reason == (
        "page 2 stayed broken: status 500; the API counts 600 records, and its pages had 350 different ones"
    )


def test_a_hole_between_the_pages_of_a_narrow_run_makes_it_partial(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.data("[]"), page=2, times=2)

    done = crawl(api, "-a", "pages=3")

    assert done.returncode == 3
    assert last_run().reason.startswith("page 2 was empty and page 3 was not; the API counts 600 records")


@pytest.mark.parametrize(
    ("total", "page", "lapse"),
    [
        ("exact", 2, {"per_page": 0}),
        ("exact", 3, {"per_page": 0}),
        ("absent", 3, {"per_page": 0}),
        ("exact", 2, {"per_page": 20, "page": 3}),
        ("absent", 1, {"per_page": 20}),
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
    with FakeAPI(Market(coins=200), total=total) as api:
        api.fault(answers.data("[]") if lapse == {"per_page": 0} else lapse, page=page)
        done = crawl(api, *SMALL_PAGES, "-a", "pages=9")

    assert (done.returncode, FullCoin.objects.count()) == (0, 200)


def test_a_run_after_a_complete_one_asks_ahead_also_without_a_total(crawl: Crawl) -> None:
    with FakeAPI(Market(coins=300), total="absent") as api:
        crawl(api, *SMALL_PAGES)
        api.requests.clear()
        ahead = threading.Event()

        def let_the_others_go(request: Request) -> answers.Answer:
            ahead.set()
            return api.usual(request)

        api.fault(lambda request: api.usual(request, wait=ahead), page=2)
        api.fault(let_the_others_go, page=6)
        done = crawl(api, *SMALL_PAGES)

    assert (done.returncode, last_run().unchanged) == (0, 300)


def test_ids_fetches_these_coins_and_names_those_that_are_not_there(api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api, "-a", "ids=ethereum,bitcoin,bitcion")

    assert done.returncode == 0
    assert set(FullCoin.objects.values_list("pk", flat=True)) == {"bitcoin", "ethereum"}
    assert last_run().messages.endswith("\nnot on the market: bitcion")


def test_a_narrow_run_marks_nothing_missing(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)

    crawl(api, "-a", "pages=2")

    assert last_run().verdict == "complete"
    assert not FullCoin.objects.exclude(missing_since=None).exists()
