"""How numbers are written for people: `short` for the columns of a list, `exact` for a page of its own."""

from decimal import Decimal

NOTHING = "-"
PLACES = 15  # on either side of the point; beyond it, `short` counts the zeros instead of writing them
SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def exact(number: Decimal | int | None) -> str:
    """Every digit of `number`, and no zero that says nothing: 1,234.5 or 0.0000001."""
    if number is None:
        return NOTHING
    if not number:
        return "0"  # also for -0 and 0E-30
    return _without_padding(f"{Decimal(number):,f}")


def plain(number: Decimal) -> str:
    """The same for programs, without commas: 1234.5 or 0.0000001."""
    return _without_padding(f"{number:f}") if number else "0"


def _without_padding(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def short(number: Decimal | int | None) -> str:
    """`number` at a glance: two digits after the point, below 1 four that count, in at most 25 characters.

    Whole numbers have no point. What is too big or too small for that is a power of ten: 3.2 × 10⁴⁶.
    """
    if not number:
        return exact(number)
    value = Decimal(number)
    magnitude = value.adjusted()  # the power of ten of the first digit
    if abs(magnitude) > PLACES:
        mantissa, _, exponent = f"{value:.3e}".partition("e")
        return f"{exact(Decimal(mantissa))} × 10{str(int(exponent)).translate(SUPERSCRIPT)}"
    if value == value.to_integral_value():
        return exact(value)
    text = f"{value:,.{2 if magnitude >= 0 else 3 - magnitude}f}"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction[:2]}{fraction[2:].rstrip('0')}"
