"""The API fails in every way it can: what is lost of the data (nothing), what is claimed, and what is asked for."""

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest

from fake_api import FakeAPI, Market, Request, answers
from tests.support.crawls import Crawl, last_run
from webapp.coins.models import FullCoin
from webapp.crawls.models import RejectedRecord

BROKEN: dict[str, answers.Answer] = {
    "hung up": answers.HUNG_UP,
    "reset": answers.RESET,
    "no HTTP": answers.GARBAGE,
    "cut": answers.CUT_BODY,
    "cut chunks": answers.CUT_CHUNKS,
    "reset in the body": answers.RESET_BODY,
    "cut JSON": answers.CUT_JSON,
    "empty": answers.EMPTY,
    "blank": answers.BLANK,
    "UTF-16": answers.UTF_16,
    "Latin-1": answers.LATIN_1,
    "HTML": answers.HTML_IN_A_200,
    "half a gzip": answers.HALF_GZIP,
    "cut gzip": answers.CUT_GZIP,
    "gzip cut in its trailer": answers.CUT_GZIP_TRAILER,
    "gzip with a wrong checksum": answers.WRONG_CHECKSUM,
    "gzip with a flipped bit": answers.FLIPPED_BIT,
    "false gzip": answers.FALSE_GZIP,
    "gzip of a gzip": answers.DOUBLE_GZIP,
    "deflate": answers.DEFLATE,
    "brotli": answers.BROTLI,
    "zstd": answers.ZSTD,
    "nonsense for a coding": answers.UNKNOWN_CODING,
    "17 MiB": answers.oversized(17),
    "17 MiB when unpacked": answers.gzip_bomb(17),
    "200,000 brackets": answers.nested(200_000),
    "200,000 brackets without an end": answers.UNBALANCED,
    "an object without an error": answers.data('{"data": []}'),
    "a number": answers.data("17"),
    "an error 500 in a 200": answers.in_a_200(answers.SERVER_ERROR),
    "an error of words in a 200": answers.in_a_200(answers.error(400, {"error": "something"})),
    "204": answers.NO_CONTENT,
    "206": answers.PARTIAL_CONTENT,
    "408": answers.bare(408),
    "425": answers.bare(425),
    "500": answers.SERVER_ERROR,
    "502": answers.BAD_GATEWAY,
    "503": answers.UNAVAILABLE,
    **{str(status): answers.cloudflare_error(status) for status in range(520, 531)},
}
THROTTLED: dict[str, answers.Answer] = {
    "429": answers.RATE_LIMITED,
    "429 in a 200": answers.RATE_LIMITED_IN_A_200,
    "429 of Cloudflare": answers.cloudflare_limited(1),
    "429 until a second ago": answers.rate_limited("Sun, 22 Nov 2026 12:00:00 GMT"),
    "429 with nonsense": answers.rate_limited("soon"),
    "429 with 35 digits": answers.rate_limited("9" * 35),
    "503 with a time": answers.unavailable(1),
}
REFUSED: dict[str, tuple[answers.Answer, str]] = {
    "no key": (answers.KEY_MISSING, "is COINGECKO_API_KEY set, and right for COINGECKO_PLAN?"),
    "not in the plan": (answers.NOT_IN_PLAN, "COINGECKO_PLAN does not include this"),
    "credits spent": (answers.CREDITS_SPENT, "wait for the next month or change the plan"),
    "a paid key at the free host": (answers.PRO_KEY_AT_PUBLIC_HOST, "belongs to pro-api.coingecko.com"),
    "a demo key at the paid host": (answers.DEMO_KEY_AT_PRO_HOST, "belongs to api.coingecko.com"),
    "no currency": (answers.NO_CURRENCY, "check VS_CURRENCY"),
    "a wrong currency": (answers.WRONG_CURRENCY, "check VS_CURRENCY"),
    "no key, in a 200": (answers.in_a_200(answers.KEY_MISSING), "is COINGECKO_API_KEY set"),
}


def nothing_is_missing() -> bool:
    return not FullCoin.objects.exclude(missing_since=None).exists()


def test_every_fault_that_passes_costs_one_request_and_nothing_else(crawl: Crawl) -> None:
    passing = [*BROKEN.values(), *THROTTLED.values()]
    with FakeAPI(Market(coins=len(passing) * 10)) as api:
        for page, answer in enumerate(passing, start=1):
            api.fault(answer, page=page)
        done = crawl(api, "-a", "per_page=10")

    run = last_run()
    pages = Counter(request.params.get("page") for request in api.requests if "ids" not in request.params)
    assert (done.returncode, run.reason, FullCoin.objects.count()) == (0, "", len(passing) * 10)
    assert (run.retries, run.throttled) == (len(BROKEN), len(THROTTLED))
    assert {pages[str(page)] for page in range(1, len(passing) + 1)} == {2}
    assert len(api.requests) == run.requests == run.pages + len(passing)
    assert not RejectedRecord.objects.exists()
    assert nothing_is_missing()


def test_an_answer_that_does_not_come_is_asked_for_again(api: FakeAPI, crawl: Crawl) -> None:
    for page, answer in enumerate([answers.HANGS, answers.STALLS, answers.trickles(100)], start=2):
        api.fault(answer, page=page)

    done = crawl(api, "-s", "DOWNLOAD_TIMEOUT=5", "-a", "per_page=100")

    assert (done.returncode, last_run().retries, FullCoin.objects.count()) == (0, 3, 600)
    assert last_run().credits == sum(request.status == 200 for request in api.requests)


@pytest.mark.parametrize(
    ("page", "fault"),
    [(1, "500"), (1, "cut"), (2, "500"), (2, "hung up"), (2, "gzip with a flipped bit"), (3, "HTML"), (4, "500")],
)
def test_a_page_that_stays_broken_is_made_up_for_by_id(page: int, fault: str, api: FakeAPI, crawl: Crawl) -> None:
    api.fault(
        lambda request: api.usual(request) if "ids" in request.params else BROKEN[fault], page=page, times=math.inf
    )

    done = crawl(api)

    run = last_run()
    asked = [request for request in api.requests if request.params.get("page") == str(page)]
    assert (done.returncode, run.verdict, FullCoin.objects.count()) == (0, "complete", 600)
    assert f"page {page} stayed broken" in run.messages
    assert len(asked) == 6
    assert nothing_is_missing()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ({"path": "/coins/list"}, "without /coins/list nothing proves that this is the whole market"),
        ({"ids": "bitcoin"}, "stayed broken: status 500"),
        ({"path": None}, "the API returned no coins at all"),
    ],
    ids=["the list", "coins asked for by id", "everything"],
)
def test_what_nothing_makes_up_for_makes_the_run_partial(
    place: dict[str, Any], reason: str, api: FakeAPI, crawl: Crawl
) -> None:
    crawl(api)
    api.fault(answers.data("[]"), page=1, times=2)  # so that its coins have to be asked for by id
    api.fault(answers.SERVER_ERROR, times=math.inf, **place)
    asked = len(api.requests)

    done = crawl(api)

    assert done.returncode == 3
    assert reason in last_run().reason
    assert len(api.requests) - asked <= 6 * 5
    assert nothing_is_missing()


def by_turns(*kinds: answers.Answer) -> Callable[[Request], answers.Answer]:
    turns = cycle(kinds)
    return lambda request: next(turns)


BY_TURNS = by_turns(answers.UNAVAILABLE, answers.rate_limited("soon"))
PAGES = ["-a", "per_page=50"]
IDS = ["-a", f"ids={','.join(f'coin-{number}' for number in range(3_000))}"]


@pytest.mark.parametrize(
    ("before", "dead", "arguments", "answer"),
    [
        (False, {"path": "/coins/markets"}, PAGES, answers.UNAVAILABLE),
        (True, {"path": "/coins/markets"}, PAGES, answers.HTML_IN_A_200),
        (False, {"path": "/coins/markets"}, IDS, answers.UNAVAILABLE),
        (True, {"path": "/coins/markets", "after": 1}, PAGES, answers.UNAVAILABLE),
        (True, {"path": "/coins/markets", "after": 1}, PAGES, answers.rate_limited("soon")),
        (True, {"path": "/coins/markets", "after": 1}, PAGES, by_turns(*5 * [answers.UNAVAILABLE], answers.data("[]"))),
        (True, {"path": "/coins/markets", "after": 1}, PAGES, BY_TURNS),
        (False, {"path": "/coins/markets", "after": 1}, PAGES, answers.HTML_IN_A_200),
        (False, {"path": None, "after": 5}, PAGES, answers.UNAVAILABLE),
    ],
    ids=[
        "pages",
        "pages of before",
        "ids",
        "after page one of before",
        "rests",
        "empty pages at times",
        "rests by turns",
        "after page one",
        "after five",
    ],
)
def test_a_dead_source_is_left_alone(
    before: bool, dead: dict[str, Any], arguments: list[str], answer: Any, crawl: Crawl
) -> None:
    with FakeAPI(Market(coins=500)) as api:
        if before:
            crawl(api, *arguments)
        asked = len(api.requests)
        api.fault(answer, times=math.inf, **dead)
        done = crawl(api, *arguments)

    run = last_run()
    assert done.returncode in (1, 3)
    assert "stopped answering" in run.reason or "asked to slow down 21 times in a row" in run.reason
    # 21 rests or 35 useless answers, and what had passed the middlewares by then
    assert len(api.requests) - asked <= 60
    assert nothing_is_missing()


@pytest.mark.parametrize(("refusal", "page"), [*((refusal, 1) for refusal in REFUSED), ("no key", 3)])
def test_a_refusal_ends_the_run_at_once_with_what_to_check(refusal: str, page: int, api: FakeAPI, crawl: Crawl) -> None:
    answer, remedy = REFUSED[refusal]
    api.fault(answer, page=page)

    done = crawl(api)

    run = last_run()
    assert (done.returncode, run.verdict) == (1, "failed")
    assert remedy in run.reason
    assert remedy in done.stderr.splitlines()[-1]
    assert page <= len(api.requests) <= (1 if page == 1 else 5)  # all pages and the list may be in flight with page 3
    assert run.seen == FullCoin.objects.count()
    assert nothing_is_missing()


GATEWAYS = {
    "a front": answers.BLOCKED,
    "an address that is not there": answers.bare(404),
    "a portal": answers.bare(401),
    "a redirect": answers.redirect("https://elsewhere.example/"),
}


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_before_any_page_a_gateway_is_tried_three_times_and_its_words_are_said(
    gateway: str, api: FakeAPI, crawl: Crawl
) -> None:
    answer = GATEWAYS[gateway]
    api.fault(answer, times=math.inf)

    done = crawl(api)

    assert (done.returncode, len(api.requests)) == (1, 3)
    assert last_run().reason.startswith(f"the API answered {answer.status}")
    assert re.search("key|KEY|BASE_API_URL", last_run().reason)


@pytest.mark.parametrize("gateways", [[*GATEWAYS][:2], [*GATEWAYS][2:]], ids=" and ".join)
def test_after_a_page_a_gateway_costs_no_coin(gateways: list[str], api: FakeAPI, crawl: Crawl) -> None:
    pages = dict(enumerate((GATEWAYS[gateway] for gateway in gateways), start=2))
    for page, answer in pages.items():
        api.fault(answer, page=page, times=math.inf)
        api.fault(answer, path="/coins/list")

    done = crawl(api, "-a", "per_page=100")

    assert (done.returncode, FullCoin.objects.count()) == (0, 600)
    for page, answer in pages.items():
        assert f"page {page} stayed broken: the API answered {answer.status}" in last_run().messages


def test_records_that_are_nested_too_deeply_are_rejected_alone(api: FakeAPI, crawl: Crawl) -> None:
    for coin_id in ("bitcoin", "ethereum"):
        api.market.replace(coin_id, answers.nested_record(coin_id, 200_000))

    done = crawl(api)

    records = RejectedRecord.objects.order_by("coin_id")
    assert (done.returncode, FullCoin.objects.count()) == (0, 598)
    assert [record.coin_id for record in records] == ["bitcoin", "ethereum"]
    for record in records:
        assert record.reasons == "record: nested too deeply to be read"
        assert record.raw.startswith(f'{{"id":"{record.coin_id}"')
        assert len(record.raw) <= 64_000


def test_of_very_many_rejected_records_a_run_keeps_the_first_thousand(api: FakeAPI, crawl: Crawl) -> None:
    records = ",".join(f'{{"name": "{number}"}}' for number in range(1_010))
    api.fault(answers.data(f"[{records}]"), page=2, times=2)

    done = crawl(api)

    run = last_run()
    assert (done.returncode, run.rejected, RejectedRecord.objects.count()) == (3, 1_010, 1_000)
    assert "10 rejected records not kept, only counted: a run keeps the first 1,000" in run.messages
    assert nothing_is_missing()


def test_a_page_of_unusable_records_that_is_right_the_next_time_rejects_nothing(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.data(f"[{','.join(['{}'] * 250)}]"), page=2)

    done = crawl(api)

    run = last_run()
    assert (done.returncode, run.seen, run.rejected, run.pages) == (0, 600, 0, 8)


def test_a_page_of_unusable_records_is_kept_as_one_rejection(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(replace(answers.data(f"[{','.join(['{}'] * 2_000)}]")), page=2, times=2)

    done = crawl(api)

    assert done.returncode == 3
    assert last_run().rejected == 2_000
    assert RejectedRecord.objects.get().count == 2_000
    assert nothing_is_missing()
