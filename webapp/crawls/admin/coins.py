"""The admin of coins: the list of the market, and a coin's page. Only the crawler writes their values."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.contrib import admin
from django.contrib.admin import ShowFacets
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.db import models
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import mark_safe

from webapp.coins import clock
from webapp.coins.admin.exporting import ExportAdmin
from webapp.coins.admin.exporting_prices import PriceExportAdmin
from webapp.coins.admin.formats import (
    Column,
    address_of,
    ago,
    change,
    column,
    glance,
    icon,
    number,
    numeric,
    past_instant,
    percent,
    picture,
    price,
)
from webapp.coins.admin.model_admin import ReadOnlyAdmin
from webapp.coins.admin.named_views import NamedViewsAdmin
from webapp.coins.admin.svg import sparkline
from webapp.coins.exports.tables import COINS
from webapp.coins.models import FullCoin
from webapp.coins.models.coin import ORDERINGS
from webapp.coins.numbers import NOTHING, exact
from webapp.coins.prices.lines import Line
from webapp.crawls.admin.coin_changes import Changes
from webapp.crawls.admin.coin_chart import CoinChart
from webapp.crawls.admin.coin_filters import (
    SEARCHED,
    CoinRanges,
    DataFilter,
    MarketFilter,
    RankFilter,
    ReviewFilter,
    named,
)
from webapp.crawls.admin.coin_labels import HEADINGS, LABELS
from webapp.crawls.admin.coin_list import CoinList
from webapp.crawls.admin.coin_rejected import rejected_records
from webapp.crawls.admin.coin_review import ReviewAdmin

FEW = 500  # keys of coins in a query
NO_WEEK = format_html(
    '<span title="{}">{}</span>', "No earlier price of the last seven days is stored: a line needs two.", NOTHING
)


@admin.register(FullCoin)
class FullCoinAdmin(NamedViewsAdmin, ReviewAdmin, ExportAdmin, PriceExportAdmin, ReadOnlyAdmin):
    change_list_template = "admin/coins/fullcoin/change_list.html"
    exported = COINS
    shown_by = {"coin": ("symbol",)}
    show_facets = ShowFacets.ALWAYS
    default_columns = (
        "market_cap_rank",
        "coin",
        "current_price",
        "price_change_percentage_24h",
        "week",
        "market_cap",
        "total_volume",
        "last_updated",
    )
    main_column = "coin"
    list_display_links = ("coin",)
    list_filter = (CoinRanges, RankFilter, DataFilter, MarketFilter, ReviewFilter)
    search_fields = SEARCHED
    search_help_text = "Part of an id, a symbol or a name. Exact matches come first."
    ordering = ORDERINGS["market_cap_rank"]
    groups = (
        ("Coin", ("coin_id", "symbol", "name", "image", "last_updated")),
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
        ("All-time high", ("ath", "ath_change_percentage", "ath_date")),
        ("All-time low", ("atl", "atl_change_percentage", "atl_date")),
        ("Return on investment", ("roi_times", "roi_currency", "roi_percentage")),
        ("Bookkeeping", ("vs_currency", "first_seen_at", "changed_at", "missing_since", "stale_before")),
    )
    hidden = ("field_changes",)
    renamed = LABELS
    written = {
        "image": picture,
        **{field.name: percent for field in FullCoin._meta.concrete_fields if "percentage" in field.name},
        **{
            field.name: past_instant
            for field in FullCoin._meta.concrete_fields
            if isinstance(field, models.DateTimeField)
        },
    }

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CoinList

    # The columns of the list --------------------------------------------------------------------
    def columns(self) -> Mapping[str, str | Column]:
        """Those of all fields, and two that show several."""
        return COLUMNS

    @admin.display(ordering="name")
    def coin(self, coin: FullCoin) -> str:
        """Picture, name and symbol, and whether it is hidden. Each text has its own direction."""
        name = (coin.name or "").strip() or coin.coin_id
        return format_html(
            '{}<span class="name"><bdi>{}</bdi> <bdi class="quiet">{}</bdi>{}</span>',
            icon(coin.image),
            name,
            (coin.symbol or "").upper(),
            mark_safe(' <span class="badge">hidden</span>') if vars(coin).get("is_hidden") else "",
        )

    @admin.display(description="7 days")
    def week(self, coin: FullCoin) -> str:
        """The prices of the last seven days, up to the current one."""
        line: Line = vars(coin).get("week", {})
        prices = list(line.values())
        if len(prices) < 2:
            return NO_WEEK
        # Of a first price below 0, the sign of a percentage would be wrong.
        words = f"7 days: {(prices[-1] / prices[0] - 1):+.1%}" if prices and prices[0] > 0 else "7 days"
        return sparkline(list(line), prices, words)

    # A coin's page ------------------------------------------------------------------------------
    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The groups with their values, and when these last changed and by which run."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return fieldsets
        names = [[name_of(line) for line in options["fields"]] for _, options in fieldsets]
        # Django asks several times for a page.
        changes = vars(obj).setdefault("changes", Changes(obj, names, request.user.has_perm("crawls.view_crawlrun")))
        return [
            (
                title,
                {"description": changes.above(own), "fields": [with_change(line, changes) for line in group["fields"]]},
            )
            for (title, group), own in zip(fieldsets, names, strict=True)
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        coin = context["original"]
        context = {
            **self.review_context(request, coin),
            **context,
            "title": str(coin),
            "subtitle": None,
            "icon": icon(coin.image),
            "price": price(coin.current_price),
            "change_24h": change(coin.price_change_percentage_24h),
            "rank": exact(coin.market_cap_rank),
            "market_cap": glance(coin.market_cap),
            "volume": glance(coin.total_volume),
            "updated": coin.last_updated and ago(coin.last_updated),
            "last_change": vars(coin)["changes"].of_the_coin,
            "chart": CoinChart.asked_for(request, coin, clock.database_clock()),
            "coingecko": f"https://www.coingecko.com/en/coins/{quote(coin.pk, safe='')}",
            "missing_since": ago(coin.missing_since),
            "export_prices": address_of(coin, "prices_export"),
            "rejected": rejected_records(coin) if request.user.has_perm("crawls.view_rejectedrecord") else None,
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """Those whose id, symbol or name is the text come first, unless the person has chosen an order."""
        text = search_term.strip()
        if not text:
            return queryset, False
        keys = self._keys_found(request, text)
        found = queryset.filter(pk__in=keys)
        if len(keys) > FEW:
            found, _ = super().get_search_results(request, queryset, text)
        if ORDER_VAR not in request.GET:
            begins = named(text, "istartswith")
            rank = Case(When(named(text), then=Value(0)), When(begins, then=Value(1)), default=Value(2))
            found = found.order_by(rank, *found.query.order_by)
        return found, False

    def _keys_found(self, request: HttpRequest, text: str) -> list[str]:
        """Of the coins that the search finds, at most FEW + 1. Read once: the counts of each filter search, too."""
        known: dict[str, list[str]] = vars(request).setdefault("keys_found", {})
        if text not in known:
            found, _ = super().get_search_results(request, FullCoin.objects.order_by(), text)
            known[text] = list(found.values_list("pk", flat=True)[: FEW + 1])
        return known[text]


def name_of(line: str | Column) -> str:
    return line if isinstance(line, str) else line.__name__


def with_change(line: str | Column, changes: Changes) -> Column:
    """A line of a coin's page, with what is said beside the value."""
    name = name_of(line)
    shown: Column = column(name, texts, LABELS.get(name, "")) if isinstance(line, str) else line

    @admin.display(description=shown.short_description)  # type: ignore[attr-defined]  # as `column` makes it
    def value(coin: FullCoin) -> str:
        return format_html('<span class="value">{}</span>{}', shown(coin), changes.beside(name))

    value.__name__ = name
    return value


def texts(value: Any) -> str:
    """A text of the source, which has its own direction."""
    return NOTHING if value is None else format_html("<bdi>{}</bdi>", value)


def column_of(field: models.Field) -> Column:
    """How a list shows this field."""
    label = HEADINGS.get(field.name, str(field.verbose_name))
    if "percentage" in field.name:
        return numeric(column(field.name, change, label))
    if isinstance(field, models.DecimalField | models.IntegerField):
        return number(field.name, label)
    if isinstance(field, models.DateTimeField):
        return column(field.name, ago, label)
    return column(field.name, texts, label)


COLUMNS: Mapping[str, str | Column] = {
    "market_cap_rank": column_of(FullCoin._meta.get_field("market_cap_rank")),
    "coin": "coin",
    "week": "week",
    **{
        field.name: column_of(field)
        for field in FullCoin._meta.concrete_fields
        if field.editable and field.name != "market_cap_rank"
    },
}
