"""At most one run per spider, on all machines together; and none that the month's credits do not suffice for."""

import math
import signal
import threading
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models.functions import Now

from coincrawl.outcome import LOST
from fake_api import FakeAPI, answers
from tests.support.crawls import Crawl, Crawling
from webapp.coins.models import FullCoin
from webapp.crawls import costs, queue, recording
from webapp.crawls.models import CrawlRun
from webapp.crawls.verdict import Verdict


@pytest.mark.every_database
def test_of_two_crawls_that_start_together_one_asks_and_the_other_is_skipped(api: FakeAPI, crawling: Crawling) -> None:
    all_have_begun = threading.Event()
    api.fault(lambda request: api.usual(request, wait=all_have_begun))
    with ExitStack() as stack:
        processes = [stack.enter_context(crawling(api)) for _ in range(3)]
        while sum(process.poll() == 75 for process in processes) < 2:
            assert [process.poll() for process in processes].count(None), "all have ended"
        all_have_begun.set()
        logs = [process.end() for process in processes]

    assert Counter(process.returncode for process in processes) == {0: 1, 75: 2}
    assert sorted(CrawlRun.objects.values_list("verdict", flat=True)) == ["complete", "skipped", "skipped"]
    assert sum(CrawlRun.objects.values_list("requests", flat=True)) == len(api.requests)
    assert sum("another run of markets is under way;" in log[-1] for log in logs) == 2


@pytest.mark.every_database
@pytest.mark.django_db(transaction=True)
def test_of_many_that_begin_in_the_same_moment_one_gets_the_lock() -> None:
    together, verdicts = threading.Barrier(8), list[str]()

    def begin() -> None:
        together.wait(30)
        verdicts.append(recording.begin("markets", {}).verdict)
        connections.close_all()

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(verdicts) == [Verdict.RUNNING, *[Verdict.SKIPPED] * 7]


@pytest.mark.every_database
def test_a_run_that_shows_no_life_gives_way_and_writes_nothing_more(
    api: FakeAPI, crawling: Crawling, crawl: Crawl
) -> None:
    asleep = threading.Event()
    api.fault(lambda request: api.usual(request, wait=asleep), page=2)
    with crawling(api, "-a", "pages=2") as process:
        api.wait_for(requests=2)
        while FullCoin.objects.count() < 250:  # so that the process does not stop while it has a lock
            assert process.poll() is None
        process.send_signal(signal.SIGSTOP)
        CrawlRun.objects.update(heartbeat_at=Now() - timedelta(seconds=181))
        second = crawl(api, "-a", "pages=1")
        asleep.set()
        process.send_signal(signal.SIGCONT)
        log = process.end()

    first = CrawlRun.objects.get(verdict="lost")
    assert (process.returncode, second.returncode) == (1, 0)
    assert LOST in log[-1]
    assert first.reason == "no heartbeat for 180 s: killed, or cut off from the database"
    assert FullCoin.objects.count() == 250


def test_a_run_that_is_to_stop_is_interrupted_at_its_next_sign_of_life(api: FakeAPI, crawling: Crawling) -> None:
    api.fault(answers.HANGS, page=2)
    with crawling(api, "-s", "HEARTBEAT_SECONDS=0.2", "-a", "pages=2") as process:
        api.wait_for(requests=2)
        queue.stop(CrawlRun.objects.get().pk)
        log = process.end()

    run = CrawlRun.objects.get()
    assert (process.returncode, run.verdict, run.reason) == (130, "interrupted", "stopped on request")
    assert (run.seen, FullCoin.objects.count()) == (250, 250)
    assert "Crawling markets from" in run.log_tail
    assert "interrupted" in log[-1]


def test_a_run_sends_heartbeats_as_long_as_it_waits(api: FakeAPI, crawling: Crawling) -> None:
    api.fault(answers.HANGS)
    with crawling(api, "-s", "HEARTBEAT_SECONDS=0.2") as process:
        api.wait_for(requests=1)
        begun = CrawlRun.objects.get()
        while CrawlRun.objects.get().heartbeat_at == begun.heartbeat_at:
            assert process.poll() is None


# Credits ---------------------------------------------------------------------------------------------


def spent(number: int, **values: Any) -> CrawlRun:
    """A run that is over, and has cost so much."""
    run = recording.begin("markets", {})
    recording.finish(run, Verdict.COMPLETE, credits=number, **values)
    return run


@pytest.mark.every_database
@pytest.mark.django_db
@pytest.mark.parametrize(("monthly", "verdict"), [(0, Verdict.RUNNING), (100, Verdict.SKIPPED), (101, Verdict.RUNNING)])
def test_a_run_that_would_pass_the_months_credits_is_skipped(monthly: int, verdict: Verdict) -> None:
    spent(80)

    run = recording.begin("markets", {}, monthly_credits=monthly, expected_credits=21)

    assert run.verdict == verdict


@pytest.mark.django_db
def test_a_run_that_is_skipped_for_want_of_credits_says_the_figures() -> None:
    spent(1_080)

    run = recording.begin("markets", {}, monthly_credits=1_100, expected_credits=76)

    assert run.reason == "1,080 of 1,100 credits of this month (UTC) are spent, and such a run takes about 76"


@pytest.mark.every_database
@pytest.mark.django_db
def test_last_months_credits_and_another_spiders_do_not_count() -> None:
    CrawlRun.objects.filter(pk=spent(80).pk).update(started_at=Now() - timedelta(days=32))
    CrawlRun.objects.filter(pk=spent(80).pk).update(spider="another")

    assert recording.begin("markets", {}, monthly_credits=1).verdict == Verdict.RUNNING


def test_a_first_run_is_expected_to_take_as_many_credits_as_the_market_has_pages(api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api, COINGECKO_MONTHLY_CREDITS="76")

    assert done.returncode == 75
    assert "0 of 76 credits of this month (UTC) are spent, and such a run takes about 77" in done.stderr
    assert api.requests == []


def test_a_first_run_of_a_part_is_not_skipped_for_the_size_of_the_whole(api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api, "-a", "category=layer-1", COINGECKO_MONTHLY_CREDITS="76")

    assert done.returncode == 0


def test_without_credits_nothing_is_asked(api: FakeAPI, crawl: Crawl) -> None:
    first = crawl(api, COINGECKO_MONTHLY_CREDITS="77")
    second = crawl(api, COINGECKO_MONTHLY_CREDITS="13")

    assert (first.returncode, second.returncode) == (0, 75)
    assert "7 of 13 credits of this month (UTC) are spent, and such a run takes about 7" in second.stderr
    assert len(api.requests) == 7


def test_a_run_ends_before_it_would_pass_the_months_credits(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.HTML_IN_A_200, page=2, times=math.inf)

    done = crawl(api, "-a", "pages=3", COINGECKO_MONTHLY_CREDITS="5")

    run = CrawlRun.objects.get()
    assert done.returncode == 3
    assert run.reason.startswith("the month's 5 credits (UTC) are spent, 0 of them by earlier runs")
    assert (run.credits, len(api.requests)) == (5, 5)
    assert run.seen == FullCoin.objects.count() >= 250


def test_the_credits_of_a_run_that_is_killed_are_counted_too(api: FakeAPI, crawling: Crawling) -> None:
    api.fault(answers.HTML_IN_A_200)
    api.fault(answers.HANGS)
    with crawling(api, "-s", "HEARTBEAT_SECONDS=0.2") as process:
        api.wait_for(requests=2)
        while CrawlRun.objects.get().credits == 0:
            assert process.poll() is None
        process.kill()

    assert costs.credits_spent("markets") == 1


@pytest.mark.parametrize(
    ("answer", "times"),
    [
        (answers.SERVER_ERROR, 3),
        (answers.RATE_LIMITED, 3),
        (answers.RATE_LIMITED_IN_A_200, 3),
        (answers.HUNG_UP, 3),
        (answers.CUT_BODY, 3),
        (answers.oversized(17), 2),
        (answers.HTML_IN_A_200, math.inf),
        (answers.NO_CONTENT, 1),
        (answers.KEY_MISSING, 1),
    ],
    ids=["500", "429", "429 in a 200", "nothing", "cut", "too long", "HTML", "204", "401"],
)
def test_only_answers_with_status_200_cost_a_credit(answer: Any, times: float, api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answer, page=2, times=times)

    crawl(api)

    run = CrawlRun.objects.get()
    assert run.requests == len(api.requests)
    assert run.credits == sum(request.status == 200 for request in api.requests)
