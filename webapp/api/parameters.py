"""Query strings: serializers whose fields are the parameters of an address, and the database lookups of those.

The `source` of a field is the lookup that it filters by. The schema describes the same fields.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.http import QueryDict
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ParseError

from webapp.api.writing import COIN
from webapp.coins.models.coin import ORDERINGS
from webapp.coins.prices.tiers import STEPS, Step
from webapp.coins.texts import printable
from webapp.crawls.catalog import SPIDERS
from webapp.crawls.verdict import Verdict

GAP_STEPS = [step.label for step in Step]
BY_ID = "coin_id"  # the default order: clients that follow the links miss no coin
MAX_PAGE = 10**15  # more than any list has, and with 1,000 results a page still an offset that databases take
MAX_RANK = 2**31 - 1  # that the column can hold


class Choice(serializers.ChoiceField):
    """One of these values. `component` names the type of them in the schema."""

    def __init__(self, component: str, values: Iterable[str], **options: Any) -> None:
        values = list(values)
        errors: dict[str, Any] = {"invalid_choice": f"Must be one of {', '.join(values)}."}
        super().__init__(choices=values, error_messages=errors, required=False, **options)
        self.component = component


class Names(Choice, serializers.MultipleChoiceField):
    """Some of these values: with commas between them, or the parameter given several times."""

    def to_internal_value(self, data: Any) -> Any:
        names: Any = ",".join(data).split(",")
        return super().to_internal_value(names)


@extend_schema_field({"type": "string", "format": "decimal", "pattern": r"^-?\d{1,30}(\.\d{1,30})?$"})
class Amount(serializers.DecimalField):
    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=60, decimal_places=30, required=False, **options)


class Moment(serializers.DateTimeField):
    """A date and time, in UTC where it has no offset."""

    def to_internal_value(self, value: Any) -> datetime:
        # A + that a client did not encode arrives as a space. A number is no date, although Python reads one as such.
        text = re.sub(r"(:\S+) (\d\d:\d\d)$", r"\1+\2", value.upper())
        return super().to_internal_value(text if re.match(r"\d{4}-\d\d-\d\d", text) else "")


class Date(serializers.DateField):
    def to_internal_value(self, value: Any) -> date:
        # Python also reads dates without hyphens, and of weeks.
        return super().to_internal_value(value if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else "")


class Rank(serializers.IntegerField):
    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=-MAX_RANK - 1, max_value=MAX_RANK, required=False, **options)


class Parameters(serializers.Serializer):
    """All parameters of an address. By itself, it has none."""

    @classmethod
    def read(cls, query: QueryDict) -> dict[str, Any]:
        """The values: of filters by their lookup, of others by their name. Raises ParseError if any is invalid."""
        known = cls._declared_fields
        lists = {name for name, field in known.items() if isinstance(field, serializers.MultipleChoiceField)}
        given = cls(data={name: query.getlist(name) if name in lists else query[name] for name in query})
        errors = []
        if unknown := [printable(name, 50) for name in query if name not in known]:
            there = f"The parameters are {', '.join(known)}." if known else "This address takes none."
            errors.append(f"There is no parameter {unknown[0]}. {there}")
        errors += [
            f"{name}: This parameter may be given only once."
            for name in query
            if len(query.getlist(name)) > 1 and name not in lists
        ]
        if not given.is_valid():
            errors += [f"{name}: {reason}" for name, reasons in given.errors.items() for reason in reasons]
        if errors:
            raise ParseError(" ".join(errors))
        return dict(given.validated_data)


def page_size() -> serializers.IntegerField:
    return serializers.IntegerField(
        default=100, min_value=1, max_value=1_000, help_text="The number of results on a page."
    )


class PageParameters(Parameters):
    page = serializers.IntegerField(default=1, min_value=1, max_value=MAX_PAGE, help_text="The page's number.")
    page_size = page_size()


class CoinParameters(Parameters):
    fields = Names(  # type: ignore[assignment]  # a parameter, which the metaclass takes out of the class
        "CoinField", COIN, help_text="Only these fields: with commas between them, or given several times."
    )


def opposite(order: str) -> str:
    return order[1:] if order.startswith("-") else f"-{order}"


class CoinsFileParameters(CoinParameters):
    """Those of a list of coins without pages."""

    symbol = serializers.CharField(
        source="symbol__iexact",
        max_length=100,
        required=False,
        trim_whitespace=False,
        help_text="This symbol, in upper or lower case.",
    )
    rank_min = Rank(source="market_cap_rank__gte", help_text="This rank or a larger number.")
    rank_max = Rank(source="market_cap_rank__lte", help_text="This rank or a smaller number.")
    price_min = Amount(source="current_price__gte", help_text="This price or more.")
    price_max = Amount(source="current_price__lte", help_text="This price or less.")
    market_cap_min = Amount(source="market_cap__gte", help_text="This market cap or more.")
    market_cap_max = Amount(source="market_cap__lte", help_text="This market cap or less.")
    missing = serializers.BooleanField(
        source="missing_since__isnull",
        required=False,
        help_text="Whether the last complete crawl of the whole market got no answer for the coin.",
    )
    changed_since = Moment(
        source="changed_at__gte",
        required=False,
        help_text="Stored, changed, gone missing or come back at this time or later: what a copy has to fetch. "
        "Such as 2026-02-05T12:00:00Z or 2026-02-05T12:00:00.5+01:00; without an offset it is UTC.",
    )
    search = serializers.RegexField(
        r"\S",
        max_length=100,
        required=False,
        help_text="Each of these words in the id, the symbol or the name, in upper or lower case.",
    )
    ordering = Choice(
        "CoinOrdering",
        [order for name in ORDERINGS for order in (name, opposite(name))],
        default=BY_ID,
        help_text="With a minus from the largest down. Coins without a value come last, and first in the reverse: "
        f"the orders are {', '.join(ORDERINGS)}, the others are their reverses.",
    )

    def validate_missing(self, value: bool) -> bool:
        return not value  # its lookup is the opposite


class CoinsParameters(PageParameters, CoinsFileParameters):
    after = serializers.CharField(
        max_length=255,
        required=False,
        trim_whitespace=False,
        help_text="Coins after this `coin_id`. In the default order the page begins there, whatever `page` is, and "
        "`count` is of all coins. The `next` links have it, so that clients that follow them miss no coin while coins "
        "come and go. In other orders it is a filter: `count` and `page` are of the coins that remain.",
    )


class RunsParameters(PageParameters):
    spider = Choice("Spider", SPIDERS, source="spider__exact", help_text="Runs of this spider.")
    verdict = Choice("Verdict", [*Verdict], source="verdict__exact", help_text="Runs with this verdict.")


class StepParameters(Parameters):
    page_size = page_size()
    step = Choice(
        "PriceStep",
        STEPS,
        default="day",
        help_text="Bars of a day or an hour, in UTC, or `raw`: the observations, as crawls have stored them.",
    )

    def validate_step(self, value: str) -> Step | None:
        return STEPS[value]


class CoinPricesParameters(StepParameters):
    since = Moment(
        default=None,
        help_text="From this time on: of a bar, its beginning. Such as 2026-02-05T12:00:00Z; without an offset it is "
        "UTC. The `next` links have it.",
    )
    until = Moment(default=None, help_text="Before this time, such as 2026-02-06. The `next` links have it.")
    ordering = Choice(
        "PriceOrdering", ["time", "-time"], default="time", help_text="`time`: the oldest first; `-time`: the newest."
    )


class DayPricesParameters(StepParameters):
    date = Date(help_text="The prices of this day, in UTC, such as 2026-02-05.")
    after = serializers.CharField(
        required=False,
        max_length=255,
        trim_whitespace=False,
        help_text="The page begins with the next coin after this `coin_id`. The `next` links have it.",
    )
    after_time = Moment(
        default=None,
        help_text="The page begins with the results of the coin `after` that are after this time. The `next` links of "
        "hours and observations have it.",
    )


class GapsParameters(Parameters):
    coin_id = serializers.CharField(max_length=255, trim_whitespace=False, help_text="The coin.")
    step = Choice("GapStep", GAP_STEPS, help_text="Missing hours or missing days; if not given, both.")


class DaysParameters(Parameters):
    page_size = page_size()
    after = Date(default=None, help_text="Days after this one, such as 2026-02-05. The `next` links have it.")
    changed_since = Moment(
        default=None, help_text="Days whose bars changed at this time or later, such as 2026-02-05T12:00:00Z."
    )


def select(rows: QuerySet, query: dict[str, Any]) -> QuerySet:
    """The rows that a query asks for, in its order."""
    rows = rows.filter(**{lookup: value for lookup, value in query.items() if "__" in lookup})
    for word in query.get("search", "").split():
        rows = rows.filter(Q(coin_id__icontains=word) | Q(symbol__icontains=word) | Q(name__icontains=word))
    match query.get("ordering"):
        case None:
            return rows
        case order if order in ORDERINGS:
            return rows.order_by(*ORDERINGS[order])
        case order:
            return rows.order_by(*ORDERINGS[opposite(order)]).reverse()
