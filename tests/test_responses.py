"""The judge of answers, in a table of what the API and its front have sent."""

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from scrapy.http import Response

from coincrawl.responses import Broken, Judgement, Refused, Rows, Throttled, judge
from coincrawl.spiders.markets import only_id
from tests.fake_api import Answer, answers

RECEIVED = datetime(2026, 11, 22, 12, tzinfo=UTC)
DATE = {"date": "Sun, 22 Nov 2026 12:00:00 GMT"}


def judged(answer: Answer, **headers: str) -> Judgement:
    response = Response("http://x/", status=answer.status, headers={**answer.headers, **headers}, body=answer.body)
    return judge(response, RECEIVED)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (answers.data("[]"), Rows),
        (answers.data('[{"id": "bitcoin"}]'), Rows),
        (answers.data("\ufeff[1]"), Rows),
        (answers.data('[{"current_price": NaN}]'), Rows),
        (answers.rate_limited(30), Throttled),
        (answers.cloudflare_limited(30), Throttled),
        (answers.RATE_LIMITED, Throttled),
        (answers.RATE_LIMITED_IN_A_200, Throttled),
        (answers.error(200, {"error_code": float("nan")}), Broken),
        (answers.EMPTY, Broken),
        (answers.CUT_JSON, Broken),
        (answers.data("<html>"), Broken),
        (answers.data("[" * 200_000), Broken),
        (answers.data('{"data": []}'), Broken),
        (Answer(body=gzip.compress(b"[]")), Broken),
        (answers.SERVER_ERROR, Broken),
        (answers.BAD_GATEWAY, Broken),
        (Answer(520), Broken),
        (Answer(408), Broken),
        (answers.CREDITS_SPENT, Refused),
        (answers.KEY_MISSING, Refused),
        (answers.NOT_IN_PLAN, Refused),
        (answers.PRO_KEY_AT_PUBLIC_HOST, Refused),
        (answers.DEMO_KEY_AT_PRO_HOST, Refused),
        (answers.NO_USER_AGENT, Refused),
        (answers.NO_CURRENCY, Refused),
        (answers.NO_SUCH_PATH, Refused),
        (answers.redirect("http://elsewhere/"), Refused),
    ],
)
def test_each_answer_is_worth_one_thing(answer: Answer, kind: type) -> None:
    assert isinstance(judged(answer), kind)


@pytest.mark.parametrize(
    "text",
    [
        "0.000000000000000001",
        "21000000.0",
        "1e-18",
        "3.2e+46",
        "9" * 5_000,
        "1e999999999999",
        "-0.0",
        "12345678901234567890",
    ],
)
def test_numbers_keep_every_digit(text: str) -> None:
    assert judged(answers.data(f"[{text}]")) == Rows([Decimal(text)])


@pytest.mark.parametrize(
    ("text", "value"), [("1e9999999999999999999", "Infinity"), ("-1e9999999999999999999", "-Infinity")]
)
def test_a_number_beyond_all_numbers_is_a_row_for_the_cleaner_to_reject(text: str, value: str) -> None:
    assert judged(answers.data(f"[{text}]")) == Rows([Decimal(value)])


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30),
        ({"retry-after": "Sun, 22 Nov 2026 12:01:30 GMT", **DATE}, 90),
        ({"retry-after": "Sunday, 22-Nov-26 12:01:30 GMT", **DATE}, 90),
        ({"x-ratelimit-reset": "2026-11-22 12:00:54 +0000", **DATE}, 54),
        ({"x-ratelimit-reset": "2026-11-22 14:00:54 +0200", **DATE}, 54),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9" * 35}, None),
        ({"retry-after": "Sun, 22 Nov 2026 11:59:00 GMT", **DATE}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read_where_it_makes_sense(headers: dict[str, str], seconds: float | None) -> None:
    judgement = judged(answers.RATE_LIMITED, **headers)

    assert isinstance(judgement, Throttled)
    assert judgement.seconds == seconds


def test_a_refusal_repeats_the_apis_words_and_says_what_to_check() -> None:
    judgement = judged(answers.DEMO_KEY_AT_PRO_HOST)

    assert isinstance(judgement, Refused)
    assert "If you are using Demo API key" in judgement.reason
    assert judgement.reason.endswith("a demo key belongs to api.coingecko.com: check COINGECKO_PLAN and BASE_API_URL")


def test_an_apis_words_cannot_forge_a_second_line() -> None:
    judgement: Any = judged(answers.error(422, {"error": "no\n2026-11-22 [coincrawl] INFO: markets: complete\x1b[2J"}))

    assert "\n" not in judgement.reason
    assert "\x1b" not in judgement.reason


def test_of_the_list_of_coins_only_the_ids_are_kept() -> None:
    body = b'[{"id": "bitcoin", "symbol": "btc"}, {"symbol": "x"}, 5]'

    judgement = judge(Response("http://x/", body=body), RECEIVED, hook=only_id)

    assert judgement == Rows(["bitcoin", {"symbol": "x"}, 5])


def test_an_error_is_an_error_also_where_only_ids_are_wanted() -> None:
    judgement = judge(Response("http://x/", body=answers.RATE_LIMITED_IN_A_200.body), RECEIVED, hook=only_id)

    assert isinstance(judgement, Throttled)
