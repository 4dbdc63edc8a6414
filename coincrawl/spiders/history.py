"""Past prices: https://docs.coingecko.com/reference/coins-id-market-chart"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from scrapy.http import Request, Response
from twisted.python.failure import Failure
from w3lib.url import url_query_parameter

from coincrawl.charts import ChartCoverage, read_chart
from coincrawl.components import WasRefused
from coincrawl.meta import Meta, request_of, rows_in
from coincrawl.pagination import OnePage
from coincrawl.source import GONE_STATUSES
from coincrawl.spiders.coingecko import CoinGeckoSpider
from webapp.coins.prices.points import Chart
from webapp.crawls.past import Plan, Wanted
from webapp.crawls.verdict import Verdict

MAX_POINTS = 110_000  # in an answer; a point for each five minutes of a year


class HistorySpider(CoinGeckoSpider):
    """One call a coin: the prices, market caps and volumes of the last days.

    The API has a point for each five minutes of one day, for each hour of 90 days, or else for each day. Without a paid
    plan it has the last 365 days.
    """

    name = "history"
    pagination = OnePage(rows="prices")
    fields = ()
    yields = (Chart,)
    feed_formats = ("json", "jsonlines", "jsonl", "jl")  # others have no lists
    custom_settings = {"FEED_EXPORT_FIELDS": ["coin_id", "step", "bars"]}

    @property
    def is_incremental(self) -> bool:
        """Any number of bars may come."""
        return True

    @cached_property
    def plan(self) -> Plan:
        return Plan(self.name, self.arguments)

    def preparations(self) -> Iterable[Callable[[], None]]:
        return self.plan.steps()

    @property
    def planned_calls(self) -> int:
        return len(self.plan.wanted)

    @cached_property
    def coverage(self) -> ChartCoverage:
        return ChartCoverage(self.pagination)

    def first_requests(self) -> Iterator[Request]:
        self.coverage.expected = len(self.plan.wanted)
        if self.plan.done:
            self.coverage.add_note(f"coins that an unfinished run had asked for: {self.plan.done:,}")
        for wanted in self.plan.wanted:
            query = urlencode({"vs_currency": self.settings["VS_CURRENCY"], "days": wanted.days})
            address = f"{self.url}/coins/{quote(wanted.coin_id, safe='')}/market_chart?{query}"
            meta = Meta(label=f"the chart of {wanted.coin_id}", max_rows=MAX_POINTS)
            yield self.with_callback(Request(address, meta={**meta}, dont_filter=True), self.parse)

    def rounds(self) -> Iterator[list[Request]]:
        """No request is made twice."""
        yield from ()

    def survives(self, request: Request, status: int) -> bool:
        return status in GONE_STATUSES

    def parse(self, response: Response) -> Iterator[Chart]:
        wanted, answer = wanted_at(request_of(response).url), rows_in(response)
        chart = read_chart(wanted.coin_id, wanted.days, answer.rows, answer.envelope, datetime.now(UTC))
        self.coverage.add_chart(chart)
        yield chart

    def give_up(self, failure: Failure) -> Iterator[Request | Any]:
        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy puts it there
        if isinstance(failure.value, WasRefused):
            self.coverage.add_unknown(wanted_at(request.url).coin_id)
            if self.coverage.is_hopeless:
                self.end(Verdict.FAILED, "the API knows none of the first coins: check the ids and BASE_API_URL")
        else:
            yield from super().give_up(failure)


def wanted_at(url: str) -> Wanted:
    """What the address of a chart asks for."""
    coin_id = urlsplit(url).path.split("/")[-2]
    return Wanted(unquote(coin_id), int(url_query_parameter(url, "days") or 1))
