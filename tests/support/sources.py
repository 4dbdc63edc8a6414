"""Sources that are read page by page, what they do to a page, and how a run reads them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

from scrapy.http import Request, Response

from coincrawl.coverage import Coverage
from coincrawl.pagination import NextLink, PageNumber
from coincrawl.responses import Rows

URL = "https://api.example/coins"
LINKS = NextLink()
Lapse = Callable[[list[str]], list[str]]
EMPTY: Lapse = lambda ids: []  # noqa: E731 - these are named like that in the tables
SHORT: Lapse = lambda ids: ids[: len(ids) // 2]  # noqa: E731
ONE_ROW_TOO_FEW: Lapse = lambda ids: ids[:-1]  # noqa: E731
NAMELESS: Lapse = lambda ids: [""] * len(ids)  # noqa: E731
FIRST_PAGE = "the first page"  # in the place of the one that was asked for
BROKEN = "broken"
NO_ID = "no coin was marked missing, because some records have no id that a coin can be stored under"


def coins(number: int) -> list[str]:
    return [f"coin-{place:03}" for place in range(number)]


@dataclass
class Source:
    """A list of ids that is read page by page; `lapses` are what it does to a page, ask after ask, before it is right.

    `counts` says how many records it counts, of the ids that it has; None: it does not count.
    """

    pagination: PageNumber | NextLink
    ids: list[str] = field(default_factory=lambda: coins(48))
    size: int = 5
    counts: Callable[[int], int | None] = lambda number: number
    lapses: dict[int, list[Any]] = field(default_factory=dict)
    for_ever: dict[int, Any] = field(default_factory=dict)
    clamps: bool = False  # the last page answers for all after it
    loops: bool = False  # the last page links to itself
    unlinked: set[int] = field(default_factory=set)  # pages that name no next one, the first time
    asked: list[int] = field(default_factory=list)

    def answer(self, request: Request) -> tuple[Response, Rows] | None:
        asked = parse_qs(urlsplit(request.url).query)
        page = request.meta["page"] if "offset" in asked else int(asked.get("page", ["1"])[0])
        self.asked.append(page)
        last = max(1, -(-len(self.ids) // self.size))
        lapse = self.lapses[page].pop(0) if self.lapses.get(page) else self.for_ever.get(page)
        if lapse is BROKEN:
            return None
        number = 1 if lapse is FIRST_PAGE else min(page, last) if self.clamps else page
        begin = int(asked["offset"][0]) if "offset" in asked and number == page else (number - 1) * self.size
        rows = self.ids[begin : begin + self.size]
        rows = lapse(rows) if callable(lapse) else rows
        count = self.counts(len(self.ids))
        envelope: dict[str, Any] = {} if count is None else {"count": Decimal(count)}
        envelope["next"] = f"{URL}?page={page + 1}" if page < last else f"{URL}?page={page}" if self.loops else None
        envelope["token"] = Decimal(page + 1) if page < last else None
        if page in self.unlinked:
            self.unlinked.remove(page)
            envelope["next"] = None
        headers = {} if count is None else {"total": str(count)}
        return Response(request.url, headers=headers), Rows([{"id": coin_id} for coin_id in rows], envelope)


def ids_of(answer: Rows) -> list[str]:
    return [row["id"] for row in answer.rows if row["id"]]


def crawl(
    source: Source, *, before: int = 0, order: Random | None = None, meanwhile: Callable[[], None] | None = None
) -> Coverage:
    """Read the source to the end: the answers in their order, or as `order` has it; something happens after each."""
    coverage = Coverage(source.pagination)
    waiting = [coverage.begin(URL, before)]
    while waiting or (waiting := coverage.unproven()):
        request = waiting.pop(order.randrange(len(waiting)) if order else 0)
        if not coverage.is_needed(request) and not (order and order.random() < 0.5):  # it may have left before
            coverage.drop(request)
            continue
        answered = source.answer(request)
        if answered is None:
            waiting += coverage.give_up(request, f"page {request.meta['page']} stayed broken: status 500")
        else:
            waiting += coverage.add(request, *answered, ids_of(answered[1]))
        if meanwhile:
            meanwhile()
        assert len(source.asked) < 500, "asking has no end"
    return coverage


def read_once(
    coverage: Coverage, source: Source, meanwhile: Callable[[], object] = lambda: None, *, before: int = 0
) -> Coverage:
    """Follow the pages to their end, without asking for any of them again; something happens after each."""
    waiting = [coverage.begin(URL, before)]
    while waiting:
        request = waiting.pop()
        answered = source.answer(request)
        assert answered
        waiting += coverage.add(request, *answered, ids_of(answered[1]))
        meanwhile()
    return coverage


def numbered(**options: Any) -> PageNumber:
    return PageNumber(**{"size": 5, "window": 3} | options)


NO_COUNT: Callable[[int], None] = lambda number: None  # noqa: E731


def shrinking(source: Source, after: int, most: int = 1) -> Callable[[], None]:
    """The first of the ids go, one after each answer, once so many answers have come."""

    def shrink() -> None:
        if after < len(source.asked) <= after + most:
            del source.ids[0]

    return shrink
