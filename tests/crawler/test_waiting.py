"""A crawl that is stopped ends soon, whatever it waits for."""

import math
import signal
from collections.abc import Callable
from itertools import cycle

import pytest

from fake_api import FakeAPI, Market, answers
from tests.support.crawls import SOON, Crawling, stop
from webapp.coins.models import FullCoin
from webapp.crawls.models import CrawlRun

# What keeps the run when the signal comes: the fault, how many requests come before it, and the crawl's environment.
STATES: dict[str, tuple[Callable[[FakeAPI], None], int, dict[str, str]]] = {
    "a slow pace": (lambda api: None, 2, {"COINGECKO_CALLS_PER_MINUTE": "20"}),
    "a long rest": (lambda api: api.fault(answers.rate_limited(retry_after=500), page=3), 3, {}),
    "an answer that does not come": (lambda api: api.fault(answers.HANGS, page=3, times=math.inf), 3, {}),
    "an answer that trickles": (lambda api: api.fault(answers.trickles(10), page=3, times=math.inf), 3, {}),
    "an answer that stalls": (lambda api: api.fault(answers.STALLS, page=3, times=math.inf), 3, {}),
    "a page that is to be tried again": (
        lambda api: api.fault(answers.SERVER_ERROR, page=3, times=math.inf),
        3,
        {"RETRY_BACKOFF_BASE": "100"},
    ),
    "a list that does not come": (lambda api: api.fault(answers.HANGS, path="/coins/list"), 5, {}),
}


def agrees(run: CrawlRun) -> bool:
    """Whether the run has counted what is stored, and nothing else."""
    counted = run.created + run.updated + run.unchanged + run.stale + run.duplicates + run.rejected
    return run.seen == counted == FullCoin.objects.count()


# One of the two signals for each state: Scrapy handles both in the same way.
@pytest.mark.parametrize(("state", "number"), list(zip(STATES, cycle([signal.SIGTERM, signal.SIGINT]), strict=False)))
def test_a_signal_ends_a_run_soon_whatever_keeps_it(
    state: str, number: signal.Signals, api: FakeAPI, crawling: Crawling
) -> None:
    fault, requests, environment = STATES[state]
    fault(api)

    with crawling(api, **environment) as process:
        api.wait_for(requests)
        took = stop(process, number)

    run = CrawlRun.objects.get()
    assert (process.returncode, run.verdict, run.reason) == (130, "interrupted", "stopped by a signal")
    assert took < SOON
    assert agrees(run)
    assert not FullCoin.objects.exclude(missing_since=None).exists()


def test_requests_that_autothrottle_has_queued_are_let_go_together(crawling: Crawling) -> None:
    slow = ("-s", "AUTOTHROTTLE_TARGET_CONCURRENCY=0.1", "-s", "AUTOTHROTTLE_MAX_DELAY=2")
    with FakeAPI(Market(coins=5_000)) as api:
        api.fault(lambda request: api.usual(request, delay=0.5), page=1)
        with crawling(api, *slow) as process:
            api.wait_for(requests=2)
            took = stop(process)

    assert process.returncode == 130
    assert took < SOON


def test_a_run_that_is_stopped_in_a_rest_does_not_end_the_rest(api: FakeAPI, crawling: Crawling) -> None:
    api.fault(answers.rate_limited(retry_after=300), page=2)
    with crawling(api) as process:
        process.read_until("The API asks to slow down")
        stop(process)
    asked = len(api.requests)

    with crawling(api) as second:
        second.read_until("s: the API asked an earlier run to slow down")
        took = stop(second)

    assert (process.returncode, second.returncode) == (130, 130)
    assert took < SOON
    assert len(api.requests) == asked
