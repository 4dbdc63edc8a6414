"""Exports: what each format keeps exact, what it makes safe, and how much memory it takes."""

import gc
import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import DecimalField, IntegerField
from hypothesis import given
from hypothesis import strategies as st

from tests.support.admin import HOSTILE
from tests.support.examples import examples
from tests.support.exports import FORMULAS, content, read_csv, read_json, read_xlsx, sheets
from tests.support.factories import NOON, make_coin
from tests.support.prices import make_bar, make_price
from webapp.coins.exports import tables, xlsx
from webapp.coins.exports.cells import CELL
from webapp.coins.exports.files import Export
from webapp.coins.exports.formats import FORMATS
from webapp.coins.exports.tables import COINS, UnknownColumn, prices_of_coin
from webapp.coins.models import FullCoin
from webapp.coins.numbers import plain
from webapp.coins.prices.tiers import Step

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

COIN_BY_NAME = {column.name: column.field for column in COINS.columns}
DECIMALS = {name: field for name, field in COIN_BY_NAME.items() if isinstance(field, DecimalField)}
EARLY, LATE = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
WHOLE = 29 if connection.vendor == "sqlite" else 30  # digits before the point


@pytest.fixture
def extremes() -> dict[str, FullCoin]:
    """The widest values of each field, and nothing in all of them."""
    big = {name: Decimal(10) ** (30 + WHOLE - field.decimal_places - 1) for name, field in DECIMALS.items()}
    small = {name: -Decimal(1).scaleb(-field.decimal_places) for name, field in DECIMALS.items()}
    dates = ("last_updated", "ath_date", "atl_date")
    return {
        "big": make_coin("x" * 255, name="🚀" * 255, market_cap_rank=2**31 - 1, **big, **dict.fromkeys(dates, LATE)),
        "small": make_coin("a", name="", market_cap_rank=-(2**31), **small, **dict.fromkeys(dates, EARLY)),
        "nothing": make_coin("nothing"),
    }


def test_json_has_every_digit_and_microsecond(extremes: dict[str, FullCoin]) -> None:
    found = {row["coin_id"]: row for row in read_json(content(COINS, FullCoin.objects.all(), "json"))}

    for coin in extremes.values():
        row = found[coin.pk]
        assert [*row] == [*COIN_BY_NAME]
        for name in COIN_BY_NAME:
            value, written = getattr(coin, name), row[name]
            if isinstance(value, Decimal):
                assert (type(written), Decimal(written)) == (str, value)
            elif isinstance(value, datetime):
                assert datetime.fromisoformat(written) == value
            else:
                assert written == value


def test_exact_csv_has_every_digit_letter_and_microsecond(extremes: dict[str, FullCoin]) -> None:
    make_coin("hostile", name="\n".join([*FORMULAS, *HOSTILE.values()]), symbol='"')
    written = content(COINS, FullCoin.objects.all(), "csv-exact")

    found = {row["coin_id"]: row for row in read_csv(written)}

    for coin in FullCoin.objects.all():
        for name in COIN_BY_NAME:
            value, cell = getattr(coin, name), found[coin.pk][name]
            if value is None:
                assert cell == ""
            elif isinstance(value, Decimal):
                assert cell == plain(value)
            elif isinstance(value, datetime):
                assert datetime.fromisoformat(cell) == value
            else:
                assert cell == str(value)


def test_csv_tells_an_empty_text_from_none() -> None:
    make_coin("empty", name="")
    make_coin("none", name=None)

    for name in ("csv", "csv-exact"):
        lines = content(COINS, FullCoin.objects.order_by("pk"), name, ["coin_id", "name"]).decode("utf-8-sig")
        assert lines == 'coin_id,name\r\n"empty",""\r\n"none",\r\n'


@pytest.mark.parametrize("text", [*FORMULAS, *HOSTILE.values(), "5" * 5_000], ids=ascii)
def test_no_text_is_a_formula_in_csv_for_spreadsheets(text: str) -> None:
    make_coin(name=text[:255], current_price=Decimal(-1), price_change_24h=Decimal("-0.5"))

    (row,) = read_csv(content(COINS, FullCoin.objects.all(), "csv"))

    assert row["name"] == ("'" if text in FORMULAS else "") + text[:255]
    assert (row["current_price"], row["price_change_24h"]) == ("-1", "-0.5")  # a negative number stays one


def test_csv_for_spreadsheets_says_that_it_is_utf_8_and_has_dates_that_they_read() -> None:
    make_coin(name="الذهب 🚀", last_updated=NOON + timedelta(microseconds=999_999))

    written = content(COINS, FullCoin.objects.all(), "csv", ["name", "last_updated"])

    assert written == '\ufeffname,last_updated\r\n"الذهب 🚀",2026-02-05 12:00:00\r\n'.encode()


def test_a_workbook_has_numbers_dates_and_texts() -> None:
    numbers = {"current_price": Decimal("0.0000012345600"), "market_cap": Decimal(10) ** 25, "ath": Decimal(-1)}
    make_coin("1e5", name="007", market_cap_rank=7, last_updated=NOON, missing_since=None, **numbers)

    (row,) = read_xlsx(content(COINS, FullCoin.objects.all(), "xlsx"))

    assert (row["coin_id"], row["name"]) == ("1e5", "007")
    assert (row["current_price"], row["market_cap"], row["ath"]) == (0.00000123456, 1e25, -1)
    assert row["market_cap_rank"] == 7
    assert row["last_updated"] == NOON.replace(tzinfo=None)
    assert row["missing_since"] is None


@pytest.mark.parametrize(
    "text", [*FORMULAS, *HOSTILE.values(), "<r>&</r>", "https://a.b", "{=1}", "1", "x" * 5_000], ids=ascii
)
def test_a_text_in_a_workbook_is_the_same_text(text: str) -> None:
    make_coin(name=text[:255])

    (sheet,) = sheets(content(COINS, FullCoin.objects.all(), "xlsx", ["coin_id", "name"]))

    cell = sheet["B2"]
    assert cell.data_type in {"s", "inlineStr", "n"}  # n: an empty one
    assert (cell.value or "") == text[:255].replace("\r", "_x000D_")  # as workbooks have it; openpyxl leaves it so
    assert cell.hyperlink is None


def test_a_workbook_survives_letters_that_xml_does_not_have() -> None:
    make_coin(name="a\x01\x0b\x1b\ufffe\uffff_x0041_")

    (row,) = read_xlsx(content(COINS, FullCoin.objects.all(), "xlsx"))

    assert row["name"] == "a_x0001__x000B__x001B__xFFFE__xFFFF__x005F_x0041_"


def test_headings_of_a_workbook_are_frozen_and_filter() -> None:
    make_coin("a"), make_coin("b")

    (sheet,) = sheets(content(COINS, FullCoin.objects.all(), "xlsx", ["coin_id", "name", "ath"]))

    assert (sheet.title, sheet.freeze_panes, sheet.auto_filter.ref) == ("coins", "B2", "A1:C3")


@pytest.mark.parametrize(
    ("digits", "is_number"),
    [
        ("123456789012345", True),
        ("1234567890123456", False),
        ("0.123456789012345", True),
        ("0.1234567890123456", False),
        ("-123456.789012345", True),
        ("-123456.7890123456", False),
        ("100000000000000000000", True),
        ("0.000000000000000000000000000001", True),
        ("9.00719925474099", True),
        ("0", True),
    ],
)
def test_numbers_are_numbers_in_a_workbook_if_15_digits_hold_them(digits: str, is_number: bool) -> None:
    columns, file = COINS.chosen(["ath"]), BytesIO()

    xlsx.write(file, "coins", columns, [(Decimal(digits),)])

    (row,) = read_xlsx(file.getvalue())
    assert isinstance(row["ath"], (int, float)) == is_number
    assert Decimal(repr(row["ath"]) if is_number else row["ath"]) == Decimal(digits)


@given(st.decimals(min_value=-(10**29), max_value=10**29, places=30) | st.floats(-1e29, 1e29).map(repr).map(Decimal))
@examples
def test_no_number_in_a_workbook_is_another_one(number: Decimal) -> None:
    file = BytesIO()

    xlsx.write(file, "coins", COINS.chosen(["ath"]), [(number,)])

    (row,) = read_xlsx(file.getvalue())
    value = row["ath"]
    assert Decimal(repr(value) if isinstance(value, (int, float)) else value) == Decimal(plain(number))


def test_dates_that_excel_does_not_know_are_texts(extremes: dict[str, FullCoin]) -> None:
    found = {row["coin_id"]: row for row in read_xlsx(content(COINS, FullCoin.objects.all(), "xlsx"))}

    assert found["a"]["ath_date"] == "0001-01-01T00:00:00Z"
    assert found["x" * 255]["name"] == "🚀" * 255
    assert found["x" * 255]["market_cap_rank"] == 2**31 - 1
    assert found["x" * 255]["ath_date"] == LATE.replace(tzinfo=None, microsecond=999_000)


@pytest.mark.parametrize(("letter", "units"), [("x", 1), ("🚀", 2)])
def test_texts_that_no_cell_holds_are_cut_and_counted(letter: str, units: int) -> None:
    text = letter * (CELL // units + 1)
    column = COINS.chosen(["name"])
    for name, read in (("xlsx", read_xlsx), ("csv", read_csv)):
        file = BytesIO()

        cut = FORMATS[name].write(file, "coins", column, [(text,), ("short",)])

        cells: Any = [row["name"] for row in read(file.getvalue())]
        assert cut == 1
        assert len(cells[0].encode("utf-16-le")) // 2 <= CELL
        assert cells[0].endswith(f"{letter} [cut]")
        assert cells[1] == "short"


def test_a_table_that_is_too_long_for_a_sheet_is_on_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "ROWS", 2)
    for name in "abcde":
        make_coin(name)

    found = sheets(content(COINS, FullCoin.objects.order_by("pk"), "xlsx"))

    assert [sheet.title for sheet in found] == ["coins", "coins 2", "coins 3"]
    assert [sheet["A2"].value for sheet in found] == ["a", "c", "e"]
    assert {sheet["A1"].value for sheet in found} == {"coin_id"}


@pytest.mark.parametrize("name", FORMATS)
def test_a_table_without_rows_has_its_headings(name: str) -> None:
    written = content(COINS, FullCoin.objects.none(), name, ["coin_id", "ath"])

    match name:
        case "json":
            assert json.loads(written) == []
        case "xlsx":
            assert [[cell.value for cell in row] for row in sheets(written)[0]] == [["coin_id", "ath"]]
        case _:
            assert written.decode("utf-8-sig") == "coin_id,ath\r\n"


def test_columns_come_in_the_tables_order_and_others_are_not_read(django_assert_num_queries: Any) -> None:
    make_coin(name="Bitcoin")

    with django_assert_num_queries(1 if connection.vendor == "sqlite" else 3) as captured:  # a savepoint, and its end
        (row,) = read_json(content(COINS, FullCoin.objects.all(), "json", ["name", "coin_id"]))

    assert list(row.items()) == [("coin_id", "bitcoin"), ("name", "Bitcoin")]
    assert "current_price" not in str(captured.captured_queries)


def test_a_column_that_does_not_exist_is_named() -> None:
    with pytest.raises(UnknownColumn, match=r"^coins have no column 'stale_before'\. The columns are coin_id, symbol"):
        Export(COINS, FullCoin.objects.all(), FORMATS["csv"], ["coin_id", "stale_before"])


@pytest.mark.parametrize("step", ["day", "hour", "raw"])
def test_the_prices_of_a_coin_are_those_of_its_step_and_time(step: str) -> None:
    chosen = {"day": Step.DAY, "hour": Step.HOUR, "raw": None}[step]
    for days in range(4):
        moment = NOON + timedelta(days=days)
        if chosen:
            make_bar(step=chosen, time=moment, close=days)
        else:
            make_price(time=moment, price=days)
    make_price("another", time=NOON), make_bar("another", time=NOON)
    limits = (NOON + timedelta(days=1), NOON + timedelta(days=3))

    rows = read_json(content(*prices_of_coin("bitcoin", chosen, *limits), "json"))

    assert [(row["coin_id"], row["close" if chosen else "price"]) for row in rows] == [
        ("bitcoin", "1"),
        ("bitcoin", "2"),
    ]
    assert [row["time"] for row in rows] == ["2026-02-06T12:00:00Z", "2026-02-07T12:00:00Z"]


def test_a_coin_that_never_had_a_price_has_no_rows() -> None:
    assert read_csv(content(*prices_of_coin("nothing", None, None, None), "csv")) == []


# Memory, and errors half-way ------------------------------------------------------------------------
@pytest.mark.parametrize("name", FORMATS)
def test_memory_does_not_grow_with_the_rows(name: str, tmp_path: Path) -> None:
    columns = COINS.chosen(["coin_id", "name", "ath", "last_updated"])
    row = ("bitcoin", "x" * 200, Decimal("0.00000123456"), NOON)

    def peak(number: int) -> int:
        gc.collect()
        tracemalloc.start()
        with (tmp_path / "file").open("wb") as file:
            FORMATS[name].write(file, "coins", columns, repeat(row, number))
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(10)  # what is made once
    assert peak(8_000) < peak(500) + 300_000  # the rows alone are 2 MB


def test_the_database_is_read_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", 2)
    for number in range(6):
        make_coin(f"coin-{number}")
    reads: list[int] = []

    def noted(cursor: Any, size: int) -> Any:
        reads.append(size)
        return cursor.cursor.fetchmany(size)

    monkeypatch.setattr("django.db.backends.utils.CursorWrapper.fetchmany", noted, raising=False)
    with tables.snapshot():
        rows = tables.rows(FullCoin.objects.order_by("pk"), COINS.chosen(["coin_id"]))
        first = next(rows)
        after_one = len(reads)
        left = list(rows)

    assert (first, len(left)) == (("coin-0",), 5)
    assert after_one < len(reads)
    assert set(reads) == {2}


@pytest.mark.parametrize("name", FORMATS)
def test_an_error_half_way_leaves_the_old_file_and_no_other(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Iterator[tuple[str]]:
        yield ("bitcoin",)
        raise OSError("gone")

    monkeypatch.setattr("webapp.coins.exports.files.rows", broken)
    path = tmp_path / "coins"
    path.write_text("old")
    export = Export(COINS, FullCoin.objects.all(), FORMATS[name], ["coin_id"])

    with pytest.raises(OSError, match="gone"):
        export.write_to(path)
    with pytest.raises(OSError, match="gone"):
        export.write_temporary()

    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("coins", "old")]


def test_what_is_the_crawlers_own_is_no_column() -> None:
    assert "stale_before" not in COIN_BY_NAME
    assert {"coin_id", "missing_since", "changed_at"} <= COIN_BY_NAME.keys()
    assert any(isinstance(field, IntegerField) for field in COIN_BY_NAME.values())
