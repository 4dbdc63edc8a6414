"""CoinGecko's coin markets, whole: https://docs.coingecko.com/reference/coins-markets"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from scrapy.http import Request, Response

from coincrawl import responses
from coincrawl.components import extension
from coincrawl.extensions.run import RunRecord
from coincrawl.items import CoinItem
from coincrawl.lookup import Lookup
from coincrawl.pagination import PageNumber
from coincrawl.secret import Secret
from coincrawl.spiders.base import FIELDS, MAX_EXCESS, PaginatedSpider, request_of
from webapp.coins.texts import counted
from webapp.crawls.catalog import MAX_COINS, MAX_PAGE_SIZE, PLANS

MAX_IDS = 250  # in a call; the API's limit
URL_LENGTH = 2_000  # characters; an answer 414 has been seen
LIST = "/coins/list"
LIST_KEEPS = 0.9  # of the coins that it named in the last complete run
LIST_COVERS = 0.99  # of the coins that pages had; some leave meanwhile, but a shorter list is not the whole one
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
    responses.REDIRECTED: "redirects are not followed, so check BASE_API_URL",
    400: "check VS_CURRENCY and the spider's arguments",
    401: "is COINGECKO_API_KEY set, and right for COINGECKO_PLAN?",
    403: "is the key right, the plan sufficient, and this address not blocked?",
    404: "check BASE_API_URL and the spider's arguments",
    422: "check VS_CURRENCY and the spider's arguments",
}


def only_id(pairs: list[tuple[str, Any]]) -> Any:
    """A json hook: of the list's objects nothing but the id is wanted, and 18,000 of them are not small."""
    ids = [value for name, value in pairs if name == "id"]
    return (ids[0],) if len(ids) == 1 and isinstance(ids[0], str) else dict(pairs)


class MarketsSpider(PaginatedSpider):
    """At most 250 coins a page, 3 (keyless) to 500 calls a minute by plan; about 18,000 coins.

    Paging alone cannot prove that it saw everything (by market cap, whose order is not stable, it loses a fifth). So a
    run of the whole market asks for lapsed pages again, then for /coins/list, which has every id there is, and then by
    `ids=` for those that no page had.
    """

    name = "markets"
    names = {
        "coin_id": "id",
        "roi_times": "roi.times",
        "roi_currency": "roi.currency",
        "roi_percentage": "roi.percentage",
    }
    secret = Secret("COINGECKO_API_KEY", is_required=False)
    # The one that is left out has been sent since 2026.
    fields = tuple(field.name for field in FIELDS if field.name != "market_cap_rank_with_rehypothecated")
    remedies = REMEDIES
    final = (SPENT_CREDITS,)

    def __init__(self, _job: str | None = None, **arguments: str) -> None:
        super().__init__(_job, **arguments)
        self.pagination = PageNumber(
            size=self.arguments.get("per_page", MAX_PAGE_SIZE), limit=self.arguments.get("pages"), max_records=MAX_COINS
        )
        self.unanswered: set[str] = set()  # ids that the list names and no page had
        self.coins_before = 0  # in the last complete run
        self.list_fault = f"without {LIST} nothing proves that this is the whole market"
        self.notes_on_list: list[str] = []
        self.lookup = Lookup(MAX_IDS, self._fits)
        self.broken: list[str] = []  # answers other than pages that did not come, in words

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

    def pages_in_all(self, before: int | None) -> int | None:
        if "ids" in self.arguments:
            return len(Lookup(MAX_IDS, self._fits).ask(self.arguments["ids"]))
        pages = super().pages_in_all(before)
        return pages + 2 if pages and self.whole and not before else pages  # the empty page and the list

    def secret_headers(self) -> Mapping[str, str]:
        """In the header that the plan has for it."""
        header = PLANS[self.settings["COINGECKO_PLAN"]].key_header
        return {header: self.credential} if header and self.credential else {}

    def first_requests(self) -> Iterable[Request]:
        if "ids" in self.arguments:
            return self._by_ids(self.lookup.ask(self.arguments["ids"]))
        return super().first_requests()

    def rounds(self) -> Iterator[list[Request]]:
        if self.whole:
            yield from self.in_rounds(self.coverage.lapsed)
            yield [self._list()]
            self._compare()
            yield self._by_ids(self.lookup.ask(self.unanswered, self.answered))
        elif "ids" not in self.arguments:
            yield from super().rounds()
            return
        while calls := self.lookup.again(self.answered):
            yield self._by_ids(calls)
        self.answered.update(self.lookup.perhaps_absent)

    def _list(self) -> Request:
        meta = {"label": LIST, "json_hook": only_id, "download_maxsize": LONGEST_LIST_BODY}
        return self.asked(Request(f"{self.url}{LIST}", meta=meta, dont_filter=True), self.parse_list)

    def parse_list(self, response: Response) -> None:
        self.pages += 1
        entries = response.meta.pop("answer").rows
        listed = set(self.usable(entry[0] for entry in entries if isinstance(entry, tuple)))
        self.listed, self.unanswered = len(listed), listed - self.answered
        if odd := len(entries) - len(listed):
            self.notes_on_list.append(f"entries of {LIST} that repeat an id, or have none that can be one: {odd:,}")

    def _compare(self) -> None:
        """Say why the list does not name the whole market, where that is to be seen."""
        if self.listed is None:
            return
        before = extension(self.crawler, RunRecord).previous
        self.coins_before = before.coins if before else 0
        covered = self.listed - len(self.unanswered)
        if self.listed > LONGEST_LIST:
            self.list_fault = f"{LIST} names {self.listed:,} coins, which is not believed"
            self.unanswered = set()
        elif not self.listed:
            self.list_fault = f"{LIST} has no entry with an id"
        elif covered < len(self.answered) * LIST_COVERS:
            self.list_fault = f"{LIST} names only {covered:,} of the {len(self.answered):,} coins that pages had"
        elif before and before.listed and self.listed < before.listed * LIST_KEEPS:
            self.list_fault = f"{LIST} names {self.listed:,} coins, where the last complete run had {before.listed:,}"
        else:
            self.list_fault = ""

    def _fits(self, ids: Sequence[str]) -> bool:
        return len(self._market(ids=",".join(ids))) <= URL_LENGTH

    def _by_ids(self, calls: Iterable[list[str]]) -> list[Request]:
        """The requests for these coins, call by call."""
        return [self.asked(self._call(ids), self.parse_ids) for ids in calls]

    def _call(self, ids: list[str]) -> Request:
        named = [coin_id for coin_id in ids if coin_id not in self.lookup.known]
        meta = {"label": f"ids {named[0]} to {named[-1]}", "ids": ids}
        return Request(self._market(ids=",".join(ids)), meta=meta, dont_filter=True)

    def parse_ids(self, response: Response) -> Iterator[CoinItem]:
        request, rows = request_of(response), response.meta["answer"].rows
        self.pages += 1
        returned = list(self.ids(rows))
        self.lookup.add(request.meta["ids"], returned, len(rows) - len(returned))
        # The known coins have been had, and were asked for as a proof alone.
        wanted = [row for row in rows if not self.lookup.known.intersection(self.ids([row]))]
        self.answered.update(returned)
        yield from self.items(wanted, self.label(request))

    def go_without(self, request: Request, words: str) -> list[Request]:
        if "page" in request.meta:
            return super().go_without(request, words)
        self.broken.append(words)
        return []

    def survives(self, request: Request, status: int) -> bool:
        return request.meta.get("label") == LIST or super().survives(request, status)

    def max_rows(self, request: Request) -> int | None:
        return MAX_EXCESS * MAX_IDS if "ids" in request.meta else super().max_rows(request)

    def doubts(self) -> list[str]:
        """Of the whole market, /coins/list is the proof: where it holds, trouble with paging is only worth a note."""
        if "ids" in self.arguments:
            return [*self.broken, *self.lookup.doubts()]
        if not self.whole:
            return super().doubts()
        doubts = [*filter(None, [self.list_fault, self._miscount()]), *self.broken, *self.lookup.doubts()]
        return doubts + super().doubts() if doubts else []

    def _miscount(self) -> str:
        """In words, that pages did not come as they should, and that fewer coins came than there must be."""
        if self.coverage.is_sound:
            return ""
        known = {"the last complete run": self.coins_before}
        if count := self.coverage.count:
            known["the pages' own count"] = count
        else:
            known["the pages' number and size"] = self.coverage.least
        came = len(self.answered)
        more = (f"{number:,} by {source}" for source, number in known.items() if came < number)
        return next((f"pages and {LIST} have {counted(came, 'coin')}, of {words}" for words in more), "")

    @property
    def present(self) -> set[str] | None:
        # With those that a record without an id may be of. What pages and list both lack may still be there, where a
        # page did not come as it should, or where the API counts more.
        is_all = self.coverage.is_sound and len(self.answered) >= (self.coverage.count or 0)
        return self.answered if self.whole and is_all else None

    def proof(self) -> str:
        if "ids" in self.arguments:
            others = ", or was in neither of two answers" if self.lookup.absent else ""
            return f"each of these coins was returned{others}"
        if not self.whole:
            return super().proof()
        return f"{LIST} names {self.listed:,} coins, and each was returned or is not on the market"

    def notes(self) -> list[str]:
        notes = [] if self.whole else super().notes()
        if self.whole and not self.doubts():
            notes += super().doubts()
        notes += self.notes_on_list
        absent = [] if self.lookup.doubts() else sorted(self.lookup.absent)
        if self.whole and self.present is None:
            why = "not all pages came as they should"
            if self.coverage.is_sound:
                why = "the API counts more coins than came"
            notes.append(f"no coin was marked missing, because {why}")
        if absent and self.whole:
            notes.append(f"not on the market, though {LIST} names them: {counted(len(absent), 'id')}")
        elif absent:
            notes.append(f"not on the market: {', '.join(absent[:10])}")
        return notes

    def _market(self, **parameters: str | None) -> str:
        fixed = {
            "vs_currency": self.settings["VS_CURRENCY"],
            "include_rehypothecated": "true",  # or WETH, stETH and WBTC are left out
            "per_page": str(MAX_PAGE_SIZE),  # the pagination writes its own over it
        }
        given = {name: value for name, value in parameters.items() if value is not None}
        return f"{self.url}/coins/markets?{urlencode(fixed | given, safe=',')}"
