"""The copy of a copy: the read API of another coincrawl, or one like it."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from scrapy.http import Request, Response
from w3lib.url import add_or_replace_parameter

from coincrawl import responses
from coincrawl.components import extension
from coincrawl.extensions.run import RunRecord
from coincrawl.items import CoinItem
from coincrawl.meta import meta_of, rows_in
from coincrawl.pagination import NextLink
from coincrawl.secret import Secret
from coincrawl.spiders.base import PaginatedSpider
from webapp.coins.cleaning import Unfit, check_for
from webapp.coins.models import FullCoin
from webapp.coins.texts import printable
from webapp.crawls.addresses import origin
from webapp.crawls.verdict import Verdict

OVERLAP = timedelta(minutes=10)  # before the newest change that is known: one that was committed late is older than it
FIRST_COIN = datetime(2009, 1, 3, tzinfo=UTC)  # Bitcoin's first block
moment = check_for(FullCoin._meta.get_field("changed_at"))


class MirrorSpider(PaginatedSpider):
    """At most 1,000 coins a page, 300 calls a minute; about 18,000 coins.

    A whole run takes all that the source has, and marks missing what it no longer has. With `only=changed` a run asks
    for what has changed since the last complete one.

    Any API in the style of Django REST Framework will do, with the fields of FullCoin or with those of CoinGecko. One
    that names them in its own way, or wants another word before the token, is a subclass.
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
    ignored = {*FullCoin.BOOKKEEPING} - {"missing_since"}  # they are about the source's database, not about ours
    remedies = responses.REMEDIES | {
        responses.REDIRECTED: "redirects are not followed: give that address itself in MIRROR_URL or -a url=",
        400: "if it does not take this size of a page, the spider's pagination says another",
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
        """Also where the source's own address has a query; where another has one, it names a part of that source."""
        return super().is_whole and ("?" not in self.url or self.url == self.settings["MIRROR_URL"])

    @property
    def since(self) -> datetime | None:
        """From when on changes are asked for; None where everything is asked for."""
        known = extension(self.crawler, RunRecord).before.newest_change
        return known - OVERLAP if known and self.is_incremental else None

    @property
    def collection(self) -> str:
        since = self.since
        return add_or_replace_parameter(self.url, "changed_since", f"{since:%FT%T.%fZ}") if since else self.url

    @property
    def credential(self) -> str:
        """The token, for the source that it was set for: who may name another address shall not get it that way."""
        home = self.settings["MIRROR_URL"]
        return super().credential if home and origin(home) == origin(self.url) else ""

    @property
    def is_incremental(self) -> bool:
        return "only" in self.arguments

    def first_requests(self) -> Iterable[Request]:
        if self.is_incremental:
            since = self.since
            what = f"what has changed since {since:%F %T} UTC" if since else "everything: no run tells since when"
            self.coverage.add_note(f"asked for {what}")
        return super().first_requests()

    def parse(self, response: Response) -> Iterator[Request | CoinItem]:
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
            # What changes while the other pages are fetched may be on a page that came before. So only what was known
            # when the first one came counts.
            known = extension(self.crawler, RunRecord).before.newest_change if self.is_incremental else None
            changes = (self.translation.date(row, "changed_at") for row in rows)
            self.newest_change = newest([known, *changes], datetime.now(UTC))
        yield from super().parse(response)


def newest(moments: Iterable[Any], until: datetime) -> datetime | None:
    """The newest of these that is a date, and not before there was any coin; at most `until`.

    A date in the future is of a clock that was wrong. The source may date its next changes earlier than that.
    """
    dates = []
    for value in moments:
        with suppress(Unfit):
            dates.append(value if isinstance(value, datetime) else moment(value))
    possible = [date for date in dates if date >= FIRST_COIN]
    return min(max(possible), until) if possible else None
