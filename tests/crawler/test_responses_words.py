"""What the judge repeats of an answer: its words and its code, and neither a secret nor a second line."""

import json
from typing import Any

import pytest

from coincrawl.responses import Refused, Rows
from fake_api import Answer, answers
from tests.support.judging import (
    DEEP_RECORDS,
    NEIGHBOURS,
    judged,
    table,
)

SECRET = "CG-0123456789abcdef"
FORGERY = "no\n2026-11-22 [coincrawl] INFO: markets: complete\r\u2028\x1b[2J"


def test_a_refusal_repeats_the_apis_words_and_its_code() -> None:
    judgement = judged(answers.DEMO_KEY_AT_PRO_HOST)

    assert isinstance(judgement, Refused)
    assert judgement.words.startswith(
        "the API answered 400 with code 10011 and said 'If you are using Demo API key, please change your root URL "
    )


@pytest.mark.parametrize(
    "answer",
    table(
        {
            "refused": answers.error(401, {"error": f"Invalid API key: {SECRET}"}),
            "escaped": answers.data(f'{{"status": 401, "error": "\\u0043{SECRET[1:]}"}}'),
            "in an object for words": answers.error(401, {"error": {"key": SECRET}}),
            "a redirect": answers.redirect(f"http://elsewhere/?key={SECRET}"),
            "broken": answers.error(200, {"error": SECRET}),
            "throttled": answers.error(429, {"error": SECRET}),
            "rows": answers.data(f'[{{"id": "bitcoin", "name": "{SECRET}"}}]'),
            "a record too deep": answers.data(DEEP_RECORDS["lists"].join("[]").replace("deep", SECRET)),
        }
    ),
)
def test_the_secret_is_masked(answer: Answer) -> None:
    judgement: Any = judged(answer, secret=SECRET)

    said = str(judgement)
    assert SECRET not in said
    assert "***" in said


def test_without_a_secret_nothing_is_masked() -> None:
    assert judged(answers.data('["***", "CG-"]'), secret="") == Rows(["***", "CG-"])


@pytest.mark.parametrize(
    "answer",
    table(
        {
            "refused": answers.error(422, {"error": FORGERY}),
            "in an object for words": answers.error(422, {"error": [FORGERY]}),
            "throttled": answers.error(429, {"error": FORGERY}),
            "broken": answers.error(200, {"error": FORGERY}),
            "packed": answers.packed(b"[]", FORGERY.replace("\u2028", "\x85")),
            "a redirect": answers.redirect(FORGERY.replace("\u2028", "\x85")),
            "a page of HTML": Answer(403, f"<title>{FORGERY}</title>".encode()),
        }
    ),
)
def test_an_apis_words_cannot_forge_a_second_line(answer: Answer) -> None:
    said = "".join(str(value) for value in vars(judged(answer)).values())

    assert said.isprintable()
    assert said.isascii()


@pytest.mark.parametrize("status", [200, 400, 429])
def test_an_apis_words_are_cut_before_they_fill_the_log(status: int) -> None:
    judgement = judged(answers.error(status, {"error": "x" * 100_000}))

    assert len("".join(str(value) for value in vars(judgement).values())) < 1_000


@pytest.mark.parametrize("body", [r'[{"name": "CG-\u0030123456789abcdef"}]', r'[["CG-0123456789abcde\u0066"]]'])
def test_a_secret_that_json_has_escaped_is_masked_in_rows_too(body: str) -> None:
    judgement = judged(answers.data(body), secret=SECRET)

    assert isinstance(judgement, Rows)
    assert SECRET not in str(judgement.rows)
    assert "***" in str(judgement.rows)


@pytest.mark.parametrize("depth", [100, 300, 520, 900, 990, 1_000, 3_000])
@pytest.mark.parametrize("inside", ["[]", "{}"])
def test_a_deep_record_with_a_backslash_costs_no_other_where_there_is_a_secret(depth: int, inside: str) -> None:
    opening, closing = ("[", "]") if inside == "[]" else ('{"x":', "}")
    deep = f'{{"id":"deep","name":"\\\\","x":{opening * depth}1{closing * depth}}}'
    body = f'[{NEIGHBOURS[1]},{deep},{{"id":"\\u0043{SECRET[1:]}"}}]'

    judgement: Any = judged(answers.data(body), secret=SECRET)

    first, _, last = judgement.rows
    assert (first, last) == (json.loads(NEIGHBOURS[1]), {"id": "***"})


def test_what_is_too_short_for_a_key_is_left_in_the_names_of_coins() -> None:
    judgement = judged(answers.data('[{"id": "bitcoin"}]'), secret="coin")

    assert judgement == Rows([{"id": "bitcoin"}])


@pytest.mark.parametrize(("code", "is_one"), [(0, False), (1, True), (99_999, True), (100_000, False)])
def test_a_code_has_five_digits_at_most_and_is_not_zero(code: int, is_one: bool) -> None:
    judgement = judged(answers.error(401, {"error_code": code, "error": "no"}))

    assert isinstance(judgement, Refused)
    assert (f"with code {code}" in judgement.words) is is_one
