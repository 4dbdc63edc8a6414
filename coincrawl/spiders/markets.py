"""CoinGecko's coin markets, whole: https://docs.coingecko.com/reference/coins-markets"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from scrapy.http import Request, Response

from coincrawl.components import extension
from coincrawl.coverage import Coverage
from coincrawl.extensions.run import RunRecord
from coincrawl.items import CoinItem, CoinPage
from coincrawl.listing import IdsCoverage, ListedCoverage, LookupCoverage
from coincrawl.meta import Meta, request_of, rows_in
from coincrawl.pagination import PageNumber
from coincrawl.source import FIELDS, MAX_EXCESS, usable_id
from coincrawl.spiders.coingecko import CoinGeckoSpider
from webapp.crawls.catalog import MAX_COINS, MAX_PAGE_SIZE

MAX_IDS = 250  # in a call; the API's limit
MAX_URL_LENGTH = 2_000  # characters; the API refuses long addresses with 414
LIST = "/coins/list"
ENCODING = ("utf-8", "surrogatepass")  # of each id in the list
MAX_LIST_BODY = 64 * 1024 * 1024  # bytes; the list has about 2 MB


def only_id(pairs: list[tuple[str, Any]]) -> bytes | dict[str, Any]:
    """A json hook that keeps only the id of each entry of the list, because the whole list needs much memory.

    It is bytes, because JSON has none, and because they take less than a text.
    """
    ids = [value for name, value in pairs if name == "id"]
    return ids[0].encode(*ENCODING) if len(ids) == 1 and isinstance(ids[0], str) else dict(pairs)


def listed_id(entry: object) -> bytes | None:
    """The id of an entry of the list; None if it cannot be read. What else is wrong with the entry does not matter."""
    if isinstance(entry, dict) and isinstance(coin_id := entry.get("id"), str):  # nested too deeply, or with two ids
        return coin_id.encode(*ENCODING)
    return entry if isinstance(entry, bytes) else None


class MarketsSpider(CoinGeckoSpider):
    """At most 250 coins a page, 3 (keyless) to 500 calls a minute by plan; about 18,000 coins.

    Pages alone cannot prove that no coin is missing. In the order of market cap, which is not stable, they miss a
    fifth. So a run of the whole market also asks for /coins/list, which has all ids, and again for damaged pages, and
    then by `ids=` for the coins that no page had.
    """

    name = "markets"
    pagination: PageNumber
    names = {
        "coin_id": "id",
        "roi_times": "roi.times",
        "roi_currency": "roi.currency",
        "roi_percentage": "roi.percentage",
    }
    # The API sends the rank with rehypothecated coins only since 2026, so its absence is no fault.
    fields = tuple(field.name for field in FIELDS if field.name != "market_cap_rank_with_rehypothecated")

    def __init__(self, _job: str | None = None, **arguments: str) -> None:
        super().__init__(_job, **arguments)
        self._is_list_requested = False
        self.pagination = PageNumber(
            size=self.arguments.get("per_page", MAX_PAGE_SIZE), limit=self.arguments.get("pages"), max_records=MAX_COINS
        )

    @property
    def collection(self) -> str:
        return self._market(order=self.arguments.get("order", "id_asc"), category=self.arguments.get("category"))

    def new_coverage(self) -> Coverage:
        if "ids" in self.arguments:
            return IdsCoverage(self.pagination, MAX_IDS, self._fits)
        if self.is_whole:
            return ListedCoverage(self.pagination, MAX_IDS, self._fits, listed_at=LIST)
        return super().new_coverage()

    def first_requests(self) -> Iterable[Request]:
        coverage, before = self.coverage, extension(self.crawler, RunRecord).before
        if isinstance(coverage, IdsCoverage):
            return self._by_ids(coverage, coverage.ask(self.arguments["ids"]))
        if isinstance(coverage, ListedCoverage):
            coverage.set_last_complete(before.coins, before.listed)
        return super().first_requests()

    def rounds(self) -> Iterator[list[Request]]:
        coverage = self.coverage
        if not isinstance(coverage, LookupCoverage):
            yield from super().rounds()
            return
        if isinstance(coverage, ListedCoverage):
            yield from self.in_rounds(coverage.repairs)
            yield self._list_once(coverage)
            yield self._by_ids(coverage, coverage.ask_unanswered())
        while calls := coverage.again():
            yield self._by_ids(coverage, calls)

    def parse(self, response: Response) -> Iterator[Request | Any]:
        yield from super().parse(response)
        if isinstance(self.coverage, ListedCoverage) and self.coverage.is_list_due:
            yield from self._list_once(self.coverage)

    def _list_once(self, coverage: ListedCoverage) -> list[Request]:
        """The request for the list, if it has not been made."""
        requests = [] if self._is_list_requested else [self._list(coverage)]
        self._is_list_requested = True
        return requests

    def _list(self, coverage: ListedCoverage) -> Request:
        meta = Meta(label=LIST, json_hook=only_id, download_maxsize=MAX_LIST_BODY, is_optional=True)
        request = Request(f"{self.url}{LIST}", meta={**meta}, cb_kwargs={"coverage": coverage}, dont_filter=True)
        return self.with_callback(request, self.parse_list)

    def parse_list(self, response: Response, coverage: ListedCoverage) -> Iterator[Request]:
        entries = rows_in(response).rows
        del response.meta["judgement"]  # frees the memory of 18,000 entries
        different = dict.fromkeys(filter(None, map(listed_id, entries)))
        ids = (usable_id(coin_id.decode(*ENCODING)) for coin_id in different)
        for page in coverage.add_list(filter(None, ids), len(entries)):
            yield self.with_callback(page, self.parse)

    def _by_ids(self, coverage: LookupCoverage, calls: Iterable[list[str]]) -> list[Request]:
        return [self.with_callback(self._call(coverage, ids), self.parse_ids) for ids in calls]

    def _call(self, coverage: LookupCoverage, ids: list[str]) -> Request:
        named = [coin_id for coin_id in ids if coin_id not in coverage.lookup.known]
        meta = Meta(label=f"ids {named[0]} to {named[-1]}", ids=ids, max_rows=MAX_EXCESS * MAX_IDS)
        address = self._market(ids=",".join(ids))
        return Request(address, meta={**meta}, cb_kwargs={"coverage": coverage}, dont_filter=True)

    def parse_ids(self, response: Response, coverage: LookupCoverage) -> Iterator[CoinPage | CoinItem]:
        request, records = request_of(response), self.read(rows_in(response).rows)
        wanted = coverage.add_ids(request, [record.coin_id for record in records])
        yield from self.items([records[place] for place in wanted], self.label(request))

    def _fits(self, ids: Sequence[str]) -> bool:
        return len(self._market(ids=",".join(ids))) <= MAX_URL_LENGTH

    def _market(self, **parameters: str | None) -> str:
        fixed = {
            "vs_currency": self.settings["VS_CURRENCY"],
            "include_rehypothecated": "true",  # or WETH, stETH and WBTC are left out
            "per_page": str(MAX_PAGE_SIZE),  # for ids=; the pagination replaces it
        }
        given = {name: value for name, value in parameters.items() if value is not None}
        return f"{self.url}/coins/markets?{urlencode(fixed | given, safe=',')}"
