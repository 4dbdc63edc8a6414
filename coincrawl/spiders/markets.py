"""CoinGecko's coin markets, whole: https://docs.coingecko.com/reference/coins-markets"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from scrapy.http import Request, Response

from coincrawl import responses
from coincrawl.items import CoinItem
from coincrawl.pagination import PageNumber
from webapp.coins.catalog import MAX_COINS, MAX_PAGE_SIZE, PLANS

from .base import PaginatedSpider, request_of

IDS_IN_A_CALL = 250  # the API's limit
URL_LENGTH = 2_000  # characters; an answer 414 has been seen
LIST = "/coins/list"
LIST_COVERS = 0.99  # of the coins that pages held; some leave meanwhile, but a shorter list is not the whole one
LONGEST_LIST_BODY = 64 * 1024 * 1024  # bytes; it has about 2 MB
LONGEST_LIST = 100_000  # ids; five times today's, and more would cost a month's credits to ask for


SPENT_CREDITS = 10006
REMEDIES = {
    **responses.REMEDIES,
    # The API's own error codes ...
    10002: "is COINGECKO_API_KEY set, and right for COINGECKO_PLAN?",
    10005: "COINGECKO_PLAN does not include this",
    SPENT_CREDITS: "the month's credits are spent: wait for the next month or change the plan",
    10010: "a paid key belongs to pro-api.coingecko.com: check COINGECKO_PLAN and BASE_API_URL",
    10011: "a demo key belongs to api.coingecko.com: check COINGECKO_PLAN and BASE_API_URL",
    # ... and statuses that come without one
    responses.REDIRECTED: "check BASE_API_URL",
    400: "check VS_CURRENCY and the spider's arguments",
    401: "is COINGECKO_API_KEY set, and right for COINGECKO_PLAN?",
    403: "is the key right, the plan sufficient, and this address not blocked?",
    404: "check BASE_API_URL and the spider's arguments",
    422: "check VS_CURRENCY and the spider's arguments",
}


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
    optional_fields = ("market_cap_rank_with_rehypothecated",)  # since 2026
    remedies = REMEDIES
    final = (SPENT_CREDITS,)

    def __init__(self, _job: str | None = None, **arguments: str) -> None:
        super().__init__(_job, **arguments)
        self.pagination = PageNumber(
            size=self.arguments.get("per_page", MAX_PAGE_SIZE), limit=self.arguments.get("pages"), max_records=MAX_COINS
        )
        self.listed: set[str] = set()  # by /coins/list, until it is clear which of them need asking for
        self.proven = False  # that every id of /coins/list has been answered for or asked for
        self.list_fault = ""
        self.notes_on_list: list[str] = []
        self.not_on_market: list[str] = []  # asked for by id, and not in the answer
        self.perhaps_rejected: set[str] = set()  # of those: there was a record without an id
        self.came_by_id = 0  # in the last round of asking

    @property
    def calls_per_minute(self) -> float:
        return self.settings.getfloat("COINGECKO_CALLS_PER_MINUTE")

    @property
    def monthly_credits(self) -> int:
        return self.settings.getint("COINGECKO_MONTHLY_CREDITS")

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

    @property
    def secret(self) -> str:
        return self.settings["COINGECKO_API_KEY"]

    def secret_headers(self) -> Mapping[str, str]:
        header = PLANS[self.settings["COINGECKO_PLAN"]].key_header
        return {header: self.secret} if header and self.secret else {}

    async def start(self) -> AsyncIterator[Request]:
        if "ids" not in self.arguments:
            async for request in super().start():
                yield request
        for request in self._by_ids(self.arguments.get("ids", ())):
            yield request

    def steps(self) -> Iterator[Callable[[], Iterable[Request]]]:
        if self.whole:
            yield self._ask_list
            yield self._ask_unanswered
        elif "ids" not in self.arguments:
            yield from super().steps()
        # An answer may leave coins out: who is not in it is asked for again, until a round brings nothing new.
        is_second = True
        while self.not_on_market and (self.came_by_id or is_second):
            yield self._ask_again
            is_second = False
        self.answered |= self.perhaps_rejected

    def _ask_list(self) -> Iterator[Request]:
        meta = {"label": LIST, "json_hook": only_id, "download_maxsize": LONGEST_LIST_BODY}
        request = Request(f"{self.url}{LIST}", meta=meta, dont_filter=True)
        yield self.asked(request, self.parse_list)

    def parse_list(self, response: Response) -> None:
        self.pages += 1
        entries = response.meta.pop("answer").rows
        self.listed = set(self.usable(entries))
        if odd := len(entries) - len(self.listed):
            self.notes_on_list.append(f"{odd} entries of {LIST} repeat an id or have none that a coin could have")

    def _ask_unanswered(self) -> Iterable[Request]:
        unanswered = sorted(coin_id for coin_id in self.listed if coin_id not in self.answered)
        covered = len(self.listed) - len(unanswered)
        if not self.listed:
            return ()
        if len(self.listed) > LONGEST_LIST:
            self.list_fault = f"{LIST} names {len(self.listed)} coins, which is not believed"
            return ()
        if covered < len(self.answered) * LIST_COVERS:
            self.list_fault = f"{LIST} names only {covered} of the {len(self.answered)} coins that pages held"
        requests = list(self._by_ids(unanswered))
        self.proven = not self.list_fault
        self.listed = set()
        return requests

    def _ask_again(self) -> Iterable[Request]:
        ids, self.not_on_market, self.perhaps_rejected, self.came_by_id = self.not_on_market, [], set(), 0
        return self._by_ids(sorted(ids))

    def _by_ids(self, ids: Iterable[str]) -> Iterator[Request]:
        """Requests for these coins, in chunks that the API and its URLs can take."""
        chunk: list[str] = []
        for coin_id in ids:
            if chunk and (
                len(chunk) == IDS_IN_A_CALL or len(self._market(ids=",".join([*chunk, coin_id]))) > URL_LENGTH
            ):
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
        rows, asked = response.meta["answer"].rows, set(response.meta["ids"])
        self.pages += 1
        returned = set(self.ids(rows))
        self.came_by_id += len(returned)
        if returned <= asked:
            self.not_on_market += asked - returned
            if len(returned) < len(rows):
                # A record without an id may be any of those: none of them may be called missing.
                self.perhaps_rejected |= asked - returned
        else:
            self.broken.append((request_of(response), "the answer has other coins than were asked for"))
        self.take(rows)
        yield from self.items(rows, self.label(request_of(response)))

    def doubts(self) -> list[str]:
        """Of the whole market, /coins/list is the proof: where it holds, trouble with paging is only worth a note."""
        doubts = super().doubts()
        if not self.whole:
            return doubts
        if self.proven and all("page" in request.meta for request, _ in self.broken):
            return []
        without = f"without {LIST} nothing proves that this is the whole market"
        return [*([] if self.proven else [self.list_fault or without]), *doubts]

    def notes(self) -> list[str]:
        notes = super().doubts() if self.whole and not self.doubts() else []
        notes += self.notes_on_list
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
