"""How the body of an answer is read: unpacked strictly, and parsed without losing a digit or a record."""

import gzip
import json
import time
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy.http import Response

from coincrawl.body import MAX_BODY, text_of
from coincrawl.responses import Broken, Rows, Throttled
from coincrawl.spiders.markets import only_id
from fake_api import Answer, answers
from tests.support.judging import (
    BITCOIN,
    BITCOIN_ROWS,
    CUT,
    DEEP_RECORDS,
    DEPTH,
    HALVES,
    NEIGHBOURS,
    judged,
    table,
)
from webapp.coins.texts import Nested, Repeating, raw_json


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


@pytest.mark.parametrize("record", DEEP_RECORDS.values(), ids=DEEP_RECORDS)
@pytest.mark.parametrize("place", range(4))
def test_a_record_too_deep_for_the_parser_does_not_cost_its_page(record: str, place: int) -> None:
    rows: list[Any] = [json.loads(text, parse_float=Decimal) for text in NEIGHBOURS]
    texts = [*NEIGHBOURS[:place], record, *NEIGHBOURS[place:]]

    judgement = judged(answers.data(f" [ {', '.join(texts)} ] "))

    assert read(judgement) == [*rows[:place], record, *rows[place:]]


def read(judgement: Any) -> list[Any]:
    """The records, and the texts of those that are nested too deeply."""
    return [row.text if isinstance(row, Nested) else row for row in judgement.rows]


def test_several_records_that_are_too_deep_are_kept_apart() -> None:
    first, second = (f'{{"id":"{name}","x":{"[" * DEPTH}{"]" * DEPTH}}}' for name in "ab")

    judgement: Any = judged(answers.data(f"[{first},{NEIGHBOURS[2]},{second}]"))

    assert read(judgement) == [first, {"id": "c", "ath": Decimal("1e-18")}, second]
    assert [row["id"] for row in judgement.rows] == ["a", "c", "b"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"x": DEEP, "id": "a", "ath": 1e-18, "roi": {"times": 2}, "y": [{"id": "b"}, [1]]}', {"id": "a"}),
        (r'{"id": "a ] } \" [", "x": DEEP}', {"id": 'a ] } " ['}),
        ('{"id": "a", "id": "b", "x": DEEP}', {}),
        ('{"id": "a", "x": DEEP, oops}', {}),
    ],
    ids=["inside are no values", "brackets in a text", "a key twice", "not JSON"],
)
def test_of_such_a_record_the_values_that_hold_no_others_are_known(text: str, values: dict[str, Any]) -> None:
    record = text.replace("DEEP", "[" * DEPTH + "]" * DEPTH)

    judgement: Any = judged(answers.data(f"[{record}]"))

    (row,) = judgement.rows
    assert (row.text, {key: row[key] for key in ("id",) if key in row}) == (record, values)
    assert not any(isinstance(value, list | dict) for value in row.values())


@pytest.mark.parametrize("text", ["\\u0000nested:", "nested 0123:", "nested"])
def test_no_text_passes_for_such_a_record(text: str) -> None:
    deep, other = DEEP_RECORDS["lists"], f'{{"id":"a","name":"{text}{{}}","x":["{text}"]}}'

    judgement = judged(answers.data(f'[{other},{deep},"{text}"]'))

    assert read(judgement) == [json.loads(other), deep, json.loads(f'"{text}"')]


def test_such_a_record_does_not_cost_the_list_of_ids() -> None:
    record = DEEP_RECORDS["lists"]

    judgement = judged(answers.data(f'[{{"id":"a","symbol":"]"}},{record},{{"id":"b"}}]'), hook=only_id)

    assert read(judgement) == [b"a", record, b"b"]


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


# A key that appears twice ------------------------------------------------------------------------------

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

    assert read(judgement) == [{"id": "c", "ath": Decimal("1e-18")}, {}, deep]
    assert judgement.rows[1].repeated == ["id"]


def test_around_the_records_the_last_value_of_a_key_counts() -> None:
    text = '{"n": 1, "n": 2, "data": {"next": "a", "next": "b", "items": [5], "items": [{"id": 1, "id": 2}]}}'

    judgement: Any = judged(answers.data(text), rows="data.items")

    assert isinstance(judgement.rows[0], Repeating)
    assert (judgement.envelope["n"], judgement.envelope["data"]["next"]) == (2, "b")


def test_an_error_may_have_a_key_twice() -> None:
    text = '{"error": "x", "status": {"error_code": 1, "error_code": 429, "error_message": "slow down"}}'

    assert judged(answers.data(text)) == Throttled("slow down", None)


@given(st.lists(st.text(), min_size=1), st.integers(1, 9), st.booleans())
def test_ids_of_the_list_are_read_in_any_script_wherever_its_text_is_cut(
    ids: list[str], piece: int, is_packed: bool
) -> None:
    """The text takes a byte for each character."""
    body = json.dumps([{"id": coin_id, "name": "🚀"} for coin_id in ids], ensure_ascii=False).encode()
    sent = answers.packed(gzip.compress(body)) if is_packed else Answer(200, body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coincrawl.body.PIECE", piece)

        assert judged(sent, hook=only_id) == Rows([coin_id.encode() for coin_id in ids])
        assert text_of(Response("https://api.example", body=body), MAX_BODY, "", is_large=True).isascii()


def test_the_list_takes_little_more_memory_than_its_text() -> None:
    body = json.dumps([{"id": f"coin-{number}", "name": "Ünï"} for number in range(50_000)], ensure_ascii=False)
    response = Response("https://api.example", body=gzip.compress(body.encode()), headers={"Content-Encoding": "gzip"})
    tracemalloc.start()

    text = text_of(response, MAX_BODY, "", is_large=True)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * len(text)


@pytest.mark.parametrize("broken", [b"\xff", b"\xed\xa0\x80", b"\xf0\x9f\x9a"], ids=["no text", "surrogate", "cut"])
def test_a_list_that_is_not_utf8_is_broken(broken: bytes) -> None:
    assert judged(Answer(200, b'[{"id": "' + broken + b'"}]'), hook=only_id) == Broken("not JSON")


@pytest.mark.parametrize("piece", [1, 10, 11, 12, 100])
@pytest.mark.parametrize(("text", "ids"), [(r"\é", []), (r"\\é", [r"\é"]), (r"\\\é", [])])
def test_an_escape_that_json_does_not_have_breaks_the_list(
    text: str, ids: list[str], piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coincrawl.body.PIECE", piece)
    expected = Rows([coin_id.encode() for coin_id in ids]) if ids else Broken("not JSON")

    assert judged(Answer(200, f'[{{"id": "{text}"}}]'.encode()), hook=only_id) == expected


def test_an_entry_of_the_list_with_two_ids_names_none() -> None:
    answer = answers.data('[{"id": "a", "id": "b"}, {"id": "c", "name": "x", "name": "y"}]')

    judgement: Any = judged(answer, hook=only_id)

    assert judgement.rows == [{"id": "b"}, b"c"]


@pytest.mark.parametrize("record", DEEP_RECORDS.values(), ids=DEEP_RECORDS)
def test_a_record_in_an_object_too_deep_for_the_parser_does_not_cost_its_page(record: str) -> None:
    text = f'{{"n": 1, "links": [[1], {{"a": [2]}}], "data": {{"items": [{NEIGHBOURS[2]}, {record}, 5]}}, "x": [[]]}}'

    judgement: Any = judged(answers.data(text), rows="data.items")

    assert read(judgement) == [{"id": "c", "ath": Decimal("1e-18")}, record, 5]
    assert (judgement.envelope["n"], judgement.envelope["links"]) == (1, [[1], {"a": [2]}])


def test_what_is_too_deep_and_no_record_breaks_its_page() -> None:
    text = f'{{"results": [{{"id": "a"}}], "links": {"[" * DEPTH}{"]" * DEPTH}}}'

    assert judged(answers.data(text), rows="results") == Broken("nested too deeply")


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

    assert judgements == [Rows([]), Broken(f"longer than {LIMIT:,} bytes")]


def test_a_page_longer_than_16_mib_is_broken() -> None:
    judgement = judged(answers.oversized(16))

    assert judgement == Broken("longer than 16 MiB")


@pytest.mark.parametrize(("value", "most"), [("1", 1_000_000), ("[]", 500_000), ("{}", 500_000)])
def test_an_answer_of_too_many_values_is_broken(value: str, most: int) -> None:
    """16 MiB of them would take 800 MB of memory."""
    fits, longer = (answers.data(f"[{','.join([value] * number)}]") for number in (most, most + 1))

    assert isinstance(judged(fits), Rows)
    assert judged(longer) == Broken("more than 1,000,000 commas and brackets")


def test_a_bomb_is_not_unpacked_further_than_the_limit() -> None:
    bomb = answers.gzip_bomb(64)
    tracemalloc.start()

    judgement = judged(bomb, limit=1 << 20)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert judgement == Broken("longer than 1 MiB")
    assert peak < 8 << 20


def test_a_body_of_millions_of_brackets_is_given_up_soon() -> None:
    judgement = judged(answers.data('[{"a": ' + "[" * 600_000 + "]" * 600_000 + "}]"))

    assert judgement == Broken("nested too deeply")
