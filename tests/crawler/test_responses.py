"""The judge of answers: what is a request to wait, what is worth another try and what ends the run."""

import gzip
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from coincrawl.body import MAX_MEMBERS
from coincrawl.responses import REMEDIES, Broken, Refused, Rows, Throttled
from coincrawl.spiders.markets import only_id
from fake_api import Answer, answers
from tests.support.judging import (
    BITCOIN,
    CUT,
    HALVES,
    judged,
    table,
)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            Answer(status=401, body=b'{"detail": "Invalid token."}'),
            "the API answered 401 and said 'Invalid token.': is the key or the token",
        ),
        (
            Answer(status=400, body=b'{"page_size": ["Too large."]}'),
            'the API answered 400 and said \'{"page_size": ["Too large."]}\': check the spider',
        ),
        (
            Answer(status=404, body=b'{"detail": "Invalid page."}'),
            "the API answered 404 and said 'Invalid page.': check the address",
        ),
    ],
    ids=["token", "size", "page"],
)
def test_a_source_without_remedies_of_its_own_has_the_usual_ones(answer: Answer, words: str) -> None:
    judgement = judged(answer, rows="results", remedies=REMEDIES, fatal_codes=())

    assert isinstance(judgement, Refused)
    assert f"{judgement.words}: {judgement.remedy}".startswith(words)


# Throttled -------------------------------------------------------------------------------------------

# What Cloudflare sends from in front of the API: HTML of several kB, with scripts, styles and old browsers' comments.
CLOUDFLARE_1015 = answers.page_of_html(
    429,
    "Access denied | api.coingecko.com used Cloudflare to restrict access",
    'Error</span><span>1015</span></h1><h2 class="text-gray-600">You are being rate limited</h2>'
    '<!--[if lt IE 7]> <html class="no-js ie6 oldie"> <![endif]--><script>(function(){var a={event:"click",'
    "properties:{errorCode:1015,helpful:[true]}};JSON.stringify(a)})();</script><span>Ray ID: 7635d7aa8ea503d2 &bull;",
)
OVER_PLAIN_STATUS = answers.error(503, {"error": "maintenance"}, **{"retry-after": "60"})


@pytest.mark.parametrize(
    ("answer", "reason"),
    table(
        {
            "429": (answers.RATE_LIMITED, "You've exceeded the Rate Limit"),
            "429 with a time": (answers.rate_limited(30), "You've exceeded the Rate Limit"),
            "429 from the front": (CLOUDFLARE_1015, "status 429"),
            "429 of HTML with a time": (answers.cloudflare_limited(30), "status 429"),
            "429 without a body": (Answer(429), "status 429"),
            "429 with a list": (Answer(429, b"[]"), "status 429"),
            "429 cut": (Answer(429, answers.CUT_GZIP.body, answers.CUT_GZIP.headers), "status 429"),
            "429 with another code": (answers.status_error(429, 10005, "not in the plan"), "not in the plan"),
            "429 in a 200": (answers.RATE_LIMITED_IN_A_200, "You've exceeded the Rate Limit"),
            "a code beside the status": (answers.error(200, {"error_code": 429, "status": {}}), "status 200"),
            "a code as a text": (answers.error(200, {"error_code": "429"}), "status 200"),
            "a status as a text": (answers.error(200, {"status": "429", "error": "Throttled"}), "Throttled"),
            "a number for a status": (answers.error(200, {"status": 429, "error": "Throttled"}), "Throttled"),
            "429 in a 403": (answers.status_error(403, 429, "slow down"), "slow down"),
            "429 in a 500": (answers.status_error(500, 429, "slow down"), "slow down"),
            "503 with a time": (OVER_PLAIN_STATUS, "maintenance"),
            "503 of HTML with a time": (answers.unavailable(60), "status 503"),
        }
    ),
)
def test_a_request_to_slow_down_is_throttled(answer: Answer, reason: str) -> None:
    judgement = judged(answer)

    assert isinstance(judgement, Throttled)
    assert judgement.reason.startswith(reason)


def test_a_request_to_slow_down_is_heard_also_where_only_ids_are_wanted() -> None:
    assert isinstance(judged(answers.RATE_LIMITED_IN_A_200, hook=only_id), Throttled)


# Broken ----------------------------------------------------------------------------------------------

NOT_GZIP = "not gzip, although its Content-Encoding says so"
WHERE_A_LIST = "where a list of records was expected"
NO_LIST = f"an object {WHERE_A_LIST}"
MANY_MEMBERS = answers.packed(gzip.compress(b"") * (MAX_MEMBERS + 1))


@pytest.mark.parametrize(
    ("answer", "reason"),
    table(
        {
            "nothing": (answers.EMPTY, "an empty body"),
            "spaces": (answers.BLANK, "an empty body"),
            "nothing in a gzip": (answers.packed(gzip.compress(b"")), "an empty body"),
            "a gzip of no bytes": (answers.packed(b""), "an empty body"),
            "a byte order mark alone": (Answer(body=b"\xef\xbb\xbf"), "an empty body"),
            "two byte order marks": (Answer(body=b"\xef\xbb\xbf" * 2 + BITCOIN), "not JSON"),
            "HTML": (answers.HTML_IN_A_200, "not JSON"),
            "UTF-16": (answers.UTF_16, "not JSON"),
            "UTF-16 without a mark": (Answer(body=BITCOIN.decode().encode("utf-16-le")), "not JSON"),
            "Latin-1": (answers.LATIN_1, "not JSON"),
            "a NUL": (Answer(body=b"[\0]"), "not JSON"),
            "cut": (answers.CUT_JSON, "not JSON"),
            "cut before the last bracket": (Answer(body=BITCOIN[:-1]), "not JSON"),
            "more than one value": (answers.data("[][]"), "not JSON"),
            "JSON lines": (answers.data('{"id":"a"}\n{"id":"b"}'), "not JSON"),
            "null": (answers.data("null"), f"null {WHERE_A_LIST}"),
            "a number": (answers.data("1"), f"a number {WHERE_A_LIST}"),
            "a text": (answers.data('"[]"'), f"a text {WHERE_A_LIST}"),
            "an object": (answers.data("{}"), NO_LIST),
            "a list in an object": (answers.data('{"data": []}'), NO_LIST),
            "words in a 200": (answers.error(200, {"error": "try later"}), f"{NO_LIST}: try later"),
            "500 in a 200": (answers.in_a_200(answers.SERVER_ERROR), f"{NO_LIST}: Internal Server Error"),
            "a code nobody knows": (answers.status_error(200, 99999, "x"), f"{NO_LIST}: x"),
            "NaN for a code": (answers.error(200, {"error_code": float("nan")}), NO_LIST),
            "infinity for a code": (answers.error(200, {"error_code": float("inf")}), NO_LIST),
            "an object for words": (answers.error(200, {"error": {"id": 1.50}}), f'{NO_LIST}: {{"id": 1.5}}'),
            "gzip cut in half": (answers.HALF_GZIP, CUT),
            "gzip cut before its checksum": (answers.CUT_GZIP, CUT),
            "gzip cut in the trailer": (answers.CUT_GZIP_TRAILER, CUT),
            "gzip with a byte missing": (answers.packed(gzip.compress(BITCOIN)[:-1]), CUT),
            "gzip cut in the second member": (answers.packed(HALVES[:-1]), CUT),
            "gzip's header alone": (answers.packed(gzip.compress(BITCOIN)[:10]), CUT),
            "wrong checksum": (answers.WRONG_CHECKSUM, NOT_GZIP),
            "wrong length": (answers.packed(gzip.compress(BITCOIN)[:-4] + b"\0\0\0\1"), NOT_GZIP),
            "a damaged digit": (answers.FLIPPED_BIT, NOT_GZIP),
            "plain, and says gzip": (answers.FALSE_GZIP, NOT_GZIP),
            "zlib, and says gzip": (answers.packed(zlib.compress(BITCOIN)), NOT_GZIP),
            "gzip with an appendix": (answers.packed(gzip.compress(BITCOIN) + b"[]"), NOT_GZIP),
            "gzip, and does not say so": (Answer(body=gzip.compress(BITCOIN)), "not JSON"),
            "gzip of too many members": (MANY_MEMBERS, "a gzip of too many members"),
            "gzip of gzip": (answers.packed(gzip.compress(gzip.compress(BITCOIN))), "not JSON"),
            "says gzip twice": (answers.DOUBLE_GZIP, "packed as gzip, gzip, which was not asked for"),
            "deflate": (answers.DEFLATE, "packed as deflate, which was not asked for"),
            "Brotli": (answers.BROTLI, "packed as br, which was not asked for"),
            "Zstandard": (answers.ZSTD, "packed as zstd, which was not asked for"),
            "nonsense": (answers.UNKNOWN_CODING, "packed as nonsense, which was not asked for"),
            "201": (Answer(201, BITCOIN), "status 201"),
            "204": (answers.NO_CONTENT, "status 204"),
            "206": (answers.PARTIAL_CONTENT, "status 206"),
            "299": (Answer(299, BITCOIN), "status 299"),
            "408": (answers.bare(408), "status 408"),
            "425": (answers.bare(425), "status 425"),
            "500": (answers.SERVER_ERROR, "status 500"),
            "500 with a list": (Answer(500, BITCOIN), "status 500"),
            "502": (answers.BAD_GATEWAY, "status 502"),
            "503": (answers.UNAVAILABLE, "status 503"),
            "503 at no time": (answers.unavailable(0), "status 503"),
            "503 with nonsense": (answers.unavailable("soon"), "status 503"),
            "504 with a time": (Answer(504, headers={"retry-after": "60"}), "status 504"),
            "304": (answers.NOT_MODIFIED, "status 304"),
            "300 without a Location": (Answer(300), "status 300"),
            "414": (answers.URL_TOO_LONG, "status 414"),
            "418": (answers.bare(418), "status 418"),
            "451": (answers.bare(451), "status 451"),
            "a text for a code": (answers.error(200, {"error_code": "4.29e2"}), NO_LIST),
            "0": (Answer(0), "status 0"),
            "0 with a list": (Answer(0, BITCOIN), "status 0"),
            "0 with a code": (answers.status_error(0, 404, "x"), "status 0"),
            "a code of the API's for a status": (Answer(10002), "status 10002"),
            "100": (Answer(100), "status 100"),
            "600": (Answer(600), "status 600"),
        }
    ),
)
def test_what_may_be_better_next_time_is_broken(answer: Answer, reason: str) -> None:
    assert judged(answer) == Broken(reason)


def test_every_trouble_of_the_servers_is_worth_another_try() -> None:
    judgements = [judged(answers.cloudflare_error(status)) for status in range(500, 600)]

    assert judgements == [Broken(f"status {status}") for status in range(500, 600)]


# Refused ---------------------------------------------------------------------------------------------

KEY = "is COINGECKO_API_KEY set, and right for COINGECKO_PLAN?"
PLAN = "COINGECKO_PLAN does not include this"
SPENT = "the month's credits are spent: wait for the next month or change the plan"
PRO = "a paid key belongs to pro-api.coingecko.com: check COINGECKO_PLAN and BASE_API_URL"
DAYS = "this plan has the last 365 days only: give fewer days"
DEMO = "a demo key belongs to api.coingecko.com: check COINGECKO_PLAN and BASE_API_URL"
CURRENCY = "check VS_CURRENCY and the spider's arguments"
PATH = "check BASE_API_URL and the spider's arguments"
ADDRESS = "is the key right, the plan sufficient, and this address not blocked?"


@pytest.mark.parametrize(
    ("answer", "remedy"),
    table(
        {
            "400 with words": (answers.WRONG_CURRENCY, CURRENCY),
            "401 with words": (answers.error(401, {"error": "Invalid API key"}), KEY),
            "403": (answers.FORBIDDEN, ADDRESS),
            "403 with its own code": (answers.NO_USER_AGENT, ADDRESS),
            "404": (answers.NO_SUCH_PATH, PATH),
            "404 of a category": (answers.NO_SUCH_CATEGORY, PATH),
            "422": (answers.NO_CURRENCY, CURRENCY),
            "code 10002": (answers.KEY_MISSING, KEY),
            "code 10005": (answers.NOT_IN_PLAN, PLAN),
            "code 10006": (answers.CREDITS_SPENT, SPENT),
            "code 10006 with a time": (replace(answers.CREDITS_SPENT, headers={"retry-after": "60"}), SPENT),
            "code 10010": (answers.PRO_KEY_AT_PUBLIC_HOST, PRO),
            "code 10011": (answers.DEMO_KEY_AT_PRO_HOST, DEMO),
            "10002 in a 200": (answers.in_a_200(answers.KEY_MISSING), KEY),
            "10005 in a 200": (answers.in_a_200(answers.NOT_IN_PLAN), PLAN),
            "10006 in a 200": (answers.in_a_200(answers.CREDITS_SPENT), SPENT),
            "10010 in a 200": (answers.in_a_200(answers.PRO_KEY_AT_PUBLIC_HOST), PRO),
            "10011 in a 200": (answers.in_a_200(answers.DEMO_KEY_AT_PRO_HOST), DEMO),
            "code 10012": (answers.beyond_the_plan(datetime(2026, 2, 5, tzinfo=UTC)), DAYS),
            "403 in a 200": (answers.in_a_200(answers.NO_USER_AGENT), ADDRESS),
            "404 in a 200": (answers.error(200, {"status": 404, "error": "Not Found"}), PATH),
            "code 10005 in a 403": (answers.status_error(403, 10005, "no"), PLAN),
            "a code nobody knows": (answers.status_error(401, 99999, "no"), KEY),
        }
    ),
)
def test_a_final_error_is_a_refusal_that_says_what_to_check(answer: Answer, remedy: str) -> None:
    judgement = judged(answer)

    assert isinstance(judgement, Refused)
    assert judgement.words.startswith(f"the API answered {answer.status}")
    assert (judgement.remedy, judgement.status) == (remedy, answer.status)


@pytest.mark.parametrize(
    ("answer", "words", "remedy"),
    table(
        {
            "400": (Answer(400), "400", CURRENCY),
            "401": (Answer(401), "401", KEY),
            "403 from the front": (answers.BLOCKED, "403 and said 'Attention Required! | Cloudflare'", ADDRESS),
            "403 of a list": (Answer(403, b'["no"]'), "403 and said '[\"no\"]'", ADDRESS),
            "403 of a text": (
                Answer(403, b"Forbidden by  the proxy"),
                "403 and said 'Forbidden by the proxy'",
                ADDRESS,
            ),
            "404 of HTML": (Answer(404, b"<h1>Not <b>found"), "404 and said 'Not found'", PATH),
            "404 of a number": (Answer(404, b"404"), "404 and said '404'", PATH),
            "404 of no text": (Answer(404, b"\xff\xfe"), "404", PATH),
        }
    ),
)
def test_what_a_gateway_refuses_is_worth_another_try_and_says_what_to_check(
    answer: Answer, words: str, remedy: str
) -> None:
    assert judged(answer) == Broken(f"the API answered {words}", remedy)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_of_a_gateway_and_says_whereto(status: int) -> None:
    judgement = judged(answers.redirect("http://elsewhere/", status))

    words = f"the API answered {status}, a redirect to http://elsewhere/"
    assert judgement == Broken(words, "redirects are not followed, so check BASE_API_URL")


@pytest.mark.parametrize("body", [{"detail": "Invalid page."}, {"error": "no such page"}, {"status": 404}], ids=str)
def test_a_404_of_the_api_has_no_records_where_it_may_be_the_end(body: Any) -> None:
    answer = answers.error(404, body)

    assert isinstance(judged(answer, is_end_404=True), Rows)
    assert isinstance(judged(answer), Refused)


def test_a_place_in_an_answer_that_is_no_redirect_says_nothing() -> None:
    judgement = judged(answers.redirect("http://elsewhere/", 400))

    assert judgement == Broken("the API answered 400", "check VS_CURRENCY and the spider's arguments")


def test_no_other_status_is_an_end() -> None:
    assert not isinstance(judged(answers.error(410, {"detail": "Gone."}), is_end_404=True), Rows)


def test_a_404_of_a_gateway_is_no_end() -> None:
    assert isinstance(judged(answers.bare(404), is_end_404=True), Broken)
