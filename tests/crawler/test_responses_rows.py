"""Where an answer has its records, and what it means if they are not there."""

import json
from decimal import Decimal
from typing import Any

import pytest

from coincrawl.responses import Broken, Refused, Rows
from coincrawl.spiders.markets import only_id
from fake_api import Answer, answers
from tests.support.judging import (
    BITCOIN,
    BITCOIN_ROWS,
    judged,
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("results", '{"count": 2, "next": null, "results": [%s]}'),
        ("data.items", '{"data": {"items": [%s], "more": {}}, "items": 5}'),
        ("data.items", '{"data.items": [%s], "data": {"items": []}}'),
        ("value", '{"@odata.nextLink": "?x", "value": [%s], "error": null, "status": "ok"}'),
    ],
)
def test_rows_may_be_at_a_path_in_an_object(path: str, text: str) -> None:
    text %= BITCOIN[1:-1].decode()

    judgement: Any = judged(answers.data(text), rows=path)

    assert judgement == Rows(BITCOIN_ROWS, json.loads(text, parse_float=Decimal, parse_int=Decimal))


@pytest.mark.parametrize(
    "text",
    [
        '{"detail": "Not here."}',
        '{"results": null}',
        '{"results": {"0": {}}}',
        "[]",
        '"results"',
        "null",
        '{"data": [1]}',
    ],
)
def test_an_answer_without_rows_at_the_path_is_broken(text: str) -> None:
    judgement: Any = judged(answers.data(text), rows="results")

    assert judgement.reason.startswith("no list of records at 'results'")
    assert ("Not here." in judgement.reason) is ("Not here." in text)


@pytest.mark.parametrize(
    ("rows", "text", "fitting"),
    [
        ("results", '[{"id": "a"}]', 'rows=""'),
        ("", '{"results": [{"id": "a"}], "next": null}', 'rows="results"'),
        ("", '{"status": 200, "data": {"items": [{"id": "a"}]}, "more": [1]}', 'rows="data.items"'),
        ("results", '{"data": [{"id": "a"}], "included": [{"id": "b"}]}', 'rows="data" or rows="included"'),
        ("", '{"a": [{}], "b": [{}], "c": [{}], "d": [{}]}', 'rows="a" or rows="b" or rows="c"'),
    ],
)
def test_records_in_another_place_are_named_at_once(rows: str, text: str, fitting: str) -> None:
    judgement: Any = judged(answers.data(text), rows=rows)

    assert "list of records" in judgement.reason
    assert judgement.remedy == f"{fitting} in the spider's pagination would fit"
    assert judgement.tries == 0


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ("", '{"error": "try later", "trace": [{"line": 1}]}'),
        ("", '{"errors": [{"title": "try later"}]}'),
        ("", '{"status": 500, "trace": [{"line": 1}]}'),
        ("", '{"data": []}'),
        ("results", "[]"),
        ("results", '{"results": null, "others": [{"id": "a"}], "next": "?page=2"}'),
        ("", '{"a": {"b": {"c": {"d": {"e": [{"id": "a"}]}}}}}'),
    ],
    ids=["an error", "errors", "a code", "no records", "an empty list", "a null", "too deep"],
)
def test_an_answer_that_may_be_a_lapse_is_worth_another_try(rows: str, text: str) -> None:
    judgement: Any = judged(answers.data(text), rows=rows, is_empty=lambda envelope: False)

    assert (type(judgement), judgement.remedy) == (Broken, "")


@pytest.mark.parametrize("body", [b'{"errors": [{"title": "Not acceptable"}]}', b"<title>Not acceptable</title>", b""])
def test_a_media_type_that_the_source_does_not_have_is_final(body: bytes) -> None:
    """In words of the API's own; a firewall may answer so too, and then it is final only before any page has come."""
    judgement: Any = judged(Answer(status=406, body=body))

    is_own = body.startswith(b"{")
    assert judgement == (Refused if is_own else Broken)(*vars(judgement).values())
    assert is_own or judgement.tries == 0
    assert ("Not acceptable" in str(judgement)) is bool(body)
    assert "does `accept` name the right media type?" in judgement.remedy


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ("data", '{"data": null, "errors": [{"message": "overloaded"}]}'),
        ("data", '{"data": [], "errors": [{"message": "overloaded"}]}'),
        ("results", '{"results": null, "next": null, "error": "overloaded"}'),
        ("results", '{"results": [], "count": 0, "detail": "overloaded"}'),
        ("data", '{"data": [], "status": 503}'),
    ],
)
def test_no_records_beside_an_error_are_no_end(rows: str, text: str) -> None:
    judgement = judged(answers.data(text), rows=rows, is_empty=lambda envelope: True)

    assert isinstance(judgement, Broken)
    assert judgement.tries == 2


@pytest.mark.parametrize(
    "text", ['{"data": [{"id": "a"}], "errors": [{"message": "one is missing"}]}', '{"data": [], "error": null}']
)
def test_records_beside_an_error_are_taken_and_an_empty_error_is_none(text: str) -> None:
    assert isinstance(judged(answers.data(text), rows="data"), Rows)


@pytest.mark.parametrize(("record", "tries"), [('{"id": "a"}', 0), ('{"@type": "x"}', None)])
def test_objects_elsewhere_are_final_where_they_have_an_id(record: str, tries: int | None) -> None:
    """Others may be the details of an error that will pass."""
    judgement: Any = judged(answers.data(f'{{"details": [{record}]}}'), is_record=lambda record: "id" in record)

    assert (judgement.remedy[:14], judgement.tries) == ('rows="details"', tries)


def test_a_path_is_named_as_it_can_be_printed() -> None:
    judgement: Any = judged(answers.data(json.dumps({"a\n" + "b" * 1_000: [{"id": 1}]})))

    assert judgement.remedy.isprintable()
    assert len(judgement.remedy) < 300


def test_a_path_may_have_four_keys() -> None:
    judgement: Any = judged(answers.data('{"a": {"b": {"c": {"d": [{"id": 1}]}}}}'))

    assert judgement.remedy.startswith('rows="a.b.c.d"')


@pytest.mark.parametrize(
    ("is_empty", "text", "rows"),
    [
        (True, '{"results": null, "count": 0}', []),
        (False, '{"results": null, "count": 7}', None),
        (True, '{"count": 0}', None),
        (True, '{"results": {}}', None),
    ],
)
def test_a_null_has_no_records_where_the_object_around_it_says_so(is_empty: bool, text: str, rows: Any) -> None:
    judgement = judged(answers.data(text), rows="results", is_empty=lambda envelope: is_empty)

    assert (judgement.rows if isinstance(judgement, Rows) else None) == rows


def test_a_null_alone_is_no_page() -> None:
    assert isinstance(judged(answers.data("null"), is_empty=lambda envelope: True), Broken)


@pytest.mark.parametrize(("number", "is_page"), [(2_500, True), (2_501, False)])
def test_far_more_records_than_were_asked_for_are_no_page(number: int, is_page: bool) -> None:
    judgement = judged(answers.data(f"[{','.join(['{}'] * number)}]"), max_rows=2_500)

    assert isinstance(judgement, Rows) == is_page
    assert is_page or judgement == Broken("2,501 records, far more than were asked for")


def test_of_the_list_of_coins_only_the_ids_are_kept() -> None:
    answer = answers.data('[{"id": "bitcoin", "symbol": "btc"}, {"symbol": "x"}, {"id": 5}, 5]')

    judgement = judged(answer, hook=only_id)

    assert judgement == Rows([b"bitcoin", {"symbol": "x"}, {"id": Decimal(5)}, Decimal(5)])
