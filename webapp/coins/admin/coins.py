"""The admin of coins, read-only."""

from django.contrib import admin
from django.db.models import F, Q
from django.utils.html import format_html

from webapp.coins.admin.formats import column, number, picture, second
from webapp.coins.admin.model_admin import ReadOnlyAdmin, TableFilter
from webapp.coins.models import FullCoin


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


@admin.register(FullCoin)
class FullCoinAdmin(ReadOnlyAdmin):
    change_form_template = "admin/without_history.html"
    list_display = (
        number("market_cap_rank", "rank"),
        "coin",
        number("current_price", "price"),
        number("price_change_percentage_24h", "24h %"),
        number("market_cap"),
        number("total_volume", "volume"),
        column("last_updated", second, "last updated (UTC)"),
        column("missing_since", second, "missing since (UTC)"),
    )
    list_display_links = ("coin",)
    list_filter = (RankFilter, MarketFilter)
    search_fields = ("coin_id", "symbol", "name")
    search_help_text = "Part of an id, a symbol or a name."
    ordering = (F("market_cap_rank").asc(nulls_last=True), "coin_id")
    groups = (
        (None, ("coin_id", "symbol", "name", "image", "last_updated")),
        ("Price", ("current_price", "high_24h", "low_24h", "price_change_24h", "price_change_percentage_24h")),
        (
            "Market",
            (
                "market_cap_rank",
                "market_cap_rank_with_rehypothecated",
                "market_cap",
                "market_cap_change_24h",
                "market_cap_change_percentage_24h",
                "fully_diluted_valuation",
                "total_volume",
            ),
        ),
        ("Supply", ("circulating_supply", "total_supply", "max_supply")),
        ("All-time high (ath)", ("ath", "ath_change_percentage", "ath_date")),
        ("All-time low (atl)", ("atl", "atl_change_percentage", "atl_date")),
        ("Return on investment (roi)", ("roi_times", "roi_currency", "roi_percentage")),
        ("Bookkeeping", ("vs_currency", "first_seen_at", "changed_at", "missing_since", "stale_before")),
    )
    hidden = ("field_changes",)
    written = {"image": picture}

    @admin.display(ordering="name")
    def coin(self, coin: FullCoin) -> str:
        """Name and symbol. Each has its own text direction."""
        name = (coin.name or "").strip() or coin.coin_id
        return format_html('<bdi>{}</bdi> <bdi class="quiet">{}</bdi>', name, (coin.symbol or "").upper())
