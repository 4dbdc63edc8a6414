"""Mirrors the read API of another coincrawl, or an API like it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from scrapy.http import Request, Response
from twisted.python.failure import Failure
from w3lib.url import add_or_replace_parameter

from coincrawl import responses
from coincrawl.components import extension
from coincrawl.days import DayChain, DayList, MirrorCoverage, address_of_prices
from coincrawl.extensions.run import RunRecord
from coincrawl.items import CoinItem
from coincrawl.meta import meta_of, request_of, rows_in
from coincrawl.pagination import NextLink
from coincrawl.secret import Secret
from coincrawl.spiders.base import PaginatedSpider
from webapp.coins.cleaning import Unfit, check_for
from webapp.coins.models import FullCoin
from webapp.coins.prices.copying import copied_days
from webapp.coins.prices.observing import FIRST_COIN
from webapp.coins.texts import printable
from webapp.crawls.addresses import origin
from webapp.crawls.copying import DayOfPrices
from webapp.crawls.verdict import Verdict

# A change that the source committed late may be older than the newest change that is known.
OVERLAP = timedelta(minutes=10)
DAYS_AT_ONCE = 2  # each keeps its bars in memory until its last page has come
read_date = check_for(FullCoin._meta.get_field("changed_at"))


class MirrorSpider(PaginatedSpider):
    """At most 1,000 coins a page, 300 calls a minute; about 18,000 coins.

    A whole run copies all coins, and marks those missing that the source no longer has. With `only=changed` a run asks
    for the coins that have changed since the last complete run. With `prices=day` it then copies the bars of the days
    that have changed since they were copied.

    The source may be any API in the style of Django REST Framework, with the fields of FullCoin or of CoinGecko. For
    other names, or another word before the token, write a subclass.
    """

    name = "mirror"
    pagination = NextLink(size=1_000)
    secret = Secret("API_TOKEN", word="Token", is_required=False)
    names = {
        "coin_id": ("coin_id", "id"),
        "roi_times": ("roi_times", "roi.times"),
        "roi_currency": ("roi_currency", "roi.currency"),
        "roi_percentage": ("roi_percentage", "roi.percentage"),
    }
    numbers_as_text = True
    reports_missing = True
    ignored = {*FullCoin.BOOKKEEPING} - {"missing_since"}  # these are about the source's database
    yields = (CoinItem, DayOfPrices)
    remedies = responses.REMEDIES | {
        responses.REDIRECTED: "redirects are not followed: give that address itself in MIRROR_URL or -a url=",
        400: "if it does not allow this page size, set another in the spider's pagination",
        401: "is API_TOKEN set, and right? It goes to the host of MIRROR_URL alone",
        403: "is API_TOKEN right, and may it read this?",
        404: "is this the address of a list, as https://coins.example/api/coins/ is?",
    }

    @property
    def calls_per_minute(self) -> float:
        return self.settings.getfloat("MIRROR_CALLS_PER_MINUTE")

    @property
    def url(self) -> str:
        return str(self.arguments["url"])

    @property
    def is_whole(self) -> bool:
        """An address with a query is a part of a source, unless it is MIRROR_URL itself."""
        return super().is_whole and ("?" not in self.url or self.url == self.settings["MIRROR_URL"])

    @property
    def since(self) -> datetime | None:
        """The run asks for changes since then; None if it asks for everything."""
        known = extension(self.crawler, RunRecord).before.newest_change
        return known - OVERLAP if known and self.is_incremental else None

    @property
    def collection(self) -> str:
        since = self.since
        return add_or_replace_parameter(self.url, "changed_since", f"{since:%FT%T.%fZ}") if since else self.url

    @property
    def credential(self) -> str:
        """The token, but only for the host of MIRROR_URL: an address given with `-a url=` must not receive it."""
        home = self.settings["MIRROR_URL"]
        return super().credential if home and origin(home) == origin(self.url) else ""

    @property
    def is_incremental(self) -> bool:
        return "only" in self.arguments

    @cached_property
    def coverage(self) -> MirrorCoverage:
        return MirrorCoverage(self.pagination, is_whole=self.is_whole, is_incremental=self.is_incremental)

    def preparations(self) -> Iterable[Callable[[], None]]:
        return [self.read_copied_days] if "prices" in self.arguments else []

    def read_copied_days(self) -> None:
        self.copied = copied_days()

    def survives(self, request: Request, status: int) -> bool:
        """A run without prices still has the coins."""
        return "chain" in request.cb_kwargs or super().survives(request, status)

    def first_requests(self) -> Iterable[Request]:
        if self.is_incremental:
            since = self.since
            what = f"what has changed since {since:%F %T} UTC" if since else "everything: the newest change is unknown"
            self.coverage.add_note(f"asked for {what}")
        return super().first_requests()

    def parse(self, response: Response) -> Iterator[Request | Any]:
        ours = self.settings["VS_CURRENCY"]
        rows = [row for row in rows_in(response).rows if isinstance(row, dict)]
        currencies = {str(row["vs_currency"]).lower() for row in rows if row.get("vs_currency")}
        if others := sorted(currencies - {ours}):
            theirs = printable(others[0], 30)
            self.end(
                Verdict.FAILED,
                f"the source has prices in {theirs}, and VS_CURRENCY is {ours}: one database holds one currency",
            )
            return
        if meta_of(response)["page"] == 1:
            # A coin that changes while later pages are fetched may be on an earlier page. So only page 1 counts.
            run = self.crawler.get_extension(RunRecord)
            known = run.before.newest_change if run and self.is_incremental else None
            changes = (self.translation.date(row, "changed_at") for row in rows)
            self.newest_change = newest([known, *changes], datetime.now(UTC))
        yield from super().parse(response)

    # Prices ----------------------------------------------------------------------------------------

    def rounds(self) -> Iterator[list[Request]]:
        yield from super().rounds()
        if "prices" in self.arguments:
            yield from self.rounds_of_prices()

    def rounds_of_prices(self) -> Iterator[list[Request]]:
        """The list of days, then a few days at a time."""
        prices = address_of_prices(self.url)
        listed = DayList(prices)
        yield [self.with_callback(listed.first(), self.parse_days)]
        self.coverage.settle(listed)
        due = listed.changed_since(self.copied)
        self.coverage.set_days(len(listed.days), len(due))
        while due:
            now, due = due[:DAYS_AT_ONCE], due[DAYS_AT_ONCE:]
            chains = [DayChain(prices, day, listed.days[day]) for day in now]
            yield [self.with_callback(chain.first(), self.parse_day) for chain in chains]
            for chain in chains:
                self.coverage.settle(chain)
            if not any(chain.pages for chain in chains):
                self.coverage.leave_out(len(due))
                return

    def parse_days(self, response: Response, chain: DayList) -> Iterator[Request]:
        self.coverage.add_page()
        following = chain.add_days(request_of(response), response, rows_in(response), datetime.now(UTC))
        yield from (self.with_callback(request, self.parse_days) for request in following)

    def parse_day(self, response: Response, chain: DayChain) -> Iterator[Request | Any]:
        self.coverage.add_page()
        following = chain.add_bars(request_of(response), response, rows_in(response))
        yield from (self.with_callback(request, self.parse_day) for request in following)
        yield from self.prices(chain)

    def give_up(self, failure: Failure) -> Iterator[Request | Any]:
        yield from super().give_up(failure)
        chain = failure.request.cb_kwargs.get("chain")  # type: ignore[attr-defined]  # Scrapy puts it there
        if isinstance(chain, DayChain):
            yield from self.prices(chain)

    def prices(self, chain: DayChain) -> Iterator[DayOfPrices]:
        """The prices of a day, if no request for them is left."""
        if chain.is_over:
            yield chain.result()


def newest(moments: Iterable[Any], until: datetime) -> datetime | None:
    """The newest valid date, at most `until`; None if there is none.

    A date in the future comes from a wrong clock. The source may date its next changes earlier than that.
    """
    dates = []
    for value in moments:
        with suppress(Unfit):
            dates.append(value if isinstance(value, datetime) else read_date(value))
    possible = [date for date in dates if date >= FIRST_COIN]
    return min(max(possible), until) if possible else None
