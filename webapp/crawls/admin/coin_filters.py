"""Filters of the list of coins."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.http import HttpRequest

from webapp.coins import clock
from webapp.coins.admin.filters import RangeFilter, TableFilter
from webapp.coins.admin.row_list import searched
from webapp.crawls.catalog import spiders_like
from webapp.crawls.models import CrawlRun
from webapp.crawls.models.run import BEGUN

DAY = timedelta(days=1)
SEARCHED = ("coin_id", "symbol", "name")


class RankFilter(TableFilter):
    title = parameter_name = "rank"
    conditions = {
        **{f"top {top:,}": Q(market_cap_rank__lte=top) for top in (10, 100, 250, 1_000)},
        "ranked": Q(market_cap_rank__isnull=False),
        "unranked": Q(market_cap_rank=None),
    }


class MarketFilter(TableFilter):
    title = parameter_name = "market"
    conditions = {"on the market": Q(missing_since=None), "missing": Q(missing_since__isnull=False)}


class DataFilter(TableFilter):
    title = parameter_name = "data"

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        self.conditions = data_conditions()
        super().__init__(request, *args)


def data_conditions() -> dict[str, Q]:
    yesterday = clock.database_clock() - DAY
    return {
        "new since yesterday": Q(first_seen_at__gte=yesterday),
        "changed by the last run": changed_by_last_run(),
        "not updated for a day": Q(last_updated__lt=yesterday, missing_since=None),
        "without price": Q(current_price=None),
    }


def changed_by_last_run() -> Q:
    """The condition of coins that the last run has changed, which may still be under way."""
    last = CrawlRun.objects.filter(BEGUN, spider__in=spiders_like("markets"))
    started_at = last.order_by("-started_at").values_list("started_at", flat=True).first()
    return Q(changed_at__gte=started_at) if started_at else Q(pk__in=[])


# What a list's address says if the list is to have all coins that a page has counted.
WITH_HIDDEN = {"review": "hidden or not"}


class ReviewFilter(TableFilter):
    """Hidden coins are left out unless this filter is used, or the search is for exactly one of their names."""

    title = parameter_name = "review"
    conditions = {
        "reviewed": Q(review__reviewed_at__isnull=False),
        "with a note": Q(review__isnull=False) & ~Q(review__note=""),
        "hidden": Q(review__hidden=True),
        "hidden or not": Q(),
    }

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        super().__init__(request, *args)
        self.left_out = left_out_by(searched(request))

    @property
    def condition(self) -> Q:
        return super().condition if self.value() else ~self.left_out

    @property
    def counted(self) -> Mapping[str, Q]:
        """Also the coins that the list leaves out unless this filter is used."""
        return {**self.conditions, "left_out": self.left_out}


def left_out_by(search: str) -> Q:
    """The condition of coins that a list with this search leaves out: those that are hidden."""
    hidden = Q(review__hidden=True)
    return hidden & ~named(search) if search else hidden


def named(text: str, lookup: str = "iexact") -> Q:
    """The condition of coins whose id, symbol or name is the text."""
    return Q(*((f"{name}__{lookup}", text) for name in SEARCHED), _connector=Q.OR)


class CoinRanges(RangeFilter):
    numbers = {
        "market_cap_rank": "rank",
        "current_price": "price",
        "market_cap": "market cap",
        "price_change_percentage_24h": "24 h change in %",
    }
    times = {"first_seen_at": "first seen", "changed_at": "changed", "missing_since": "went missing"}
