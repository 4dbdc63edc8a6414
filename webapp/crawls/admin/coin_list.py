"""The list of coins: what it reads besides its rows, and what it says above and below them."""

from collections.abc import Iterable
from datetime import timedelta

from django.contrib.admin.views.main import SEARCH_VAR
from django.http import HttpRequest

from webapp.coins import clock
from webapp.coins.admin.chips import address_without_limits
from webapp.coins.admin.row_list import RowList, searched
from webapp.coins.models import CoinReview, FullCoin
from webapp.coins.prices.lines import lines
from webapp.coins.texts import counted
from webapp.crawls.admin.coin_filters import WITH_HIDDEN, ReviewFilter, left_out_by

WEEK = timedelta(days=7)
SPARK_STEP = timedelta(hours=4)


class CoinList(RowList):
    """Reads what the rows of a page show by one query each: the coins, which are hidden, the prices of a week."""

    found_by_search: int = 0  # coins that the search alone finds, if nothing is found with the filters

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = in_order(self.result_list.values_list("pk", flat=True))
        remember_hidden(self.result_list)
        if "week" in self.list_display:
            remember_week(self.result_list)
        if not self.result_count and (text := searched(request)):
            alone = self.root_queryset.exclude(left_out_by(text))
            self.found_by_search = self.model_admin.get_search_results(request, alone, text)[0].count()

    @property
    def left_out(self) -> str:
        """How many hidden coins the list leaves out; empty if none."""
        review = next(spec for spec in self.filter_specs if isinstance(spec, ReviewFilter))
        number = 0 if review.value() else self.facets["review"]["left_out"]
        return f"{number:,}" if number else ""

    @property
    def with_hidden(self) -> str:
        """The address of the list with the hidden coins."""
        return self.get_query_string(WITH_HIDDEN)

    @property
    def without_hidden(self) -> str:
        """The address of the list without the hidden coins, if it shows them with the others; else empty."""
        shows = WITH_HIDDEN.items() <= self.params.items()
        return self.get_query_string(remove=WITH_HIDDEN) if shows else ""

    @property
    def currency(self) -> str:
        """That of the amounts on the page."""
        return " and ".join(sorted({coin.vs_currency.upper() for coin in self.result_list}))

    @property
    def search_alone(self) -> tuple[str, str] | None:
        """If nothing is found: how many coins the search finds without the filters, and the address of that list."""
        if not self.found_by_search:
            return None
        coins = counted(self.found_by_search, "coin")
        return coins, address_without_limits(self, SEARCH_VAR)


def in_order(keys: Iterable[str]) -> list[FullCoin]:
    """The coins with these keys. A database that sorts whole rows reads much more than one that sorts keys."""
    keys = list(keys)
    coins = FullCoin.objects.in_bulk(keys)
    return [coins[key] for key in keys if key in coins]


def remember_hidden(coins: Iterable[FullCoin]) -> None:
    """Keep beside each coin whether it is hidden."""
    found = CoinReview.objects.filter(pk__in=[coin.pk for coin in coins], hidden=True)
    hidden = set(found.values_list("pk", flat=True))
    for coin in coins:
        vars(coin)["is_hidden"] = coin.pk in hidden


def remember_week(coins: Iterable[FullCoin]) -> None:
    """Keep the prices of each coin's week beside its row."""
    shown = {coin.pk: coin for coin in coins}
    now = clock.database_clock()
    found = lines(shown, now - WEEK, SPARK_STEP)
    for key, coin in shown.items():
        line = found.get(key, {})
        if line and coin.current_price is not None and coin.last_updated:
            # A source's clock may be wrong: a time that has not come would leave no place for the others.
            line[max(min(coin.last_updated, now).timestamp(), *line)] = float(coin.current_price)
        vars(coin)["week"] = line
