"""A crawl is stopped, or killed: what has been seen is stored, and one more run makes up for the rest."""

import asyncio
import math
import os
import signal
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from coincrawl.components import extension
from coincrawl.extensions.stop import Stop
from coincrawl.spiders.markets import MarketsSpider
from fake_api import Answer, FakeAPI, Market, Request, answers
from tests.support.crawls import Crawl, Crawling, Process, stop
from tests.support.spiders import make_spider
from webapp.coins.models import FullCoin
from webapp.crawls.models import CrawlRun


def test_what_had_been_answered_before_the_signal_is_stored(api: FakeAPI, crawling: Crawling) -> None:
    with crawling(api, COINGECKO_CALLS_PER_MINUTE="60") as process:
        api.wait_for(requests=2)
        api.fault(answers.rate_limited(retry_after=60))
        api.wait_for(requests=3)
        stop(process)

    assert CrawlRun.objects.get().seen == FullCoin.objects.count() == 500


def test_an_answer_that_is_under_way_is_still_waited_for(api: FakeAPI, crawling: Crawling) -> None:
    processes: list[Process] = []

    def stop_first(request: Request) -> Answer:
        processes[0].send_signal(signal.SIGTERM)
        return api.usual(request, delay=0.5)

    api.fault(stop_first, page=1)
    with crawling(api) as process:
        processes.append(process)
        process.end()

    assert process.returncode == 130
    assert FullCoin.objects.count() == 250


@pytest.mark.parametrize("words", ["Scrapy 2", "Enabled extensions", "Spider opened", "Crawling markets"])
def test_a_signal_during_the_start_leaves_no_run_behind_that_says_it_is_running(
    words: str, api: FakeAPI, crawling: Crawling
) -> None:
    with crawling(api, "-L", "DEBUG") as process:
        process.read_until(words)
        process.send_signal(signal.SIGTERM)
        process.end()

    assert process.returncode in (-signal.SIGTERM, 130)
    assert not CrawlRun.objects.filter(verdict="running").exists()


def test_two_signals_that_come_as_one_are_one(api: FakeAPI, crawling: Crawling) -> None:
    api.fault(answers.HANGS, page=2, times=math.inf)

    with crawling(api) as process:
        api.wait_for(requests=2)
        process.send_signal(signal.SIGTERM)
        process.read_until("Received SIGTERM")
        process.send_signal(signal.SIGTERM)
        process.end()

    assert (process.returncode, CrawlRun.objects.get().verdict) == (130, "interrupted")


@pytest.mark.parametrize(
    ("forced", "is_over"),
    [([False, False, True], True), ([True], False)],
    ids=["later", "at once"],
)
def test_a_second_signal_that_comes_later_ends_the_process_where_it_stands(
    forced: list[bool], is_over: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coincrawl.extensions.stop.SAME_STOP_SECONDS", 0)
    monkeypatch.setattr("coincrawl.extensions.stop.CHECK_SECONDS", 0)
    monkeypatch.setattr(Stop, "_is_forced", lambda self: forced.pop(0))
    stop = extension(make_spider(MarketsSpider).crawler, Stop)

    asyncio.run(stop._watch())

    assert stop.begun.is_set()
    assert stop.over.called == is_over


@pytest.mark.every_database
def test_whenever_it_is_killed_one_more_run_makes_up_for_it(crawling: Crawling, crawl: Crawl) -> None:
    market = Market(coins=2_000)
    for requests in range(1, 12, 2):
        market.advance()
        # Another one each time: what a killed crawl had under way comes late into the log.
        with FakeAPI(market) as api, crawling(api) as process:
            api.wait_for(requests)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        assert_whole_batches(CrawlRun.objects.order_by("-started_at")[0])
        CrawlRun.objects.filter(verdict="running").update(heartbeat_at=Now() - timedelta(seconds=181))

    with FakeAPI(market) as api:
        done = crawl(api)

        assert done.returncode == 0
        assert sorted(CrawlRun.objects.values_list("verdict", flat=True)) == ["complete", *["lost"] * 6]
        assert_equal_to_the_truth(api)


def assert_whole_batches(run: CrawlRun) -> None:
    counted = run.created + run.updated + run.unchanged + run.stale + run.duplicates + run.rejected
    assert run.seen == counted
    assert run.seen % 250 == 0
    assert FullCoin.objects.count() >= run.created


def assert_equal_to_the_truth(api: FakeAPI) -> None:
    stored: dict[str, Any] = {coin.pk: coin for coin in FullCoin.objects.all()}
    assert sorted(stored) == api.market.ids
    for coin_id, coin in stored.items():
        sent = api.market.record(coin_id)
        assert (coin.symbol, coin.name) == (sent["symbol"], sent["name"])
        assert coin.missing_since is None
        if sent["current_price"] is not None:
            assert float(coin.current_price) == pytest.approx(float(str(sent["current_price"])), rel=1e-14)
