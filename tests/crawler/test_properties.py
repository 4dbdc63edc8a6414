"""What holds for any answer and any record, tried with whatever hypothesis can think of."""

import gzip
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scrapy.http import Response

from coincrawl.responses import Broken, Judgement, Refused, Rows, Throttled, judge
from coincrawl.spiders.markets import MarketsSpider, only_id
from tests.support.examples import examples, rolled_back
from webapp.coins.cleaning import Cleaner, Rejection
from webapp.coins.fields import ExactDecimalField, from_sqlite
from webapp.coins.models import FullCoin
from webapp.coins.texts import RAW_LIMIT, Nested, raw_json
from webapp.crawls import recording
from webapp.crawls.batch import Batch, Memory
from webapp.crawls.models import CrawlRun, RejectedRecord
from webapp.crawls.verdict import Verdict

RECEIVED = datetime(2026, 11, 22, 12, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


# Values ----------------------------------------------------------------------------------------------


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


any_text = st.one_of(
    st.text(st.characters(codec=None), max_size=20),  # surrogates and NUL among them
    st.text(st.sampled_from("\0\ud800\udfff\u202e\u2066\u2028\n\r\x1b\x7f\x85 \\\"'%{},é🚀"), max_size=10),
    st.builds(str.__mul__, st.sampled_from("xé🚀"), st.sampled_from([100, 101, 255, 256, 300, 500, 501])),
)
storable_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
dates = st.one_of(
    st.datetimes().map(datetime.isoformat),
    st.datetimes(
        timezones=st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)  # of any seconds
    ).map(datetime.isoformat),
    st.dates().map(str),
    st.sampled_from(["20250209T174404Z", "2025-W07-1", "0001-01-01T00:00+00:01", "9999-12-31T23:59:59-00:01", "now"]),
)
amounts = st.one_of(
    st.builds("{}e{}".format, st.integers(-(10**61), 10**61), st.integers(-70, 40)).map(Decimal),
    st.builds("{}.{:030}".format, st.integers(10**28, 10**31), st.integers(0, 10**30 - 1)).map(Decimal),
    st.builds("{}.{:010}".format, st.integers(10**48, 10**51), st.integers(0, 10**10 - 1)).map(Decimal),
    st.decimals(-1_000_000, 1_000_000, places=18),
    st.sampled_from(["-0.0", "0e999999999", "1e-30", "1e-31", "1." + "0" * 20_000, "1e999999999999"]).map(Decimal),
)
any_number = amounts | st.decimals() | st.integers().map(Decimal) | st.integers(-(2**70), 2**70)
scalars = st.none() | st.booleans() | any_number | any_text | dates
any_value = st.one_of(
    scalars,
    st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3), max_leaves=5
    ),
    st.sampled_from([50, 500, 2_000]).map(nested),
)


def mostly(usual: st.SearchStrategy[Any], rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Three times of four the usual; `|` would choose among all the kinds that each of them is made of."""
    return st.integers(0, 3).flatmap(lambda number: rare if number == 3 else usual)


def fitting(field: models.Field) -> st.SearchStrategy[Any]:
    """Values that fit a field, up to its edges."""
    if isinstance(field, models.URLField):
        return storable_text.map("https://x/{}".format) | storable_text
    if isinstance(field, models.CharField):
        return storable_text | st.sampled_from(["", "🚀" * (field.max_length or 0)])
    if isinstance(field, models.DateTimeField):
        moments = st.datetimes().map(datetime.isoformat)
        return moments | moments.map("{}Z".format)
    if isinstance(field, models.IntegerField):
        return st.integers(-(2**31), 2**31 - 1).map(Decimal)
    assert isinstance(field, models.DecimalField)
    most = 10 ** (field.max_digits - field.decimal_places - 1) - 1
    digits = st.integers(0, 10**field.decimal_places - 1).map(f"{{:0{field.decimal_places}}}".format)
    return st.builds("{}.{}".format, st.integers(-most, most), digits).map(Decimal) | st.decimals(
        -1_000_000, 1_000_000, places=8
    )


def spoiling(field: models.Field) -> st.SearchStrategy[Any]:
    """Values of the right kind, which is where a check is easily missed, and of any other."""
    if isinstance(field, models.URLField):
        return mostly(any_text.map("https://x/{}".format), any_value)
    kinds = {models.CharField: any_text, models.DateTimeField: dates}
    return mostly(kinds.get(type(field), any_number), any_value)


FIELDS = FullCoin.api_fields()
NAMES = [field.name for field in FIELDS]
VALUES = {field.name: fitting(field) for field in FIELDS}
SPOILT = {field.name: spoiling(field) for field in FIELDS}
few_ids = st.sampled_from(["a", "b", "A", "a ", "\u202e", "'); --", "é", "e\u0301"])  # so that they come again


def records(key: str) -> st.SearchStrategy[Any]:
    """Objects most of which can be stored, others spoiled in one place, and what is no object."""
    sound = st.fixed_dictionaries(
        {key: few_ids | storable_text},
        optional={name: st.none() | values for name, values in VALUES.items() if name != "coin_id"},
    )
    spoiling_one = st.sampled_from(NAMES).flatmap(
        lambda name: SPOILT[name].map(lambda value: {key if name == "coin_id" else name: value})
    )
    spoiled = st.builds(dict.__or__, sound, spoiling_one)
    others = st.dictionaries(st.sampled_from([key, *NAMES]), any_value) | any_value | any_text.map(Nested)
    return mostly(mostly(spoiled, sound), others)


def api_records() -> st.SearchStrategy[Any]:
    """The same under the names that the API has for them."""
    parts = st.fixed_dictionaries({}, optional={name: VALUES[f"roi_{name}"] for name in ("times", "currency")})
    return st.builds(
        lambda record, roi: record | {"roi": roi} if isinstance(record, dict) else record,
        records("id"),
        mostly(parts, any_value),
    )


# The judge -------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(any_text, inner, max_size=5),
)
errors = st.fixed_dictionaries(
    {},
    optional={
        "status": st.fixed_dictionaries({}, optional={"error_code": json_values, "error_message": json_values})
        | json_values,
        "error_code": st.sampled_from([429, 10002, 10006]) | json_values,
        "error": json_values,
    },
)
texts = st.one_of(
    st.binary(),
    (json_values | errors).map(json.dumps).map(str.encode),
    st.text(st.sampled_from('[]{}":,\\1e.-NaN \n'), max_size=60).map(str.encode),
    st.builds(lambda inside: ("[" * 3_000 + inside).encode(), st.text(st.sampled_from('[]{}",\\1'), max_size=60)),
)
bodies = st.builds(
    lambda body, lost: body[: len(body) - lost], texts | texts.map(gzip.compress), st.just(0) | st.integers(1, 12)
)
words = st.text(st.characters(max_codepoint=255), max_size=30).map(lambda text: text.encode("latin-1"))
headers = st.fixed_dictionaries(
    {},
    optional={
        "Content-Encoding": st.sampled_from(["gzip", "gzip", "GZIP", "br", "identity", "gzip, gzip"]) | words,
        "Retry-After": st.sampled_from(["5", "0", "9" * 35, "Sun, 22 Nov 2026 12:01:30 GMT"]) | words | dates,
        "Date": st.sampled_from(["Sun, 22 Nov 2026 12:00:00 GMT", "31 Dec 9999 23:59:59 -2359"]) | words | dates,
        "x-ratelimit-reset": st.datetimes().map("{:%Y-%m-%d %H:%M:%S +0000}".format) | words,
        "Location": words,
    },
)
statuses = st.sampled_from([200, 200, 200, 429, 503]) | st.integers(100, 600)


def judged(body: bytes, status: int = 200, headers: Any = None, **options: Any) -> Judgement:
    return judge(Response("http://x/", status=status, headers=headers, body=body), RECEIVED, **options)


def one_line(text: str) -> bool:
    return text.isascii() and text.isprintable()


@given(bodies, statuses, headers, st.sampled_from([None, only_id]))
@settings(deadline=None, max_examples=400)
def test_any_answer_is_one_of_four_things(body: bytes, status: int, headers: dict[str, Any], hook: Any) -> None:
    judgement = judged(body, status, headers, hook=hook, secret="1")

    match judgement:
        case Rows(rows):
            assert status == 200
            assert isinstance(rows, list)
        case Throttled(reason, seconds):
            assert one_line(reason)
            assert seconds is None or seconds > 0
        case Broken(reason) | Refused(reason):
            assert one_line(reason)
            assert len(reason) < 1_000


def rendered(value: Any) -> str:
    """Equal for equal numbers and for NaN, which is not even equal to itself."""
    return json.dumps(value, default=str)


@given(json_values, st.booleans(), st.booleans())
@settings(deadline=None, max_examples=100)
def test_any_json_is_as_many_rows_as_it_has(value: Any, is_ascii: bool, is_packed: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii)
    body = text.encode("utf-8", "replace")

    judgement = judged(
        gzip.compress(body) if is_packed else body, headers={"Content-Encoding": "gzip"} if is_packed else {}
    )

    if isinstance(value, list):
        assert isinstance(judgement, Rows)
        sent = json.loads(body, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)
        assert rendered(judgement.rows) == rendered(sent)
    else:
        assert not isinstance(judgement, Rows)


@given(st.lists(json_values, max_size=5), st.dictionaries(any_text, json_values, max_size=3), st.data())
@settings(deadline=None, max_examples=50)
def test_one_record_too_deep_for_the_parser_leaves_all_others_as_they_are(
    values: list[Any], inside: dict[str, Any], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(values)))
    deep = '{"x": ' + "[" * 2_000 + json.dumps(inside) + "]" * 2_000 + "}"
    texts = [json.dumps(value) for value in values]

    judgement: Any = judged(f"[{', '.join([*texts[:place], deep, *texts[place:]])}]".encode())

    assert judgement.rows.pop(place).text == deep
    sent = [json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal) for text in texts]
    assert rendered(judgement.rows) == rendered(sent)


# The cleaner -----------------------------------------------------------------------------------------


@given(records("coin_id"))
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_any_record_is_values_for_all_fields_or_reasons_why_not(record: Any) -> None:
    cleaned = Cleaner(FIELDS).clean(record)

    if isinstance(cleaned, Rejection):
        assert cleaned.reasons
        assert all(map(one_line, (cleaned.label, *cleaned.reasons)))
        assert len(cleaned.label) <= 255
        assert cleaned.coin_id == "" or cleaned.coin_id == record["coin_id"]
    else:
        assert list(cleaned) == [name for name in NAMES if name in record]
        assert cleaned["coin_id"]


@given(any_value | any_text.map(Nested))
@settings(deadline=None, max_examples=200)
@example(Nested("\0🚀" * RAW_LIMIT))
def test_any_record_can_be_written_down(record: Any) -> None:
    kept = raw_json(record)

    assert kept.isascii()
    assert "\0" not in kept
    assert len(kept) <= RAW_LIMIT


# The database ----------------------------------------------------------------------------------------


# What a database refuses, takes and cannot give back, or makes something else of, unless the cleaner has an eye on it.
BEYOND = [
    *(("name", text) for text in ("a\0b", "\ud800", "x" * 255, "x" * 256, "🚀" * 255, "🚀" * 256)),
    *(("image", f"https://{text}") for text in ("\0", "\udfff", "x" * 492, "x" * 493)),
    *(("ath", Decimal("9" * whole + "." + "9" * 30)) for whole in (28, 29, 30)),
    *(("ath", Decimal(10) ** whole) for whole in (28, 29, 30, 31)),
    *(("ath", Decimal(text)) for text in ("NaN", "sNaN", "Infinity", "1e-31", "1e999999999", "1." + "0" * 20_000)),
    *(("atl_change_percentage", Decimal(10) ** whole) for whole in (48, 49, 50)),
    *(("market_cap_rank", Decimal(rank)) for rank in (2**31 - 1, 2**31, -(2**31), -(2**31) - 1)),
    *(("ath_date", text) for text in ("9999-12-31T23:59:59-05:00", "0001-01-01T00:00+05:00", "0001-01-01")),
]


def filled(batch_of: list[Any], page: str = "1") -> Batch:
    """A batch as the pipelines fill it."""
    spider, cleaner, batch = MarketsSpider(), Cleaner(FIELDS), Batch()
    for record in batch_of:
        cleaned = cleaner.clean(spider.translation(record))
        if isinstance(cleaned, Rejection):
            batch.reject(cleaned, record, page)
        else:
            batch.add(cleaned, record, page)
    return batch


def run_of(batch: Batch) -> CrawlRun:
    """A run that had this batch and nothing else, as the database has it then."""
    run = recording.begin("markets", {})
    recording.store(run, batch, {})
    recording.finish(run, Verdict.PARTIAL)
    return run


def is_kept(name: str, stored: Any, sent: Any) -> bool:
    """SQLite has a float of a number, PostgreSQL all of it."""
    field = FullCoin._meta.get_field(name)
    if sent is not None and isinstance(field, ExactDecimalField) and connection.vendor == "sqlite":
        return stored == from_sqlite(field.for_sqlite(sent))
    return stored == sent


@pytest.mark.every_database
@pytest.mark.django_db
@given(st.lists(api_records(), max_size=6))
@settings(examples, max_examples=100)
@example([{"id": str(place), name: value} for place, (name, value) in enumerate(BEYOND)])
@example([Nested('{"id": "a\0"')])
@example([{"id": ["a"]}, {"id": None}, {}, {"id": "a"}, {"id": "a", "ath": Decimal("sNaN")}, {"id": "a"}])
def test_any_records_are_stored_or_kept_as_rejected_and_each_is_counted_once(batch_of: list[Any]) -> None:
    batch = filled(batch_of)
    with rolled_back():
        run = run_of(batch)

        coins = {coin.pk: coin for coin in FullCoin.objects.all()}
        kept = list(RejectedRecord.objects.all())
    assert (
        run.seen
        == run.created + run.updated + run.unchanged + run.stale + run.duplicates + run.rejected
        == len(batch_of)
    )
    assert run.created == len(coins)
    assert coins.keys() == batch.rows.keys()  # so the database itself had nothing to refuse
    for coin_id, row in batch.rows.items():
        for name, value in row.items():
            assert is_kept(name, getattr(coins[coin_id], name), value), name
    assert sum(record.count for record in kept) == run.rejected
    assert all(record.raw.isascii() and record.reasons and str(record) for record in kept)


@pytest.mark.every_database
@pytest.mark.django_db
@given(st.lists(api_records(), max_size=6))
@settings(examples, max_examples=60)
def test_any_records_sent_again_change_nothing(batch_of: list[Any]) -> None:
    with rolled_back():
        first = run_of(filled(batch_of))
        before = list(FullCoin.objects.order_by("pk").values())

        second = run_of(filled(batch_of))

        after = list(FullCoin.objects.order_by("pk").values())
        counts = list(RejectedRecord.objects.values_list("count", flat=True))
    assert (second.seen, second.created, second.updated) == (first.seen, 0, 0)
    assert (second.duplicates, second.rejected) == (first.duplicates, first.rejected)
    assert after == before
    assert sum(counts) == first.rejected + second.rejected
    assert len(counts) <= first.rejected


@pytest.mark.every_database
@pytest.mark.django_db
@given(st.lists(st.sampled_from(["a", "b", "c\n"]), max_size=10), st.integers(1, 4))
@settings(examples, max_examples=30)
def test_refusals_are_counted_alike_however_they_come_in_batches(names: list[str], size: int) -> None:
    nameless = [{"name": name, "place": place} for place, name in enumerate(names)]
    with rolled_back():
        run = recording.begin("markets", {})

        for page, start in enumerate(range(0, len(names), size)):
            recording.store(run, filled(nameless[start : start + size], str(page)), {})

        kept = {json.loads(record.raw)["name"]: record for record in RejectedRecord.objects.all()}
    assert {name: record.count for name, record in kept.items()} == {name: names.count(name) for name in names}
    for name, record in kept.items():
        last = max(place for place, other in enumerate(names) if other == name)
        assert json.loads(record.raw)["place"] == last
        assert record.page == str(last // size)


@pytest.mark.every_database
@pytest.mark.django_db
def test_a_refusal_that_comes_again_belongs_to_the_last_run_and_the_last_moment() -> None:
    run_of(filled([{"name": "a"}]))
    RejectedRecord.objects.update(first_seen_at=LONG_AGO, last_seen_at=LONG_AGO)

    last = run_of(filled([{"name": "a"}]))

    kept = RejectedRecord.objects.get()
    assert (kept.run, kept.count, kept.first_seen_at) == (last, 2, LONG_AGO)
    assert kept.last_seen_at > LONG_AGO


@pytest.mark.every_database
@pytest.mark.django_db
def test_of_refusals_alike_in_one_batch_the_last_is_kept() -> None:
    batch = filled([{"name": "a"}], page="1")
    batch.rejected += filled([{"name": "a"}], page="2").rejected

    run_of(batch)

    kept = RejectedRecord.objects.get()
    assert (kept.count, kept.page) == (2, "2")


@pytest.mark.every_database
@pytest.mark.django_db
def test_rejections_with_the_same_reasons_are_distinguished_by_coin() -> None:
    run_of(filled([{"id": "a", "ath": True}, {"id": "b", "ath": True}, {"id": "b", "atl": True}]))

    kept = [(record.coin_id, record.reasons, record.count) for record in RejectedRecord.objects.order_by("pk")]

    assert kept == [
        ("a", "ath: true, not a number", 1),
        ("b", "ath: true, not a number", 1),
        ("b", "atl: true, not a number", 1),
    ]


@pytest.mark.every_database
@pytest.mark.django_db
def test_a_batch_of_refusals_takes_as_many_queries_as_one_of_them() -> None:
    counts = []
    for number in (1, 250):
        batch = filled([{"id": str(place), "ath": True} for place in range(number)])
        run = recording.begin("markets", {})
        with CaptureQueriesContext(connection) as queries:
            recording.store(run, batch, {})
        recording.finish(run, Verdict.PARTIAL)
        counts.append(len(queries))

    assert counts[0] == counts[1]


@pytest.mark.every_database
@pytest.mark.django_db
def test_a_coin_that_only_the_database_refuses_is_counted_once_also_in_a_later_batch() -> None:
    run, memory = recording.begin("markets", {}), Memory()
    for rank in (1, 10**30, 10**30):  # what the cleaner would never let through
        batch = Batch(memory)
        batch.add({"coin_id": "a", "last_updated": None, "market_cap_rank": rank}, {"id": "a"}, "1")

        recording.store(run, batch, {})

    assert (run.seen, run.created, run.duplicates, run.rejected) == (3, 1, 1, 1)
