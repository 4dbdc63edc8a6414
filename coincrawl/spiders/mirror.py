"""Mirrors the read API of another coincrawl, or an API like it."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from scrapy import Item
from scrapy.http import Request, Response
from w3lib.url import add_or_replace_parameter

from coincrawl import responses
from coincrawl.components import extension
from coincrawl.extensions.run import RunRecord
from coincrawl.meta import meta_of, rows_in
from coincrawl.pagination import NextLink
from coincrawl.secret import Secret
from coincrawl.spiders.base import PaginatedSpider
from webapp.coins.cleaning import Unfit, check_for
from webapp.coins.models import FullCoin
from webapp.coins.texts import printable
from webapp.crawls.addresses import origin
from webapp.crawls.verdict import Verdict

# A change that the source committed late may be older than the newest change that is known.
OVERLAP = timedelta(minutes=10)
FIRST_COIN = datetime(2009, 1, 3, tzinfo=UTC)  # Bitcoin's first block
read_date = check_for(FullCoin._meta.get_field("changed_at"))


class MirrorSpider(PaginatedSpider):
    """At most 1,000 coins a page, 300 calls a minute; about 18,000 coins.

    A whole run copies all coins, and marks those missing that the source no longer has. With `only=changed` a run asks
    for the coins that have changed since the last complete run.

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

    def first_requests(self) -> Iterable[Request]:
        if self.is_incremental:
            since = self.since
            what = f"what has changed since {since:%F %T} UTC" if since else "everything: the newest change is unknown"
            self.coverage.add_note(f"asked for {what}")
        return super().first_requests()

    def parse(self, response: Response) -> Iterator[Request | Item]:
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
