"""Gaps: where a coin has no bars although it was on the market.

If a crawl has found a coin unchanged, the bars until then are not missing. A time without bars is a gap only if it is
longer than the schedules explain: a coin that is crawled every six hours has five hours without a bar in between.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any, cast

from django.conf import settings
from django.db.models import Min, QuerySet

from webapp.coins.fields import EPOCH
from webapp.coins.models import CoveredSpan, FullCoin, PriceAbsence, PriceHour, PriceSeries
from webapp.coins.prices.missing import Missing, without_bars
from webapp.coins.prices.observing import MAX_AHEAD
from webapp.coins.prices.tiers import Step, Tiers, days_before
from webapp.crawls import past_runs
from webapp.crawls.catalog import MAX_PAGE_SIZE, SPIDERS, spiders_like
from webapp.crawls.models import CrawlSchedule
from webapp.crawls.verdict import Verdict

SLOTS = 100  # of a schedule, of which the longest pause counts

Span = tuple[datetime, datetime]  # from, until


@dataclass(frozen=True)
class Gap:
    """A time without bars: from the beginning of the first missing one to the end of the last."""

    step: Step
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Rhythm:
    """How often a schedule crawls the coins that it covers."""

    pause: timedelta  # the longest one between two slots
    top: int | None = None  # it covers the coins up to this rank
    ids: frozenset[str] | None = None  # it covers these coins; without both it covers all

    def covers(self, coin: FullCoin) -> bool:
        if self.ids is not None:
            return coin.coin_id in self.ids
        return self.top is None or (coin.market_cap_rank is not None and coin.market_cap_rank <= self.top)


class Gaps:
    """Finds the gaps of coins, as they are at a time. If `since` is given, without what was before it."""

    def __init__(self, now: datetime, since: datetime | None = None) -> None:
        self._rhythms = list(_rhythms(now))
        self._since = since or EPOCH
        self._kept_since = {
            Step.HOUR: Step.HOUR.first(max(days_before(now, settings.PRICE_HOURLY_DAYS), self._since)),
            # Of days before that, it is not known any more whether a coin was unchanged.
            Step.DAY: Step.DAY.start(max(days_before(now, settings.RUN_HISTORY_DAYS), self._since)),
        }
        # What has not been rolled up yet is not known to be missing.
        new = PriceHour.objects.new().filter(time__gte=Tiers.at(now).raw_since)
        self._until = new.aggregate(first=Min("time"))["first"] or now

    def is_expected(self, coin: FullCoin) -> bool:
        """Whether a schedule crawls the coin. Without any schedule, coins are crawled by hand, so all are expected."""
        return not self._rhythms or any(rhythm.covers(coin) for rhythm in self._rhythms)

    def pause(self, coin: FullCoin) -> timedelta:
        """The time from one crawl of the coin to the next, of the schedule with the shortest. 0 without a schedule."""
        return min((rhythm.pause for rhythm in self._rhythms if rhythm.covers(coin)), default=timedelta())

    def of(self, coin: FullCoin, step: Step) -> list[Gap]:
        """The gaps of a coin, the oldest first."""
        return self.of_each([coin], step)[coin.pk]

    def of_each(self, coins: Sequence[FullCoin], step: Step) -> dict[str, list[Gap]]:
        """The same for some hundreds of coins, by id. A few queries."""
        kept_since = self._kept_since[step]
        keys = dict(PriceSeries.objects.filter(coin_id__in=[coin.pk for coin in coins]).values_list("coin_id", "pk"))
        least = {coin.pk: max(step.length, self.pause(coin)) for coin in coins}
        found_missing = without_bars(step, keys.values(), kept_since, min(least.values(), default=step.length))
        covered = _spans(CoveredSpan.objects.filter(series__in=keys.values(), step=step))
        absences = _spans(PriceAbsence.objects.filter(series__in=keys.values()))
        found: dict[str, list[Gap]] = {}
        for coin in coins:
            key = keys.get(coin.pk, 0)
            absent = absences.get(key, [])
            # The hour or day in which it left, or came back, may lack its bar as well.
            around = [(step.start(since), step.start(until) + step.length) for since, until in absent]
            explained = sorted([*covered.get(key, []), *around])
            missing = self._missing(coin, step, found_missing.get(key, []), kept_since, absent)
            gaps = (gap for span in missing for gap in _without(span, explained))
            found[coin.pk] = [Gap(step, *gap) for gap in gaps if gap[1] - gap[0] >= least[coin.pk]]
        return found

    def _missing(
        self, coin: FullCoin, step: Step, found: list[Missing], kept_since: datetime, absent: Sequence[Span]
    ) -> Iterator[Span]:
        """The times while the coin was on the market, and neither had bars nor was known to be unchanged."""
        if not found and coin.current_price is None:
            return  # it has never had a price
        begin = max(kept_since, step.start(coin.first_seen_at) + step.length)
        last = min(filter(None, (self._until, coin.missing_since)))
        end = step.start(last)
        for since, until, observed_at, observed_again in found or [Missing(None, None)]:
            start, stop = max(since or begin, begin), min(until or end, end)
            seen = self._last_seen(observed_at or coin.first_seen_at, min(observed_again or last, last), absent)
            if start < stop and seen:
                start = max(start, step.start(seen) + step.length)
            if start < stop:
                yield start, stop

    def _last_seen(self, after: datetime, before: datetime, absent: Sequence[Span]) -> datetime | None:
        """When the last complete run of a whole source between these moments began that has found the coin.

        As the coin has no observation between them, it has not changed until then.
        """
        first, last = (bisect_left(self._runs, (moment, moment)) for moment in (after, before))
        for start, end in reversed(self._runs[first:last]):
            # The observation that follows may be dated ahead of the run that has made it. An absence begins at the end
            # of the run that has noticed it.
            latest = end + MAX_AHEAD
            if latest <= before and not any(since <= latest and start < until for since, until in absent):
                return start
        return None

    @cached_property
    def _runs(self) -> list[Span]:
        """The beginnings and ends of all complete runs of a whole source that stored prices, sorted."""
        runs: list[Span] = []
        for spider in spiders_like("markets"):
            complete = past_runs.whole_runs(spider).filter(verdict=Verdict.COMPLETE, stores_prices=True)
            ended = complete.filter(started_at__gte=self._since, finished_at__isnull=False)
            runs += cast(Iterable[Span], ended.values_list("started_at", "finished_at"))
        return sorted(runs)


def _spans(rows: QuerySet[Any]) -> dict[int, list[Span]]:
    """By series, sorted."""
    found: dict[int, list[Span]] = {}
    for key, since, until in rows.order_by("since").values_list("series", "since", "until"):
        found.setdefault(key, []).append((since, until))
    return found


def _without(span: Span, others: Iterable[Span]) -> Iterator[Span]:
    """The parts of a span that are in none of the others, which are sorted."""
    since, until = span
    for begin, end in others:
        if begin < until and end > since:
            if begin > since:
                yield since, begin
            since = end
    if since < until:
        yield since, until


def _rhythms(now: datetime) -> Iterator[Rhythm]:
    """Of the enabled schedules that crawl coins in an order that is known."""
    for schedule in CrawlSchedule.objects.filter(enabled=True):
        arguments = schedule.arguments
        if not schedule.fault() and SPIDERS[schedule.spider].is_of_coins:
            slots = schedule.timetable().upcoming(now, SLOTS)
            pause = max(later - earlier for earlier, later in pairwise(slots))
            if "ids" in arguments:
                yield Rhythm(pause, ids=frozenset(arguments["ids"]))
            elif "category" in arguments:
                continue
            elif "pages" not in arguments:
                yield Rhythm(pause)
            elif arguments.get("order") == "market_cap_desc":
                yield Rhythm(pause, top=arguments["pages"] * arguments.get("per_page", MAX_PAGE_SIZE))
