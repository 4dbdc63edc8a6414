"""When a request may leave: on a clock that only the pace itself moves, and seen from the other side of the wire."""

import asyncio
import math
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response

from coincrawl.components import NotNeeded, extension
from coincrawl.extensions.pace import TOLERANCE, TURNS_AHEAD, OutOfPatience, Pace
from coincrawl.extensions.stop import Stop
from coincrawl.responses import Rows
from coincrawl.spiders.markets import MarketsSpider
from fake_api import FakeAPI, Market, answers
from tests.support.crawls import Crawl, Crawling
from tests.support.spiders import Engine, make_spider, page
from webapp.coins.models import FullCoin
from webapp.crawls.models import CrawlRun, SourcePace
from webapp.crawls.models.pace import Wait


@dataclass
class Clock:
    """Time passes while somebody waits for the end of the run, and `late` more each time."""

    now: float = 1_000.0
    late: Callable[[], float] = lambda: 0.0
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    at_next_wait: list[Callable[[], None]] = field(default_factory=list)

    async def wait_for_event(self, event: asyncio.Event, seconds: float) -> bool:
        if self.at_next_wait:
            self.at_next_wait.pop()()
        self.now += seconds + self.late()
        return event.is_set()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("coincrawl.extensions.pace.monotonic", lambda: clock.now)
    monkeypatch.setattr("coincrawl.extensions.pace.wait_for_event", clock.wait_for_event)
    return clock


def pace_of(clock: Clock, calls_per_minute: float = 0, throttle: float = 0.0) -> Pace:
    """The pace of a run whose end is the clock's; AutoThrottle's delay is `throttle`."""
    settings = {"RETRY_BACKOFF_BASE": 2, "COINGECKO_CALLS_PER_MINUTE": calls_per_minute}
    crawler: Any = make_spider(MarketsSpider, settings).crawler
    crawler.engine = Engine(throttle)
    extension(crawler, Stop).begun = clock.begun
    return extension(crawler, Pace)


def departures(pace: Pace, clock: Clock, number: int) -> list[float]:
    async def leave() -> Iterator[float]:
        times = []
        for _ in range(number):
            await pace.acquire(page(1))
            times.append(clock.now)
        return iter(times)

    return list(asyncio.run(leave()))


def rest(pace: Pace, seconds: float | None = None) -> float:
    return asyncio.run(pace.rest(seconds))


def test_turns_are_spaced_evenly(clock: Clock) -> None:
    times = departures(pace_of(clock, 300), clock, 5)

    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([1.02 * 0.2] * 4)


def test_turns_without_a_limit_are_not_spaced(clock: Clock) -> None:
    assert len(set(departures(pace_of(clock), clock, 5))) == 1


def test_a_request_that_is_a_little_late_does_not_delay_the_others(clock: Clock) -> None:
    clock.late = lambda: 0.01

    times = departures(pace_of(clock, 300), clock, 100)

    assert times[-1] - times[0] == pytest.approx(99 * 1.02 * 0.2 + 0.01)


@pytest.mark.parametrize(("calls", "window"), [(300, 6), (300, 60), (30, 60), (3, 60)])
@pytest.mark.parametrize("seed", range(5))
def test_however_late_they_are_no_more_than_the_limit_leave_in_its_window(
    seed: int, calls: int, window: float, clock: Clock
) -> None:
    rng = random.Random(seed)
    clock.late = lambda: rng.choice([0, 0, 0.001, 0.05, 0.09, 0.15, 0.7, 9])

    times = departures(pace_of(clock, calls), clock, 400)

    allowed = round(calls * window / 60)
    assert min(last - first for first, last in zip(times, times[allowed:], strict=False)) > window


def test_a_request_that_is_very_late_delays_the_others_by_no_more_than_is_needed(clock: Clock) -> None:
    lateness = iter([0, 3])
    clock.late = lambda: next(lateness, 0)

    times = departures(pace_of(clock, 60), clock, 5)

    intervals = [later - earlier for earlier, later in pairwise(times)]
    assert intervals == pytest.approx([INTERVAL, INTERVAL + 3, INTERVAL - TOLERANCE, INTERVAL])


def test_the_delay_that_autothrottle_asks_for_counts_too(clock: Clock) -> None:
    times = departures(pace_of(clock, 300, throttle=0.5), clock, 3)

    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([0.5, 0.5])


def test_no_request_leaves_during_a_rest_and_all_keep_the_pace_after_it(clock: Clock) -> None:
    pace = pace_of(clock, 60)
    rest(pace, 30)

    times = departures(pace, clock, 3)

    assert times == pytest.approx([1_030, 1_031.02, 1_032.04])


def test_a_rest_that_begins_while_a_request_waits_for_its_turn_holds_it(clock: Clock) -> None:
    pace = pace_of(clock, 60)
    departures(pace, clock, 1)
    clock.at_next_wait = [lambda: setattr(pace, "rest_until", 1_030)]

    assert departures(pace, clock, 1) == [1_030]


def test_no_request_leaves_while_the_database_is_away(clock: Clock) -> None:
    pace = pace_of(clock)
    pace.pause()
    clock.at_next_wait = [pace.resume, *[lambda: None] * 50]

    assert departures(pace, clock, 1) == pytest.approx([1_005.1])


def test_a_request_that_waits_when_the_run_ends_does_not_leave(clock: Clock) -> None:
    pace = pace_of(clock, 3)
    departures(pace, clock, 1)
    clock.at_next_wait = [clock.begun.set]

    with pytest.raises(IgnoreRequest, match="the run is ending"):
        departures(pace, clock, 1)


def test_a_page_past_the_end_that_waits_for_its_turn_does_not_leave_and_takes_no_turn(clock: Clock) -> None:
    pace = pace_of(clock, 3)
    departures(pace, clock, 1)
    coverage = pace.spider.coverage
    first = coverage.begin("https://api.example/coins")

    def end() -> None:
        coverage.add(first, Response(first.url), Rows([]), [])

    clock.at_next_wait = [end]

    with pytest.raises(NotNeeded):
        asyncio.run(pace.acquire(page(3, is_ahead=True)))

    assert departures(pace, clock, 1) == pytest.approx([1_000 + 20 * 1.02])


def test_rests_of_our_own_choice_grow_up_to_two_minutes(clock: Clock) -> None:
    pace, rests = pace_of(clock), []
    for _ in range(9):
        rests.append(rest(pace))
        clock.now = pace.rest_until

    assert rests == [2, 4, 8, 16, 32, 64, 128, 128, 128]


def test_answers_to_what_was_in_flight_are_part_of_the_rest(clock: Clock) -> None:
    pace = pace_of(clock)

    assert [rest(pace), rest(pace), rest(pace, 30), rest(pace, 5)] == [2, 2, 30, 30]
    assert pace.total_rest == 30


def test_a_page_in_between_makes_rests_short_again(clock: Clock) -> None:
    pace = pace_of(clock)
    for _ in range(5):
        rest(pace)
        clock.now = pace.rest_until

    pace.reset_rests()

    assert rest(pace) == 2


def test_a_rest_of_more_than_ten_minutes_is_not_taken(clock: Clock) -> None:
    pace = pace_of(clock)
    assert rest(pace, 600) == 600

    with pytest.raises(OutOfPatience, match="no requests for 10 minutes"):
        rest(pace, 601)

    assert pace.resting == 601  # for later runs


@pytest.mark.parametrize(
    ("seconds", "page_between", "rests", "reason"),
    [(1, False, 20, "21 times in a row"), (600, True, 12, "for 130 minutes in all")],
    ids=["in a row", "in all"],
)
def test_patience_with_short_rests_has_an_end_too(
    seconds: float, page_between: bool, rests: int, reason: str, clock: Clock
) -> None:
    pace = pace_of(clock)
    for _ in range(rests):
        rest(pace, seconds)
        clock.now = pace.rest_until
        if page_between:
            pace.reset_rests()

    with pytest.raises(OutOfPatience, match=reason):
        rest(pace, seconds)


def test_a_second_more_than_two_hours_of_rests_is_too_much(clock: Clock) -> None:
    pace = pace_of(clock)
    for _ in range(12):
        rest(pace, 600)
        clock.now = pace.rest_until

    with pytest.raises(OutOfPatience, match="for 120 minutes in all"):
        rest(pace, 1)


# What earlier runs have left, and what is kept for later ones -------------------------------------------


NO_WAIT = Wait()
INTERVAL = 1.02  # seconds, of 60 calls a minute


def kept_by(pace: Pace, clock: Clock, wait: Wait = NO_WAIT) -> list[Wait]:
    """Where a pace that begins with this keeps what later runs are to begin with: the moments, on the clock."""
    moments: list[Wait] = []

    async def keep() -> None:
        moments.append(Wait(*(clock.now + seconds for seconds in pace.wait)))

    pace.begin(wait, keep)
    return moments


@pytest.mark.parametrize(
    ("calls_per_minute", "wait", "first"),
    [
        pytest.param(60, NO_WAIT, 0, id="nobody has asked before"),
        pytest.param(60, Wait(turn=0.7), 0.7, id="a turn"),
        pytest.param(60, Wait(rest=300), 300, id="a rest"),
        pytest.param(60, Wait(turn=7, rest=5), 7, id="a turn after a rest"),
        pytest.param(60, Wait(turn=3_600), 2 * INTERVAL + TURNS_AHEAD, id="a turn by a clock that has gone back"),
        pytest.param(0, Wait(turn=7), 0, id="a turn where there is no limit any more"),
        pytest.param(0, Wait(rest=5), 5, id="a rest where there is no limit"),
    ],
)
def test_a_run_waits_for_its_first_turn_as_for_any(
    calls_per_minute: float, wait: Wait, first: float, clock: Clock
) -> None:
    pace = pace_of(clock, calls_per_minute)
    kept_by(pace, clock, wait)

    assert departures(pace, clock, 1) == pytest.approx([1_000 + first])


@pytest.mark.parametrize(
    ("wait", "line"),
    [
        (Wait(turn=0.9), None),
        (Wait(turn=6), "The first request leaves in 6 s: an earlier run has just asked"),
        (Wait(turn=6, rest=300), "The first request leaves in 300 s: the API asked an earlier run to slow down"),
    ],
    ids=["hardly a wait", "a turn", "a rest"],
)
def test_a_run_that_waits_says_for_how_long_and_why(
    wait: Wait, line: str | None, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    pace = pace_of(clock, 60)
    caplog.set_level("INFO")
    caplog.clear()

    kept_by(pace, clock, wait)

    assert caplog.messages == ([line] if line else [])


@pytest.mark.parametrize("calls", [3, 60, 500])
@pytest.mark.parametrize("seed", range(3))
def test_whenever_a_run_is_killed_the_next_one_is_not_too_early(seed: int, calls: int, clock: Clock) -> None:
    rng = random.Random(seed)
    clock.late = lambda: rng.choice([0, 0, 0.001, 0.05, 0.7, 9])
    pace = pace_of(clock, calls)
    kept = kept_by(pace, clock, Wait(turn=2))

    for _ in range(200):
        if rng.random() < 0.05:
            with suppress(OutOfPatience):
                rest(pace, rng.choice([1, 30]))
        (left,) = departures(pace, clock, 1)
        assert kept[-1].turn >= left + pace.interval
        assert kept[-1].turn <= left + 2 * pace.interval + TURNS_AHEAD
        assert kept[-1].rest <= left


def test_many_turns_are_taken_at_a_time(clock: Clock) -> None:
    pace = pace_of(clock, 500)
    kept = kept_by(pace, clock)

    departures(pace, clock, 400)  # fifty seconds

    assert len(kept) <= 11


def test_where_there_is_no_limit_nothing_is_kept(clock: Clock) -> None:
    pace = pace_of(clock)
    kept = kept_by(pace, clock)

    departures(pace, clock, 50)

    assert (kept, pace.release_turns()) == ([], False)


def test_a_rest_is_kept_at_once_also_one_that_is_too_long(clock: Clock) -> None:
    pace = pace_of(clock)
    kept = kept_by(pace, clock)

    rest(pace, 300)
    rest(pace, 5)  # is part of it
    with pytest.raises(OutOfPatience):
        rest(pace, 7_200)

    assert [moments.rest for moments in kept] == [1_300, 8_200]


def test_turns_that_were_taken_and_not_used_are_given_back(clock: Clock) -> None:
    pace = pace_of(clock, 60)
    kept_by(pace, clock)
    departures(pace, clock, 1)

    assert pace.release_turns()
    assert pace.wait.turn == pytest.approx(INTERVAL)


def test_a_quick_error_does_not_speed_up_what_autothrottle_has_slowed_down(clock: Clock) -> None:
    pace = pace_of(clock, throttle=0.3)

    pace.restore_throttle(0.8)
    pace.restore_throttle(0.5)

    assert pace.throttle == 0.8


# Seen from the other side ----------------------------------------------------------------------------


def test_a_crawl_at_its_limit_is_never_throttled_and_hardly_slower(crawl: Crawl) -> None:
    with FakeAPI(Market(coins=2_000), calls_per_minute=30, window=5.5) as api:
        done = crawl(api, "-a", "per_page=50", COINGECKO_CALLS_PER_MINUTE="300")

    times = [request.time for request in api.requests]
    assert done.returncode == 0
    assert {request.status for request in api.requests} == {200}
    assert len(times) > 40
    assert times[-1] - times[1] <= 1.15 * (len(times) - 2) * 60 / 300  # the exact figures are the clock's, above


def test_after_a_throttled_answer_nothing_leaves_until_the_time_named(crawl: Crawl) -> None:
    with FakeAPI(Market(coins=3_000)) as api:
        api.fault(answers.rate_limited(retry_after=2), page=5)
        done = crawl(api, "-a", "per_page=50")

    times = sorted(request.time for request in api.requests)
    throttled = next(request for request in api.requests if request.status == 429)
    assert done.returncode == 0
    last_before, first_after = max(pairwise(times), key=lambda pair: pair[1] - pair[0])
    assert first_after - last_before > 1  # less than 2: some requests were on their way when the rest began
    assert throttled.sent is not None
    assert first_after >= throttled.sent + 2
    assert sum(time >= first_after for time in times) >= 16


def test_being_throttled_uses_up_none_of_a_pages_tries(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.RATE_LIMITED, page=1, times=7)
    api.fault(answers.SERVER_ERROR, page=1, times=5)

    done = crawl(api)

    run = CrawlRun.objects.get()
    assert (done.returncode, run.throttled, run.retries) == (0, 7, 5)


def test_an_api_that_only_ever_asks_to_slow_down_is_left_alone_in_the_end(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.RATE_LIMITED, times=math.inf)

    done = crawl(api)

    assert done.returncode == 3
    assert CrawlRun.objects.get().reason == "the API asked to slow down 21 times in a row"
    assert len(api.requests) == 21


def test_a_long_rest_ends_the_run_and_later_runs_wait_for_it(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.rate_limited(retry_after=7_200), page=2)
    first = crawl(api)
    asked = len(api.requests)

    second = crawl(api)

    run = CrawlRun.objects.get(verdict="partial")
    assert (first.returncode, second.returncode) == (3, 75)
    assert run.reason == "the API asked for no requests for 120 minutes"
    assert run.not_before is not None
    assert 7_100 < (run.not_before - timezone.now()).total_seconds() <= 7_200
    assert "the API asked for no requests before" in CrawlRun.objects.get(verdict="skipped").reason
    assert len(api.requests) == asked
    assert FullCoin.objects.count() > 0


def test_when_that_time_has_come_runs_begin_again(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.rate_limited(retry_after=7_200))
    crawl(api)
    SourcePace.objects.update(rest_until=Now())

    assert crawl(api).returncode == 0


def test_a_page_that_is_to_be_tried_again_holds_up_no_other(crawling: Crawling) -> None:
    with FakeAPI(Market(coins=4_000)) as api, crawling(api, RETRY_BACKOFF_BASE="50") as process:
        for page in (2, 4, 6):
            api.fault(answers.SERVER_ERROR, page=page)
        api.wait_for(requests=18)  # all sixteen pages, the empty one after them, and the list
        process.kill()

    pages = [int(request.params["page"]) for request in api.requests if "page" in request.params]
    assert sorted(pages) == list(range(1, 18))


def test_a_connection_that_breaks_is_not_used_for_a_second_try_behind_our_back(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.HUNG_UP, page=2)

    done = crawl(api, RETRY_BACKOFF_BASE="1")

    first, second = (request.time for request in api.requests if request.params.get("page") == "2")
    run = CrawlRun.objects.get()
    assert second - first > 0.7
    assert (done.returncode, run.requests, run.retries) == (0, len(api.requests), 1)


def test_a_slow_api_is_asked_for_several_pages_at_a_time(crawl: Crawl) -> None:
    with FakeAPI(Market(coins=4_000)) as api:
        api.fault(lambda request: api.usual(request, delay=0.3), times=math.inf)
        done = crawl(api, "-a", "pages=16")

    assert done.returncode == 0
    assert max(under_way(api)) >= 6


def under_way(api: FakeAPI) -> Iterator[int]:
    """At each request, how many others had not been answered yet."""
    for request in api.requests:
        yield sum(other.time <= request.time < (other.sent or math.inf) for other in api.requests)
