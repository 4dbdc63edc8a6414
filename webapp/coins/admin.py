"""The admin: coins, crawl runs and rejected records, to look at. Only the crawler writes them.

A list names its columns. A page shows every field of its model: `groups` puts them under headings, and a field that
it does not name yet comes last by itself.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

import simplejson
from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList, ChangeListSearchForm
from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import mark_safe
from django.utils.text import Truncator

from .catalog import SPIDERS
from .models import CrawlRun, FullCoin, RejectedRecord, Verdict
from .numbers import NOTHING, exact, short

admin.site.site_header = admin.site.site_title = "coincrawl"
admin.site.index_title = "Overview"
admin.site.site_url = None  # there is no other site to view
admin.site.enable_nav_sidebar = False  # the tables need the width
# Plainer than "Authentication and Authorization", and the index, which is sorted, leads with the crawled data.
apps.get_app_config("auth").verbose_name = "Users and groups"

Show = Callable[[Any], str]  # writes a value
Column = Callable[[Any], str]  # writes a row's value


# How values are written --------------------------------------------------------------------------
def second(moment: datetime | None) -> str:
    """To the second, for columns whose label says that it is UTC."""
    return moment.isoformat(" ", "seconds").removesuffix("+00:00") if moment else NOTHING


def instant(moment: datetime | None) -> str:
    """As exact as it is stored, without zeros that say nothing."""
    if moment is None:
        return NOTHING
    return moment.isoformat(" ", "microseconds").removesuffix("+00:00").rstrip("0").rstrip(".") + " UTC"


def picture(url: str | None) -> str:
    """A link with the picture in it; the picture's host is not told who looks."""
    if not (url or "").startswith(("http://", "https://")):
        return url or NOTHING
    return format_html(
        '<a href="{0}" rel="noreferrer"><img src="{0}" alt="" height="32" referrerpolicy="no-referrer"> {0}</a>', url
    )


def mark(verdict: str) -> str:
    """The verdict in words, with a mark in its colour (base_site.html) before it."""
    return format_html('<span class="verdict {0}">{0}</span>', verdict)


def in_words(arguments: Mapping[str, Any]) -> str:
    """`pages 4; order id_asc`, or `everything` where there are none."""
    given = (
        f"{name} {', '.join(value) if isinstance(value, list) else value}" for name, value in (arguments or {}).items()
    )
    return "; ".join(given) or "everything"


def indented(raw: str) -> str:
    """JSON with a line for each value and every digit as it was sent; text that is no JSON as it stands."""
    keep = simplejson.RawJSON
    try:
        text = simplejson.dumps(simplejson.loads(raw, parse_float=keep, parse_int=keep, parse_constant=keep), indent=2)
    except (ValueError, RecursionError):
        text = raw
    return format_html("<pre>{}</pre>", text)


def link(to: models.Model, text: str) -> str:
    address = reverse(f"admin:{to._meta.app_label}_{to._meta.model_name}_change", args=[quote(to.pk)])
    return format_html('<a href="{}">{}</a>', address, text)


def column(name: str, show: Show, label: str = "") -> Column:
    """The field `name` as `show` writes it, under `label`; a list can be sorted by it."""

    @admin.display(ordering=name, description=label or name.replace("_", " "))
    def value(row: models.Model) -> str:
        return show(getattr(row, name))

    value.__name__ = name
    return value


def number(name: str, label: str = "") -> Column:
    """The field `name` as a short number; base_site.html aligns columns of this name to the right."""
    value = column(name, short, label)
    value.__name__ = f"number_{name}"
    return value


# What every list and page has in common ----------------------------------------------------------
class SearchForm(ChangeListSearchForm):
    """A search of a length that people write; SQLite refuses one of several hundred words."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[SEARCH_VAR] = forms.CharField(required=False, strip=False, max_length=300)


class RowList(ChangeList):
    """A list that is sorted by any column with the empty values last, either way and on every database."""

    search_form_class = SearchForm

    def get_ordering(self, request: HttpRequest, queryset: models.QuerySet) -> list[Any]:
        return [self._order(part) for part in super().get_ordering(request, queryset)]

    @staticmethod
    def _order(part: str | Combinable) -> Combinable:
        if not isinstance(part, str):
            return part
        return F(part[1:]).desc(nulls_last=True) if part.startswith("-") else F(part).asc(nulls_last=True)


class ReadOnlyAdmin(admin.ModelAdmin):
    """Shows a model to whoever may view it, and lets nobody, superusers included, change it."""

    actions = None
    list_per_page = 100
    list_filter: ClassVar[tuple[type[admin.SimpleListFilter], ...]] = ()
    groups: tuple[tuple[str | None, tuple[str, ...]], ...] = ()  # a page's headings and what stands under each
    written: Mapping[str, Show] = {}  # how a page writes a field whose kind does not say it

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RowList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """What a filter offers, and no other field, relation or regular expression; PostgreSQL chokes on NUL."""
        return lookup in {offered.parameter_name for offered in self.list_filter} and "\0" not in value

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        return None if "\0" in object_id else super().get_object(request, object_id, from_field)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The groups, and a last one with the fields that none of them names."""
        fields = {field.name: field for field in self.opts.concrete_fields if not field.auto_created}
        named = {name for _, names in self.groups for name in names}
        groups = (*self.groups, ("Further fields", tuple(name for name in fields if name not in named)))
        return [
            (title, {"fields": [self._line(name, fields.get(name)) for name in names]})
            for title, names in groups
            if names
        ]

    def _line(self, name: str, field: models.Field | None) -> str | Column:
        """What Django shows as a line of a page: the name, or a column where we write the value ourselves."""
        show = self.written.get(name)
        if isinstance(field, (models.DecimalField, models.IntegerField)):
            show = show or exact
        elif isinstance(field, models.DateTimeField):
            show = show or instant
        return column(name, show, str(field.verbose_name)) if field and show else name


class TableFilter(admin.SimpleListFilter):
    """A filter that is a table of choices, each with its condition; another choice is refused."""

    conditions: Mapping[str, Q]

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(choice, choice) for choice in self.conditions]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        choice = self.value()
        if choice is None:
            return queryset
        if choice not in self.conditions:
            raise IncorrectLookupParameters
        return queryset.filter(self.conditions[choice])


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
        ("Time", ("started_at", "heartbeat_at", "finished_at", "duration", "not_before")),
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
