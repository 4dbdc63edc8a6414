"""The judge of answers: what is rows, what is a request to wait, what is worth another try and what ends the run."""

import gzip
import json
import time
import tracemalloc
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from scrapy.http import Response

from coincrawl.body import MAX_BODY, MAX_MEMBERS
from coincrawl.responses import REMEDIES, Broken, Judgement, Refused, Rows, Throttled, judge
from coincrawl.spiders.markets import MarketsSpider, only_id
from fake_api import Answer, answers
from webapp.coins.texts import Nested, Repeating, raw_json

RECEIVED = datetime(2026, 11, 22, 12, tzinfo=UTC)
DATE = {"date": "Sun, 22 Nov 2026 12:00:00 GMT"}
SECRET = "CG-0123456789abcdef"
FORGERY = "no\n2026-11-22 [coincrawl] INFO: markets: complete\r\u2028\x1b[2J"


def judged(answer: Answer, headers: dict[str, Any] | None = None, **options: Any) -> Judgement:
    response = Response(
        "http://x/", status=answer.status, headers={**answer.headers, **(headers or {})}, body=answer.body
    )
    return judge(
        response, RECEIVED, **{"remedies": MarketsSpider.remedies, "fatal_codes": MarketsSpider.fatal_codes, **options}
    )


def table(rows: dict[str, Any]) -> list[Any]:
    """Parameters under their ids."""
    return [pytest.param(*(row if isinstance(row, tuple) else [row]), id=name) for name, row in rows.items()]


# Rows ------------------------------------------------------------------------------------------------

BITCOIN = b'[{"id":"bitcoin","current_price":60000.000000000000000001}]'
BITCOIN_ROWS = [{"id": "bitcoin", "current_price": Decimal("60000.000000000000000001")}]
HALVES = gzip.compress(BITCOIN[:20]) + gzip.compress(BITCOIN[20:])


@pytest.mark.parametrize(
    ("answer", "rows"),
    table(
        {
            "a page": (Answer(body=BITCOIN), BITCOIN_ROWS),
            "the page past the end": (answers.data("[]"), []),
            "with space around it": (answers.data(" \r\n\t[ ] \n"), []),
            "under another content-type": (Answer(body=BITCOIN, headers=answers.HTML), BITCOIN_ROWS),
            "without a content-type": (Answer(body=BITCOIN, headers={}), BITCOIN_ROWS),
            "after a byte order mark": (Answer(body=b"\xef\xbb\xbf" + BITCOIN), BITCOIN_ROWS),
            "what is no object": (answers.data('[null, true, 5, "x", []]'), [None, True, Decimal(5), "x", []]),
            "all of Unicode": (answers.data('["\\ud800 \\ud83d\\ude80 🚀 \\u0000"]'), ["\ud800 🚀 🚀 \0"]),
            "gzip": (answers.packed(gzip.compress(BITCOIN)), BITCOIN_ROWS),
            "gzip by its old name": (answers.packed(gzip.compress(BITCOIN), " X-GZip "), BITCOIN_ROWS),
            "gzip in two members": (answers.packed(HALVES), BITCOIN_ROWS),
            "gzip with an empty member": (answers.packed(gzip.compress(b"") + gzip.compress(BITCOIN)), BITCOIN_ROWS),
            "identity": (answers.packed(BITCOIN, "identity"), BITCOIN_ROWS),
            "90 levels": (answers.data("[" * 90 + "]" * 90), json.loads("[" * 90 + "]" * 90)),
        }
    ),
)
def test_a_list_is_rows(answer: Answer, rows: list[Any]) -> None:
    assert judged(answer) == Rows(rows)


@pytest.mark.parametrize(
    "text",
    [
        "0.000000000000000001",
        "21000000.0",
        "1e-18",
        "3.2e+46",
        pytest.param("9" * 5_000, id="5,000 digits"),
        "1e999999999999",
        "-0.0",
        "12345678901234567890",
    ],
)
def test_numbers_keep_every_digit(text: str) -> None:
    judgement: Any = judged(answers.data(f"[{text}]"))

    assert str(judgement.rows[0]) == str(Decimal(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e9999999999999999999", "Infinity"),
        ("-1e9999999999999999999", "-Infinity"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("NaN", "NaN"),
    ],
)
def test_what_is_no_number_is_a_row_for_the_cleaner_to_reject(text: str, value: str) -> None:
    judgement: Any = judged(answers.data(f'[{{"ath": {text}, "atl": 0.10}}]'))

    assert {name: str(number) for name, number in judgement.rows[0].items()} == {"ath": value, "atl": "0.10"}


@pytest.mark.parametrize("text", ["0E99999999999999999999", "-0.00e-99999999999999999999", "0e99"])
def test_zero_is_zero_whatever_its_exponent(text: str) -> None:
    judgement: Any = judged(answers.data(f"[{text}]"))

    assert judgement.rows == [0]


# A record too deep for the parser --------------------------------------------------------------------

DEPTH = 200_000
DEEP_RECORDS = {
    "lists": f'{{"id":"deep","roi":{"[" * DEPTH}{"]" * DEPTH}}}',
    "objects": '{"roi":' * DEPTH + "1" + "}" * DEPTH,
    "strings in it": f'{{"id":"]}}\\"","roi":{"[" * DEPTH}"}}]\\\\"{"]" * DEPTH}}}',
}
NEIGHBOURS = [
    '{"id":"a]}","current_price":60000.000000000000000001}',
    r'{"id":"b\"]","name":"\\","x":[{"y":[]}]}',
    '{"id":"c","ath":1e-18}',
]


@pytest.mark.parametrize("record", DEEP_RECORDS.values(), ids=DEEP_RECORDS)
@pytest.mark.parametrize("place", range(4))
def test_a_record_too_deep_for_the_parser_does_not_cost_its_page(record: str, place: int) -> None:
    rows: list[Any] = [json.loads(text, parse_float=Decimal) for text in NEIGHBOURS]
    texts = [*NEIGHBOURS[:place], record, *NEIGHBOURS[place:]]

    judgement = judged(answers.data(f" [ {', '.join(texts)} ] "))

    assert judgement == Rows([*rows[:place], Nested(record), *rows[place:]])


def test_several_such_records_are_told_apart() -> None:
    first, second = (f'{{"id":"{name}","x":{"[" * DEPTH}{"]" * DEPTH}}}' for name in "ab")

    judgement = judged(answers.data(f"[{first},{NEIGHBOURS[2]},{second}]"))

    assert judgement == Rows([Nested(first), {"id": "c", "ath": Decimal("1e-18")}, Nested(second)])


@pytest.mark.parametrize("text", ["\\u0000nested:", "nested 0123:", "nested"])
def test_no_text_passes_for_such_a_record(text: str) -> None:
    deep, other = DEEP_RECORDS["lists"], f'{{"id":"a","name":"{text}{{}}","x":["{text}"]}}'

    judgement = judged(answers.data(f'[{other},{deep},"{text}"]'))

    assert judgement == Rows([json.loads(other), Nested(deep), json.loads(f'"{text}"')])


def test_such_a_record_does_not_cost_the_list_of_ids() -> None:
    record = DEEP_RECORDS["lists"]

    judgement = judged(answers.data(f'[{{"id":"a","symbol":"]"}},{record},{{"id":"b"}}]'), hook=only_id)

    assert judgement == Rows([("a",), Nested(record), ("b",)])


@pytest.mark.parametrize(
    "text",
    table(
        {
            "brackets that never close": "[" * DEPTH,
            "brackets": "[" * DEPTH + "]" * DEPTH,
            "too many closing ones": "[" * DEPTH + "]" * DEPTH * 2,
            "only closing ones": "]" * DEPTH,
            "a record that is a list": f'[{{"id":"a"}},{"[" * DEPTH}{"]" * DEPTH}]',
            "an object": f'{{"data":{{"x":{"[" * DEPTH}{"]" * DEPTH}}}}}',
            "an object with a code": f'{{"status":{{"error_code":404,"x":{"[" * DEPTH}{"]" * DEPTH}}}}}',
            "cut after the deep record": f"[{DEEP_RECORDS['lists']},",
            "cut in the deep record": f"[{NEIGHBOURS[0]},{DEEP_RECORDS['lists'][:-9]}",
            "bad JSON beside it": f"[{DEEP_RECORDS['lists']},{{id:1}}]",
        }
    ),
)
def test_depth_alone_makes_no_page(text: str) -> None:
    assert isinstance(judged(answers.data(text)), Broken)


@pytest.mark.parametrize("end", ["", "\\"], ids=["cut", "cut behind a backslash"])
def test_a_string_without_an_end_is_read_only_once(end: str) -> None:
    answer = answers.data(f'[{{"x":{"[" * DEPTH}"' + '\\"' * 20_000 + end)
    begun = time.process_time()

    judgement = judged(answer)

    assert isinstance(judgement, Broken)
    assert time.process_time() - begun < 4  # seconds; read from each quote anew it would be 8


# A key that stands twice ------------------------------------------------------------------------------

DEEP_AND_TWICE = f'{{"id":{"[" * 400}{"]" * 400},"id":{"[" * 50}{{"x":1,"x":2}}{"]" * 50}}}'


@pytest.mark.parametrize(
    ("record", "known", "repeated"),
    table(
        {
            "with two values": ('{"id": "a", "id": "b", "ath": 1.50}', {"ath": Decimal("1.50")}, ["id"]),
            "with one value": ('{"id": "a", "id": "a"}', {}, ["id"]),
            "escaped": (r'{"id": "a", "\u0069d": "b"}', {}, ["id"]),
            "three times": ('{"ath": 1, "ath": 2, "ath": null, "id": "a"}', {"id": "a"}, ["ath"]),
            "two keys": ('{"ath": 1, "atl": 2, "atl": 3, "ath": 4}', {}, ["ath", "atl"]),
            "beside a huge number": ('{"x": 1e99999999999999999999, "id": 1, "id": 2}', {"x": Decimal("inf")}, ["id"]),
            "further inside": ('{"id": "a", "roi": {"times": 1, "times": 2}}', {"id": "a", "roi": {}}, ["roi.times"]),
            "in a list": ('{"id": "a", "x": [1, [{"y": 1, "y": 2}]]}', {"id": "a", "x": [Decimal(1), [{}]]}, ["x.y"]),
            "the object too": (
                '{"roi": {"a": 1, "a": 2, "b": 3}, "roi": {"a": 1}, "id": "a"}',
                {"id": "a"},
                ["roi", "roi.a"],
            ),
            "no key": ('{"": 1, "": 2}', {}, [""]),
            "deep inside": (DEEP_AND_TWICE, {}, ["id", "id.x"]),
        }
    ),
)
def test_what_a_key_stands_for_that_stands_twice_in_a_record_is_not_known(
    record: str, known: dict[str, Any], repeated: list[str]
) -> None:
    judgement: Any = judged(answers.data(f"[{NEIGHBOURS[2]}, {record}]"))

    neighbour, found = judgement.rows
    assert neighbour == {"id": "c", "ath": Decimal("1e-18")}
    assert (dict(found), found.repeated) == (known, repeated)


@pytest.mark.parametrize(
    "record",
    [
        '{"id": "a", "ath": 1.50, "id": "b"}',
        '{"roi": {"times": 1.0, "times": 2}, "id": null, "x": [{"y": "\\ud83d\\ude80", "y": []}]}',
    ],
)
def test_such_a_record_is_kept_as_it_was_sent(record: str) -> None:
    judgement: Any = judged(answers.data(f"[{record}]"))

    assert raw_json(judgement.rows[0]) == record


def test_such_a_record_may_be_too_deep_to_be_written_down() -> None:
    judgement: Any = judged(answers.data("[" + '{"x":1,"x":' * 300 + "1" + "}" * 300 + "]"))

    assert raw_json(judgement.rows[0]) == "(nested too deeply to be written down)"


def test_such_a_record_and_one_too_deep_for_the_parser_cost_no_other() -> None:
    deep = DEEP_RECORDS["lists"]

    judgement: Any = judged(answers.data(f'[{NEIGHBOURS[2]}, {{"id": 1, "id": 2}}, {deep}]'))

    assert judgement.rows == [{"id": "c", "ath": Decimal("1e-18")}, {}, Nested(deep)]
    assert judgement.rows[1].repeated == ["id"]


def test_around_the_records_the_last_value_of_a_key_counts() -> None:
    text = '{"n": 1, "n": 2, "data": {"next": "a", "next": "b", "items": [5], "items": [{"id": 1, "id": 2}]}}'

    judgement: Any = judged(answers.data(text), rows="data.items")

    assert isinstance(judgement.rows[0], Repeating)
    assert (judgement.envelope["n"], judgement.envelope["data"]["next"]) == (2, "b")


def test_an_error_may_have_a_key_twice() -> None:
    text = '{"error": "x", "status": {"error_code": 1, "error_code": 429, "error_message": "slow down"}}'

    assert judged(answers.data(text)) == Throttled("slow down", None)


def test_an_entry_of_the_list_with_two_ids_names_none() -> None:
    answer = answers.data('[{"id": "a", "id": "b"}, {"id": "c", "name": "x", "name": "y"}]')

    judgement: Any = judged(answer, hook=only_id)

    assert judgement.rows == [{"id": "b"}, ("c",)]


# Rows in an object -----------------------------------------------------------------------------------


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


@pytest.mark.parametrize("record", DEEP_RECORDS.values(), ids=DEEP_RECORDS)
def test_a_record_in_an_object_too_deep_for_the_parser_does_not_cost_its_page(record: str) -> None:
    text = f'{{"n": 1, "links": [[1], {{"a": [2]}}], "data": {{"items": [{NEIGHBOURS[2]}, {record}, 5]}}, "x": [[]]}}'

    judgement: Any = judged(answers.data(text), rows="data.items")

    assert judgement.rows == [{"id": "c", "ath": Decimal("1e-18")}, Nested(record), 5]
    assert (judgement.envelope["n"], judgement.envelope["links"]) == (1, [[1], {"a": [2]}])


def test_what_is_too_deep_and_no_record_breaks_its_page() -> None:
    text = f'{{"results": [{{"id": "a"}}], "links": {"[" * DEPTH}{"]" * DEPTH}}}'

    assert judged(answers.data(text), rows="results") == Broken("nested too deeply")


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


@pytest.mark.parametrize(
    ("headers", "seconds"),
    table(
        {
            "seconds": ({"retry-after": "30"}, 30),
            "seconds in spaces": ({"retry-after": " 30 "}, 30),
            "a day": ({"retry-after": "86400"}, 86400),
            "RFC 1123": ({"retry-after": "Sun, 22 Nov 2026 12:01:30 GMT", **DATE}, 90),
            "RFC 850": ({"retry-after": "Sunday, 22-Nov-26 12:01:30 GMT", **DATE}, 90),
            "asctime": ({"retry-after": "Sun Nov 22 12:01:30 2026", **DATE}, 90),
            "by a clock that is late": (
                {"retry-after": "Mon, 01 Jan 2001 00:00:07 GMT", "date": "1 Jan 2001 00:00"},
                7,
            ),
            "without a Date, by ours": ({"retry-after": "Sun, 22 Nov 2026 12:01:30 GMT"}, 90),
            "with a Date that is none": ({"retry-after": "Sun, 22 Nov 2026 12:01:30 GMT", "date": "today"}, 90),
            "reset": ({"x-ratelimit-reset": "2026-11-22 12:00:54 +0000", **DATE}, 54),
            "reset in another zone": ({"x-ratelimit-reset": "2026-11-22 14:00:54 +0200", **DATE}, 54),
            "reset without a Date": ({"x-ratelimit-reset": "2026-11-22 12:00:54 +0000"}, 54),
            "both, and seconds count": ({"retry-after": "5", "x-ratelimit-reset": "2026-11-22 12:00:54 +0000"}, 5),
            "nonsense and reset": ({"retry-after": "soon", "x-ratelimit-reset": "2026-11-22 12:00:54 +0000"}, 54),
            "zero and reset": ({"retry-after": "0", "x-ratelimit-reset": "2026-11-22 12:00:54 +0000"}, 54),
            "the past and reset": (
                {"retry-after": "Sun, 22 Nov 2026 11:59:00 GMT", "x-ratelimit-reset": "2026-11-22 12:00:54 +0000"},
                54,
            ),
            "nothing": ({}, None),
            "empty": ({"retry-after": ""}, None),
            "zero": ({"retry-after": "0"}, None),
            "zeros": ({"retry-after": "000"}, None),
            "negative": ({"retry-after": "-5"}, None),
            "signed": ({"retry-after": "+5"}, None),
            "decimal": ({"retry-after": "30.5"}, None),
            "scientific": ({"retry-after": "1e3"}, None),
            "another script's digits": ({"retry-after": "\u0663\u0660"}, None),
            "latin-1's digits": ({"retry-after": b"3\xb2"}, None),
            "nonsense": ({"retry-after": "soon"}, None),
            "35 digits": ({"retry-after": "9" * 35}, None),
            "two values": ({"retry-after": "30, 60"}, None),
            "now": ({"retry-after": "Sun, 22 Nov 2026 12:00:00 GMT", **DATE}, None),
            "the past": ({"retry-after": "Sun, 22 Nov 2026 11:59:00 GMT", **DATE}, None),
            "no possible date": ({"retry-after": "Sun, 31 Feb 2026 12:01:30 GMT", **DATE}, None),
            "reset in the past": ({"x-ratelimit-reset": "2026-11-22 11:59:00 +0000", **DATE}, None),
            "reset is nonsense": ({"x-ratelimit-reset": "soon", **DATE}, None),
            "reset without a zone": ({"x-ratelimit-reset": "2026-11-22 12:00:54", **DATE}, None),
            "reset as a number": ({"x-ratelimit-reset": "1795348854", **DATE}, None),
        }
    ),
)
def test_how_long_to_wait_is_read_where_it_makes_sense(headers: dict[str, Any], seconds: float | None) -> None:
    judgement = judged(answers.RATE_LIMITED, headers)

    assert isinstance(judgement, Throttled)
    assert judgement.seconds == seconds


# Broken ----------------------------------------------------------------------------------------------

NOT_GZIP = "not gzip, although its Content-Encoding says so"
CUT = "cut off in the middle"
NO_LIST = "an object where a list of records was expected"
MANY_MEMBERS = answers.packed(gzip.compress(b"") * (MAX_MEMBERS + 1))


@pytest.mark.parametrize(
    ("answer", "reason"),
    table(
        {
            "nothing": (answers.EMPTY, "an empty body"),
            "spaces": (answers.BLANK, "an empty body"),
            "nothing in a gzip": (answers.packed(gzip.compress(b"")), "an empty body"),
            "a gzip of no bytes": (answers.packed(b""), "an empty body"),
            "a byte order mark alone": (Answer(body=b"\xef\xbb\xbf"), "not JSON"),
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
            "null": (answers.data("null"), NO_LIST),
            "a number": (answers.data("1"), NO_LIST),
            "a text": (answers.data('"[]"'), NO_LIST),
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


def test_a_damaged_bit_never_damages_a_digit() -> None:
    packed = gzip.compress(BITCOIN, compresslevel=0, mtime=0)
    damaged = [bytearray(packed) for _ in range(len(packed) * 8)]
    for place, body in enumerate(damaged):
        body[place // 8] ^= 1 << place % 8

    judgements = [judged(answers.packed(bytes(body))) for body in damaged]

    taken = [judgement for judgement in judgements if not isinstance(judgement, Broken)]
    assert all(judgement == Rows(BITCOIN_ROWS) for judgement in taken)
    assert len(taken) < 80  # bits of gzip's header that mean nothing


def test_a_gzip_cut_anywhere_is_broken() -> None:
    packed = gzip.compress(BITCOIN, mtime=0)

    judgements = [judged(answers.packed(packed[:length])) for length in range(1, len(packed))]

    assert judgements == [Broken(CUT)] * (len(packed) - 1)


LIMIT = 1_000


def two_members(body: bytes) -> Answer:
    return answers.packed(gzip.compress(body[:500]) + gzip.compress(body[500:]))


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(lambda body: Answer(body=body), id="plain"),
        pytest.param(lambda body: answers.packed(gzip.compress(body)), id="packed"),
        pytest.param(two_members, id="packed in two"),
    ],
)
def test_a_body_may_have_its_limit_and_not_a_byte_more(sent: Any) -> None:
    fits = b"[" + b" " * (LIMIT - 2) + b"]"

    judgements = [judged(sent(body), limit=LIMIT) for body in (fits, fits + b" ")]

    assert judgements == [Rows([]), Broken(f"longer than {LIMIT} bytes")]


def test_nobody_sends_a_page_longer_than_16_mib() -> None:
    judgement = judged(answers.oversized(16))

    assert judgement == Broken(f"longer than {MAX_BODY} bytes")


def test_a_bomb_is_not_unpacked_further_than_the_limit() -> None:
    bomb = answers.gzip_bomb(64)
    tracemalloc.start()

    judgement = judged(bomb, limit=1 << 20)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert judgement == Broken(f"longer than {1 << 20} bytes")
    assert peak < 8 << 20


# Refused ---------------------------------------------------------------------------------------------

KEY = "is COINGECKO_API_KEY set, and right for COINGECKO_PLAN?"
PLAN = "COINGECKO_PLAN does not include this"
SPENT = "the month's credits are spent: wait for the next month or change the plan"
PRO = "a paid key belongs to pro-api.coingecko.com: check COINGECKO_PLAN and BASE_API_URL"
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
            "403 in a 200": (answers.in_a_200(answers.NO_USER_AGENT), ADDRESS),
            "404 in a 200": (answers.error(200, {"status": 404, "error": "Not Found"}), PATH),
            "code 10005 in a 403": (answers.status_error(403, 10005, "no"), PLAN),
            "a code nobody knows": (answers.status_error(401, 99999, "no"), KEY),
        }
    ),
)
def test_what_will_not_get_better_is_refused_and_says_what_to_check(answer: Answer, remedy: str) -> None:
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


def test_a_refusal_repeats_the_apis_words_and_its_code() -> None:
    judgement = judged(answers.DEMO_KEY_AT_PRO_HOST)

    assert isinstance(judgement, Refused)
    assert judgement.words.startswith(
        "the API answered 400 with code 10011 and said 'If you are using Demo API key, please change your root URL "
    )


# What is repeated ------------------------------------------------------------------------------------


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


def test_of_the_list_of_coins_only_the_ids_are_kept() -> None:
    answer = answers.data('[{"id": "bitcoin", "symbol": "btc"}, {"symbol": "x"}, {"id": 5}, 5]')

    judgement = judged(answer, hook=only_id)

    assert judgement == Rows([("bitcoin",), {"symbol": "x"}, {"id": Decimal(5)}, Decimal(5)])


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


def test_a_body_of_millions_of_brackets_is_given_up_soon() -> None:
    judgement = judged(answers.data('[{"a": ' + "[" * 600_000 + "]" * 600_000 + "}]"))

    assert judgement == Broken("nested too deeply")


@pytest.mark.parametrize(("code", "is_one"), [(0, False), (1, True), (99_999, True), (100_000, False)])
def test_a_code_has_five_digits_at_most_and_is_not_zero(code: int, is_one: bool) -> None:
    judgement = judged(answers.error(401, {"error_code": code, "error": "no"}))

    assert isinstance(judgement, Refused)
    assert (f"with code {code}" in judgement.words) is is_one
