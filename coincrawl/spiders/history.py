"""Past prices: https://docs.coingecko.com/reference/coins-id-market-chart"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import quote, urlencode

from scrapy.http import Request, Response
from twisted.python.failure import Failure

from coincrawl.charts import ChartCoverage, read_chart
from coincrawl.components import WasRefused
from coincrawl.items import ChartItem
from coincrawl.meta import Meta, rows_in
from coincrawl.pagination import OnePage
from coincrawl.source import GONE_STATUSES
from coincrawl.spiders.coingecko import CoinGeckoSpider
from webapp.crawls.past import Plan, Wanted

MAX_POINTS = 100_000  # in an answer; a point for each five minutes of a year


class HistorySpider(CoinGeckoSpider):
    """One call a coin: the prices, market caps and volumes of the last days.

    The API has a point for each five minutes of one day, for each hour of 90 days, or else for each day. Without a paid
    plan it has the last 365 days.
    """

    name = "history"
    pagination = OnePage(rows="prices")
    fields = ()
    item = ChartItem
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
            request = Request(address, meta={**meta}, cb_kwargs={"wanted": wanted}, dont_filter=True)
            yield self.with_callback(request, self.parse_chart)

    def rounds(self) -> Iterator[list[Request]]:
        yield from ()

    def survives(self, request: Request, status: int) -> bool:
        return status in GONE_STATUSES

    def parse_chart(self, response: Response, wanted: Wanted) -> Iterator[ChartItem]:
        answer = rows_in(response)
        chart = read_chart(wanted.coin_id, wanted.days, answer.rows, answer.envelope, datetime.now(UTC))
        self.coverage.add_chart(chart)
        yield ChartItem(coin_id=chart.coin_id, step=chart.step, bars=chart.bars, chart=chart)

    def give_up(self, failure: Failure) -> Iterator[Request]:
        if isinstance(failure.value, WasRefused):
            request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy puts it there
            self.coverage.add_unknown(request.cb_kwargs["wanted"].coin_id)
            return
        yield from super().give_up(failure)
