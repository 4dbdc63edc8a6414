"""Numbers as people read them."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from webapp.coins.numbers import compact, exact, short

LONG = "123456789012345678901234567890.123456789012345678901234567891"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        pytest.param(None, "-", id="null"),
        pytest.param("0", "0", id="zero"),
        pytest.param("-0.0", "0", id="negative zero"),
        pytest.param("0E-30", "0", id="zero with thirty places"),
        pytest.param("1E-7", "0.0000001", id="an exponent"),
        pytest.param("-1.30E-19", "-0.00000000000000000013", id="small and negative"),
        pytest.param("1234.500000", "1,234.5", id="padded with zeros"),
        pytest.param("1000.000000", "1,000", id="padded and whole"),
        pytest.param("1E+25", "10,000,000,000,000,000,000,000,000", id="a big exponent"),
        pytest.param("-1", "-1", id="minus one"),
        pytest.param(
            LONG,
            "123,456,789,012,345,678,901,234,567,890.123456789012345678901234567891",
            id="sixty digits, more than Decimal's usual precision",
        ),
    ],
)
def test_exact_keeps_every_digit_and_no_padding(number: str | None, text: str) -> None:
    shown = exact(None if number is None else Decimal(number))

    assert shown == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        pytest.param(None, "-", id="null"),
        pytest.param("0E-30", "0", id="zero"),
        pytest.param("96114.08481738689", "96,114.08", id="two places"),
        pytest.param("1.00015", "1.00", id="just above 1"),
        pytest.param("0.99999", "1.00", id="rounded up to 1"),
        pytest.param("0.5", "0.50", id="never less than two places"),
        pytest.param("0.123456", "0.1235", id="four digits that count"),
        pytest.param("-0.0000421376", "-0.00004214", id="negative and small"),
        pytest.param("0.0000001", "0.0000001", id="as small as 1e-7"),
        pytest.param("1E-15", "0.000000000000001", id="the smallest written out"),
        pytest.param("1.2345678E-16", "1.235 × 10⁻¹⁶", id="too small to count the zeros"),
        pytest.param("2000000000000.000", "2,000,000,000,000", id="whole"),
        pytest.param("-4127835512345.678", "-4,127,835,512,345.68", id="negative and big"),
        pytest.param("9999999999999999", "9,999,999,999,999,999", id="the biggest written out"),
        pytest.param("3.2E+46", "3.2 × 10⁴⁶", id="as big as a percentage has been"),
        pytest.param("-" + LONG, "-1.235 × 10²⁹", id="sixty digits"),
    ],
)
def test_short_is_readable_at_a_glance(number: str | None, text: str) -> None:
    shown = short(None if number is None else Decimal(number))

    assert shown == text


@pytest.mark.parametrize("power", [-30, -16, -15, -1, 0, 15, 16, 49])
@pytest.mark.parametrize("digits", ["1", "-9.99999999999", "-1.2345678901234567"])
def test_short_fits_its_column(digits: str, power: int) -> None:
    shown = short(Decimal(digits).scaleb(power))

    assert len(shown) <= 25


@pytest.mark.parametrize("show", [exact, short])
def test_whole_numbers_may_be_ints(show: Callable[[int], str]) -> None:
    shown = show(17190)

    assert shown == "17,190"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        pytest.param(None, "-", id="null"),
        pytest.param("0E-30", "0", id="zero"),
        pytest.param("1380000000000.7", "1.38 T", id="trillions"),
        pytest.param("999994999999999", "999.99 T", id="the most trillions"),
        pytest.param("999995000000000", "1 × 10¹⁵", id="more than that"),
        pytest.param("-999995000000000", "-1 × 10¹⁵", id="as negative"),
        pytest.param("25099999999", "25.10 B", id="billions"),
        pytest.param("999999999999", "1.00 T", id="rounded up to the next unit"),
        pytest.param("-4127835.5", "-4.13 M", id="negative millions"),
        pytest.param("994999.99", "994,999.99", id="below a million"),
        pytest.param("1.000000000012", "1.00", id="hardly more than one"),
        pytest.param("0.0012346", "0.001235", id="small"),
        pytest.param("0.0000012346", "0.000001235", id="five zeros"),
        pytest.param("1.2E-9", "0.0₈12", id="eight zeros"),
        pytest.param("-0.000000000001234567", "-0.0₁₁1235", id="negative and tiny"),
        pytest.param("9.99999E-10", "0.0₈1", id="rounded up to a zero less"),
        pytest.param("1.2E-18", "0.0₁₇12", id="seventeen zeros"),
        pytest.param("-1E-30", "-0.0₂₉1", id="the smallest that is stored"),
        pytest.param("3.2E+46", "3.2 × 10⁴⁶", id="a power of ten"),
    ],
)
def test_compact_has_units_and_is_never_zero_for_less(number: str | None, text: str) -> None:
    shown = compact(None if number is None else Decimal(number))

    assert shown == text
