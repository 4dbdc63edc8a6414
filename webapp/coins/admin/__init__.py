"""The admin: coins, crawl runs and rejected records, to look at. Only the crawler writes them.

A list names its columns. A page shows every field of its model: `groups` puts them under headings, and a field that
it does not name yet comes last by itself.
"""

from datetime import timedelta

from django.apps import apps
from django.contrib import admin
from django.db import models
from django.db.models import F, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import mark_safe
from django.utils.text import Truncator

from ..catalog import SPIDERS
from ..models import CrawlRun, FullCoin, RejectedRecord, Verdict
from ..numbers import NOTHING, exact
from . import tokens as tokens  # registered there
from .base import ReadOnlyAdmin, TableFilter
from .writing import column, in_words, indented, link, mark, number, picture, second

admin.site.site_header = admin.site.site_title = "coincrawl"
admin.site.index_title = "Overview"
admin.site.site_url = None  # there is no other site to view
admin.site.enable_nav_sidebar = False  # the tables need the width
# Plainer than "Authentication and Authorization", and the index, which is sorted, leads with the crawled data.
apps.get_app_config("auth").verbose_name = "Users and groups"


# Coins -------------------------------------------------------------------------------------------
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
        ("Bookkeeping", FullCoin.BOOKKEEPING),
    )
    written = {"image": picture}

    @admin.display(ordering="name")
    def coin(self, coin: FullCoin) -> str:
        """Name and symbol, each with its own direction of writing."""
        name = (coin.name or "").strip() or coin.coin_id
        return format_html('<bdi>{}</bdi> <bdi class="quiet">{}</bdi>', name, (coin.symbol or "").upper())


# Crawl runs --------------------------------------------------------------------------------------
class VerdictFilter(TableFilter):
    title = parameter_name = "verdict"
    conditions = {verdict.value: Q(verdict=verdict) for verdict in Verdict}


class SpiderFilter(TableFilter):
    title = parameter_name = "spider"
    conditions = {spider: Q(spider=spider) for spider in SPIDERS}


@admin.register(CrawlRun)
class CrawlRunAdmin(ReadOnlyAdmin):
    REQUESTS = ("pages", "requests", "credits", "retries", "throttled")
    RECORDS = ("seen", "created", "updated", "unchanged", "duplicates", "rejected", "missing")

    list_display = (
        column("verdict", mark),
        "spider",
        column("arguments", lambda arguments: Truncator(in_words(arguments)).chars(40)),
        column("started_at", second, "started (UTC)"),
        "duration",
        *map(number, ("pages", "requests")),
        *map(number, RECORDS),
    )
    list_filter = (VerdictFilter, SpiderFilter)
    ordering = (F("started_at").desc(nulls_first=True),)  # what has not started yet is the newest
    groups = (
        (None, ("verdict", "reason", "messages", "spider", "arguments", "node", "id")),
        ("Time", ("started_at", "heartbeat_at", "finished_at", "duration", "not_before", "newest_change")),
        ("Requests", REQUESTS),
        ("Records", (*RECORDS, "filled", "rejected_records")),
    )
    written = {"verdict": mark, "arguments": in_words, "filled": lambda names: ", ".join(names) or NOTHING}

    @admin.display
    def duration(self, run: CrawlRun) -> str:
        """To the end, or to the last sign of life."""
        end = run.finished_at or run.heartbeat_at
        if not (run.started_at and end):
            return NOTHING
        return str(timedelta(seconds=int((end - run.started_at).total_seconds())))

    @admin.display
    def rejected_records(self, run: CrawlRun) -> str:
        number = run.rejectedrecord_set.count()
        address = reverse("admin:coins_rejectedrecord_changelist") + "?" + urlencode({"run": run.pk})
        return format_html('<a href="{}">{} last seen by this run</a>', address, exact(number))


# Rejected records --------------------------------------------------------------------------------
class StatusFilter(TableFilter):
    title = parameter_name = "status"
    conditions = {status.label: Q(status=status) for status in RejectedRecord.Status}


class RunFilter(admin.SimpleListFilter):
    """The records of one run: runs are too many to choose from, so the run's page links here."""

    title = parameter_name = "run"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        run = self.value()
        return [(run, run)] if run else []

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        return queryset.filter(run=self.value()) if self.value() else queryset


@admin.register(RejectedRecord)
class RejectedRecordAdmin(ReadOnlyAdmin):
    REASONS_SHOWN = 3

    list_display = (
        column("coin_id", lambda coin_id: coin_id or "(no id)", "coin"),
        "first_reasons",
        "page",
        "status",
        number("count"),
        column("last_seen_at", second, "last seen (UTC)"),
        "last_run",
    )
    list_filter = (StatusFilter, RunFilter)
    list_select_related = ("run",)
    search_fields = ("coin_id", "reasons")
    search_help_text = "Part of a coin's id or of a reason."
    ordering = ("-last_seen_at",)
    groups = (
        (None, ("coin_id", "status", "reasons", "raw")),
        ("Where and when", ("page", "run", "count", "first_seen_at", "last_seen_at", "fingerprint")),
    )
    written = {"raw": indented}

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        """Without the raw records: a list of them can be 6 MB."""
        return super().get_queryset(request).defer("raw")

    @admin.display(ordering="reasons")
    def first_reasons(self, record: RejectedRecord) -> str:
        reasons = record.reasons.splitlines()
        more = len(reasons) - self.REASONS_SHOWN
        lines = [*reasons[: self.REASONS_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        return format_html_join(mark_safe("<br>"), "{}", ((line,) for line in lines))

    @admin.display(ordering="run__started_at", description="last run (UTC)")
    def last_run(self, record: RejectedRecord) -> str:
        return link(record.run, second(record.run.started_at)) if record.run else NOTHING
