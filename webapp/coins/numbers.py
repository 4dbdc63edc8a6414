"""Formats numbers: `compact` and `short` for the columns of a list, `exact` for a page, `plain` for programs."""

from decimal import Decimal

NOTHING = "-"
PLACES = 15  # on either side of the point; `short` writes numbers beyond as powers of ten
SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
UNITS = ((12, "T"), (9, "B"), (6, "M"))  # powers of ten: trillions, billions, millions
LARGEST = Decimal("999.995E12")  # that units are used for: it would be 1000.00 T
ZEROS = 5  # after the point; `compact` counts them if there are more


def exact(number: Decimal | int | None) -> str:
    """Every digit, without trailing zeros: 1,234.5 or 0.0000001."""
    if number is None:
        return NOTHING
    if not number:
        return "0"  # also for -0 and 0E-30
    return _without_padding(f"{Decimal(number):,f}")


def plain(number: Decimal) -> str:
    """Every digit, without trailing zeros and commas: 1234.5 or 0.0000001."""
    return _without_padding(f"{number:f}") if number else "0"


def _without_padding(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def short(number: Decimal | int | None) -> str:
    """Two digits after the point, or four significant ones below 1, in at most 25 characters.

    Whole numbers have no point. Very large and very small numbers are powers of ten: 3.2 × 10⁴⁶.
    """
    if not number:
        return exact(number)
    value = Decimal(number)
    magnitude = value.adjusted()  # the power of ten of the first digit
    if abs(magnitude) > PLACES:
        return _power_of_ten(value)
    if value == value.to_integral_value():
        return exact(value)
    text = f"{value:,.{2 if magnitude >= 0 else 3 - magnitude}f}"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction[:2]}{fraction[2:].rstrip('0')}"


def compact(number: Decimal | int | None) -> str:
    """At a glance: 1.38 T, 25.10 B, 96,114.08, 0.0012, and 0.0₈1235, which has eight zeros after the point.

    `static/coincrawl/numbers.js` does the same in the browser.
    """
    if not number:
        return exact(number)
    value = Decimal(number)
    if abs(value) >= LARGEST:
        return _power_of_ten(value)
    for power, unit in UNITS:
        in_units = round(value.scaleb(-power), 2)
        if abs(in_units) >= 1:
            return f"{in_units:.2f} {unit}"
    mantissa, _, exponent = f"{value:.3e}".partition("e")
    zeros = -int(exponent) - 1
    if zeros <= ZEROS:
        return short(value)
    sign, digits = "-" * (value < 0), mantissa.lstrip("-").replace(".", "").rstrip("0")
    return f"{sign}0.0{str(zeros).translate(SUBSCRIPT)}{digits}"


def _power_of_ten(value: Decimal) -> str:
    mantissa, _, exponent = f"{value:.3e}".partition("e")
    return f"{exact(Decimal(mantissa))} × 10{str(int(exponent)).translate(SUPERSCRIPT)}"
