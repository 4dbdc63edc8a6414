"""What the query strings of coins and runs may hold."""

from django.db.models import Q, QuerySet

from webapp.api.parameters import (
    DECIMAL,
    MOMENT,
    PAGE,
    TRUE_OR_FALSE,
    Condition,
    Parameter,
    Parameters,
    choice,
    names,
    text,
    whole,
    words,
)
from webapp.api.writing import COIN
from webapp.coins.models.coin import ORDERINGS
from webapp.crawls.catalog import SPIDERS
from webapp.crawls.models import Verdict

BY_ID = "coin_id"  # the order in which nobody who follows the links loses a row
SEARCHED = ("coin_id", "symbol", "name")
RANK = whole(-(2**31), 2**31 - 1)  # what the column can hold


def backwards(order: str) -> str:
    return order[1:] if order.startswith("-") else f"-{order}"


class Ordering(Parameter):
    def filter(self, coins: QuerySet, order: str) -> QuerySet:
        if order in ORDERINGS:
            return coins.order_by(*ORDERINGS[order])
        return coins.order_by(*ORDERINGS[backwards(order)]).reverse()


class Search(Parameter):
    def filter(self, coins: QuerySet, wanted: list[str] | None) -> QuerySet:
        for word in wanted or ():
            coins = coins.filter(Q(*[(f"{name}__icontains", word) for name in SEARCHED], _connector=Q.OR))
        return coins


class PageParameters(Parameters):
    page = Parameter(PAGE, "Which page, from 1 on.", default=1)
    page_size = Parameter(whole(1, 1_000), "How many results a page has.", default=100)


class CoinParameters(Parameters):
    fields = Parameter(names("CoinField", COIN), "Only these fields: given several times, or with commas between them.")


class CoinsParameters(PageParameters, CoinParameters):
    symbol = Condition(text(100), "This symbol, in capitals or not.", lookup_expr="iexact")
    rank_min = Condition(RANK, "Ranked here or below.", field_name="market_cap_rank", lookup_expr="gte")
    rank_max = Condition(RANK, "Ranked here or above.", field_name="market_cap_rank", lookup_expr="lte")
    price_min = Condition(DECIMAL, "Worth this or more.", field_name="current_price", lookup_expr="gte")
    price_max = Condition(DECIMAL, "Worth this or less.", field_name="current_price", lookup_expr="lte")
    market_cap_min = Condition(DECIMAL, "With this market cap or more.", field_name="market_cap", lookup_expr="gte")
    market_cap_max = Condition(DECIMAL, "With this market cap or less.", field_name="market_cap", lookup_expr="lte")
    missing = Condition(
        TRUE_OR_FALSE,
        "Whether the last complete crawl of the whole market got no answer for it.",
        field_name="missing_since",
        lookup_expr="isnull",
        exclude=True,
    )
    changed_since = Condition(
        MOMENT,
        "Stored, changed, gone missing or come back then or later: what a copy has to fetch.",
        field_name="changed_at",
        lookup_expr="gte",
    )
    search = Search(words(100), "Every one of these words in the id, the symbol or the name, in capitals or not.")
    ordering = Ordering(
        choice("CoinOrdering", [order for name in ORDERINGS for order in (name, backwards(name))]),
        "With a minus from the largest down. Coins without a value come last, and first in the reverse of that: "
        f"{', '.join(name for name in ORDERINGS)} are the orders, the others their reverses.",
        default=BY_ID,
    )
    after = Parameter(
        text(255),
        "Coins after this `coin_id`. In the default order it is where the page begins, whatever `page` says, and "
        "`count` is still of all coins: the `next` links have it, so that whoever follows them loses no coin while "
        "coins come and go. In every other order it is one more filter: `count` is of the coins that it leaves, and "
        "`page` is a page of them.",
    )


class RunsParameters(PageParameters):
    spider = Condition(choice("Spider", SPIDERS), "Runs of this spider.")
    verdict = Condition(choice("Verdict", Verdict.values), "Runs with this verdict.")
