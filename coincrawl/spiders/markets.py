"""CoinGecko's coin markets, whole: https://docs.coingecko.com/reference/coins-markets"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from scrapy.http import Request, Response

from coincrawl.items import CoinItem
from coincrawl.pagination import PageNumber
from webapp.coins.catalog import MAX_COINS, MAX_PAGE_SIZE, PLANS

from .base import PaginatedSpider, request_of

IDS_IN_A_CALL = 250  # the API's limit
URL_LENGTH = 2_000  # characters; an answer 414 has been seen
LIST = "/coins/list"
LIST_COVERS = 0.80  # of the coins that paging brought; a shorter list is a broken one


def only_id(pairs: list[tuple[str, Any]]) -> Any:
    """A json hook: of the list's objects nothing but the id is wanted, and 18,000 of them are not small."""
    entry = dict(pairs)
    return entry["id"] if isinstance(entry.get("id"), str) else entry


class MarketsSpider(PaginatedSpider):
    """At most 250 coins a page, 3 (keyless) to 500 calls a minute by plan; about 18,000 coins.

    Paging alone cannot prove that it saw everything (by market cap, whose order is not stable, it loses a fifth), so
    a run of the whole market then asks /coins/list for every id there is, and for those that no page held by `ids=`.
    """

    name = "markets"
    names = {
        "coin_id": "id",
        "roi_times": "roi.times",
        "roi_currency": "roi.currency",
        "roi_percentage": "roi.percentage",
    }
    typical_records = 18_500

    def __init__(self, _job: str | None = None, **arguments: str) -> None:
        super().__init__(_job, **arguments)
        self.pagination = PageNumber(
            size=self.arguments.get("per_page", MAX_PAGE_SIZE), limit=self.arguments.get("pages"), max_records=MAX_COINS
        )
        self.listed: list[str] = []  # by /coins/list, until it is clear which of them need asking for
        self.unproven = f"without {LIST} nothing proves that this is the whole market" if self.whole else ""
        self.not_on_market: list[str] = []

    @property
    def url(self) -> str:
        return self.settings["BASE_API_URL"]

    @property
    def collection(self) -> str:
        return self._market(order=self.arguments.get("order", "id_asc"), category=self.arguments.get("category"))

    def pages_in_all(self, before: int | None) -> int:
        if "ids" in self.arguments:
            return sum(1 for _ in self._by_ids(self.arguments["ids"]))
        return super().pages_in_all(before) + (2 if self.whole and not before else 0)  # the empty page and the list

    def secret_headers(self) -> Mapping[str, str]:
        header, key = PLANS[self.settings["COINGECKO_PLAN"]].key_header, self.settings["COINGECKO_API_KEY"]
        return {header: key} if header and key else {}

    async def start(self) -> AsyncIterator[Request]:
        if "ids" not in self.arguments:
            async for request in super().start():
                yield request
        for request in self._by_ids(self.arguments.get("ids", ())):
            yield request

    def steps(self) -> Iterable[Callable[[], Iterable[Request]]]:
        return (self._ask_list, self._ask_unanswered) if self.whole else ()

    def _ask_list(self) -> Iterator[Request]:
        request = Request(f"{self.url}{LIST}", meta={"label": LIST, "json_hook": only_id}, dont_filter=True)
        yield self.asked(request, self.parse_list)

    def parse_list(self, response: Response) -> None:
        self.pages += 1
        self.listed = [entry for entry in response.meta.pop("rows") if isinstance(entry, str)]
        self.unproven = ""

    def _ask_unanswered(self) -> Iterator[Request]:
        unanswered = [coin_id for coin_id in self.listed if coin_id not in self.answered]
        covered = len(self.listed) - len(unanswered)
        if not self.unproven and covered < len(self.answered) * LIST_COVERS:
            self.unproven = f"{LIST} names only {covered} of the {len(self.answered)} coins that pages held"
        self.listed = []
        return self._by_ids(sorted(set(unanswered)))

    def _by_ids(self, ids: Iterable[str]) -> Iterator[Request]:
        """Requests for these coins, in chunks that the API and its URLs can take."""
        chunk: list[str] = []
        for coin_id in ids:
            if len(chunk) == IDS_IN_A_CALL or len(self._market(ids=",".join([*chunk, coin_id]))) > URL_LENGTH:
                yield self._chunk(chunk)
                chunk = []
            chunk.append(coin_id)
        if chunk:
            yield self._chunk(chunk)

    def _chunk(self, ids: list[str]) -> Request:
        label = f"ids {ids[0]} to {ids[-1]}"
        request = Request(self._market(ids=",".join(ids)), meta={"label": label, "ids": ids}, dont_filter=True)
        return self.asked(request, self.parse_ids)

    def parse_ids(self, response: Response) -> Iterator[CoinItem]:
        rows, asked = response.meta["rows"], set(response.meta["ids"])
        self.pages += 1
        returned = set(self.ids(rows))
        if returned <= asked:
            absent = asked - returned
            if len(returned) < len(rows):
                # A record without an id may be any of those: none of them may be called missing.
                self.answered |= absent
            else:
                self.not_on_market += absent
        else:
            self.broken.append((request_of(response), "the answer has other coins than were asked for"))
        self.take(rows)
        yield from self.items(rows, self.label(request_of(response)))

    def doubts(self) -> list[str]:
        """Of the whole market, /coins/list is the proof: where it holds, trouble with paging is only worth a note."""
        doubts = super().doubts()
        if not self.whole:
            return doubts
        proven = not self.unproven and all("page" in request.meta for request, _ in self.broken)
        return [] if proven else [*filter(None, [self.unproven]), *doubts]

    def notes(self) -> list[str]:
        notes = super().doubts() if self.whole and not self.doubts() else []
        if self.not_on_market and self.whole:
            notes.append(f"{len(self.not_on_market)} ids that {LIST} names are not on the market")
        elif self.not_on_market:
            notes.append(f"not on the market: {', '.join(sorted(self.not_on_market)[:10])}")
        return notes

    def _market(self, **parameters: str | None) -> str:
        fixed = {
            "vs_currency": self.settings["VS_CURRENCY"],
            "include_rehypothecated": "true",  # or WETH, stETH and WBTC are left out
            "per_page": str(MAX_PAGE_SIZE),  # the pagination writes its own over it
        }
        given = {name: value for name, value in parameters.items() if value is not None}
        return f"{self.url}/coins/markets?{urlencode(fixed | given, safe=',')}"
