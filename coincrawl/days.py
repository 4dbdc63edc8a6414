"""Prices of days, which a mirror copies after its coins: their pages, and what a run has seen of them."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from math import ceil
from typing import Any, cast
from urllib.parse import urlencode, urljoin, urlsplit

from django.db import models
from scrapy.http import Request, Response

from coincrawl.coverage import Coverage
from coincrawl.meta import meta_of
from coincrawl.pagination import NextLink, Pagination
from coincrawl.records import Translation
from coincrawl.responses import Rows
from coincrawl.seen import MAX_NAMED
from webapp.coins.cleaning import LABEL_LENGTH, Cleaner, Rejection, Unfit, check_for
from webapp.coins.fields import ExactDecimalField
from webapp.coins.models import FullCoin, PriceBar, PriceDay
from webapp.coins.prices.copying import DayBar
from webapp.coins.prices.imported import VALUES
from webapp.coins.prices.observing import FIRST_COIN
from webapp.coins.prices.tiers import limits_of
from webapp.coins.texts import counted, fault_in, printable
from webapp.crawls.catalog import MAX_COINS
from webapp.crawls.copying import DayOfPrices

PAGES = NextLink(size=1_000, max_pages=MAX_COINS // 1_000)
MAX_TIMES = 2  # that a day is read, if it gets more bars meanwhile
MAX_AHEAD = timedelta(days=1)  # of this machine's clock; a later day is not a day of prices

FIELDS = [cast(models.Field, PriceBar._meta.get_field(name)) for name in VALUES]
translate = Translation({}, numbers=[field.name for field in FIELDS if isinstance(field, ExactDecimalField)])
cleaner = Cleaner([FullCoin._meta.pk, *FIELDS])
read_date = check_for(PriceDay._meta.get_field("changed_at"))


def address_of_prices(coins: str) -> str:
    """The address of the prices in a read API, from that of its coins."""
    parts = urlsplit(coins)
    folder = parts.path.rstrip("/").rpartition("/")[0]
    return parts._replace(path=f"{folder}/prices/", query="", fragment="").geturl()


class Chain(Coverage):
    """A list in pages, each linked to the next, that makes all its requests by itself.

    `add` and `give_up` return the next ones. If none are left, `is_over` is true.
    """

    def __init__(self, name: str, url: str) -> None:
        super().__init__(PAGES)
        self.name, self.url = name, url
        self._under_way = 0

    def first(self) -> Request:
        return self._labelled([self.begin(self.url)])[0]

    @property
    def is_over(self) -> bool:
        return not self._under_way

    def add(self, request: Request, response: Response, answer: Rows, ids: Iterable[str]) -> list[Request]:
        return self._onward(super().add(request, response, answer, ids))

    def give_up(self, request: Request, words: str) -> list[Request]:
        return self._onward(super().give_up(request, words))

    def _onward(self, following: list[Request]) -> list[Request]:
        self._under_way -= 1
        return self._labelled(following or ([] if self._under_way else self.unproven()))

    def _labelled(self, requests: list[Request]) -> list[Request]:
        self._under_way += len(requests)
        for request in requests:
            meta = meta_of(request)
            meta["label"] = self.name if meta["page"] == 1 else f"{self.name}, page {meta['page']}"
            request.cb_kwargs["chain"] = self
        return requests

    def doubts(self) -> list[str]:
        return [words if words.startswith(self.name) else f"{self.name}: {words}" for words in super().doubts()]


class DayList(Chain):
    """The days of which a source has prices, each with its `changed_at`."""

    def __init__(self, prices: str) -> None:
        super().__init__("the list of days with prices", urljoin(prices, "days/"))
        self.days: dict[date, datetime] = {}

    def add_days(self, request: Request, response: Response, answer: Rows, now: datetime) -> list[Request]:
        """Take a page of the list, which came at this time."""
        found = dict(filter(None, (_listed(row, now) for row in answer.rows)))
        self.days |= found
        return self.add(request, response, answer, [f"{day:%F}" for day in found])

    def changed_since(self, copied: Mapping[date, datetime]) -> list[date]:
        """The days that have changed since they were copied, the newest first."""
        return sorted((day for day, moment in self.days.items() if copied.get(day) != moment), reverse=True)

    def doubts(self) -> list[str]:
        if not self.days and self._broken:
            hint = f"if the source has no prices at {self.url}, leave prices=day out"
            return [f"{words}: {hint}" for words in super().doubts()]
        odd = [f"{self.name} has entries without a valid date: {self.without_id:,}"] if self.without_id else []
        return super().doubts() + odd


def _listed(row: Any, now: datetime) -> tuple[date, datetime] | None:
    try:
        day, changed_at = (read_date(row[name]) for name in ("date", "changed_at"))
    except (Unfit, KeyError, TypeError):
        return None
    is_day = FIRST_COIN <= day <= now + MAX_AHEAD and day.time() == time.min
    return (day.date(), changed_at) if is_day else None


class DayChain(Chain):
    """The bars of all coins on a day, as of the source's `changed_at`."""

    def __init__(self, prices: str, day: date, changed_at: datetime) -> None:
        query = urlencode({"step": "day", "date": f"{day:%F}"})
        super().__init__(f"the price list of {day:%F}", f"{prices}?{query}")
        self.day, self._changed_at = day, changed_at
        self._bars: dict[str, DayBar] = {}
        self._rejected: dict[int, list[tuple[Rejection, Any, str]]] = {}  # by page

    @property
    def rejected(self) -> list[tuple[Rejection, Any, str]]:
        """In the last answer to each page: why a bar cannot be stored, its record, and its page."""
        return [one for of_page in self._rejected.values() for one in of_page]

    def add_bars(self, request: Request, response: Response, answer: Rows) -> list[Request]:
        """Take a page of bars."""
        read = [(_read(row, self.day), row) for row in answer.rows]
        self._bars |= {bar.coin_id: bar for bar, _ in read if isinstance(bar, DayBar)}
        page, label = meta_of(request)["page"], meta_of(request)["label"]
        self._rejected[page] = [(bar, row, label) for bar, row in read if isinstance(bar, Rejection)]
        return self.add(request, response, answer, [bar.coin_id for bar, _ in read if bar.coin_id])

    def unproven(self) -> list[Request]:
        requests = super().unproven()
        # Only the first page counts the bars, before the others are read. Meanwhile their number may grow.
        is_changing = not requests and self.is_sound and self.doubts()
        return self._start_next_pass() if is_changing and self._passes < MAX_TIMES else requests

    def result(self) -> DayOfPrices:
        """All that came. If it is all there is, and none was rejected, the day is copied."""
        is_copied = not (self.doubts() or self.rejected)
        return DayOfPrices(self.day, [*self._bars.values()], self.rejected, self._changed_at if is_copied else None)


def _read(row: Any, day: date) -> DayBar | Rejection:
    """The bar of a record of this day, or why it cannot be stored."""
    cleaned = cleaner.clean(translate(row), fault_in(row))
    if isinstance(cleaned, Rejection):
        return cleaned
    bar = DayBar(**cleaned)
    first, last = limits_of(day)
    reasons = []
    if bar.time != first:
        reasons.append("time: not the beginning of the day that was asked for")
    if not first <= bar.last_at <= last:
        reasons.append("last_at: not on the day that was asked for")
    return Rejection(bar.coin_id, printable(bar.coin_id, LABEL_LENGTH), tuple(reasons)) if reasons else bar


class MirrorCoverage(Coverage):
    """The coins of a mirror's source, and the prices of days that a run may copy after them."""

    def __init__(self, pagination: Pagination, *, is_whole: bool, is_incremental: bool) -> None:
        super().__init__(pagination, is_whole=is_whole, is_incremental=is_incremental)
        self._listed: int | None = None  # days with prices; None if these were not asked for
        self._due = self._complete = self._faulty = 0  # days: that have changed, that were read, or not completely
        self._faults_of_list: list[str] = []  # why the list of days may be incomplete
        self._faults: list[str] = []  # why the first days may be incomplete
        self._left_out = 0  # days that were not asked for

    def set_days(self, listed: int, due: int) -> None:
        """Take the number of days with prices, and of those that have changed."""
        self._listed, self._due = listed, due
        self._expect(pages_a_day=ceil(len(self.answered) / cast(int, PAGES.size)))

    def add_page(self) -> None:
        """A page of a list of prices was answered."""
        self.pages += 1

    def settle(self, chain: Chain) -> None:
        """Take what was seen of a list of prices, for which no request is left."""
        doubts = chain.doubts()
        if isinstance(chain, DayChain):
            self.records += len(chain.rejected)
            self._complete += not doubts
            self._faulty += bool(doubts)
            self._expect(chain.pages)
            if len(self._faults) < MAX_NAMED:
                self._faults += doubts[:1]
        else:
            self._faults_of_list = doubts

    def _expect(self, pages_a_day: int) -> None:
        self.expected = self.pages + (self._due - self._complete - self._faulty) * max(1, pages_a_day)

    def leave_out(self, days: int) -> None:
        """So many days are not asked for, because those before them could not be read."""
        self._left_out = days

    def give_up(self, request: Request, words: str) -> list[Request]:
        chain: Chain | None = request.cb_kwargs.get("chain")
        return chain.give_up(request, words) if chain else super().give_up(request, words)

    def doubts(self) -> list[str]:
        doubts = [*super().doubts(), *self._faults_of_list, *self._faults]
        if others := self._faulty - len(self._faults):
            doubts.append(f"the prices of {counted(others, 'more day')} may be incomplete")
        if self._left_out:
            doubts.append(f"the prices of {counted(self._left_out, 'day')} were not asked for after that")
        return doubts

    def proof(self) -> str:
        if self._listed is None:
            return super().proof()
        return (
            f"{super().proof()}; {self._due:,} of {counted(self._listed, 'day')} with prices had changed, and all "
            "their bars came"
        )
