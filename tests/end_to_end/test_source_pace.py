"""The pace outlives the process: runs go on where earlier ones have stopped, or were killed."""

import math
import signal
from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from fake_api import FakeAPI, Market, answers
from tests.support.crawls import SOON, Crawl, Crawling, last_run, stop
from webapp.crawls.models import CrawlRun, SourcePace
from webapp.crawls.models.pace import Wait
from webapp.crawls.models.run import LOST_AFTER

URL = "https://api.example/api/v3"
paces = SourcePace.objects


@pytest.mark.every_database
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("url", "key", "is_known"),
    [
        (URL, "key", True),
        ("https://API.example:443/elsewhere", "key", True),
        (URL, "another key", False),
        (URL, "", False),
        ("http://api.example/api/v3", "key", False),
        ("https://api.example:8443/api/v3", "key", False),
        ("https://pro-api.example/api/v3", "key", False),
    ],
    ids=["the same", "its origin", "another key", "no key", "another scheme", "another port", "another host"],
)
def test_a_pace_belongs_to_an_origin_and_a_key(url: str, key: str, is_known: bool) -> None:
    paces.keep(URL, "key", Wait(turn=20, rest=300))

    assert paces.wait(url, key) == (pytest.approx((20, 300), abs=2) if is_known else (0, 0))


@pytest.mark.every_database
@pytest.mark.django_db
def test_what_is_kept_last_counts_and_the_key_is_not_kept() -> None:
    paces.keep(URL, "the key", Wait(turn=20, rest=300))
    paces.keep(URL, "the key", Wait(turn=5))

    (row,) = paces.values()
    assert paces.wait(URL, "the key") == pytest.approx((5, 0), abs=2)
    assert row["source"] == "https://api.example:443"
    assert "the key" not in repr(row)


@pytest.mark.every_database
@pytest.mark.django_db
@pytest.mark.parametrize("hours", [-1, 1], ids=["slow", "fast"])
def test_a_wait_goes_by_the_databases_clock(hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(hours=hours))

    paces.keep(URL, "", Wait(turn=20, rest=300))

    in_a_while = {"next_turn__range": (Now(), Now() + timedelta(seconds=20)), "rest_until__gt": Now()}
    assert paces.filter(**in_a_while).exists()
    assert paces.wait(URL, "") == pytest.approx((20, 300), abs=2)


@pytest.mark.every_database
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "later", "left"),
    [
        (7_200, timedelta(hours=-1), 3_600),
        (7_200, timedelta(hours=-3), 0),
        (1e9, timedelta(), 86_400),
        (300, timedelta(hours=12), 12 * 3_600 + 300),
        (300, timedelta(days=1), 0),
    ],
    ids=["later", "over", "a day at most", "a clock set back", "a clock set back by more than a rest can be"],
)
def test_a_rest_holds_up_runs_until_its_end_and_for_a_day_at_most(asked: float, later: timedelta, left: float) -> None:
    paces.keep(URL, "", Wait(rest=asked))
    paces.update(rest_until=F("rest_until") + later)

    assert paces.wait(URL, "").rest == pytest.approx(left, abs=2)


# End to end ------------------------------------------------------------------------------------------


def test_runs_in_a_row_keep_the_pace_together_and_leave_no_turn_unused(crawl: Crawl) -> None:
    with FakeAPI(Market(coins=600), calls_per_minute=2, window=4) as api:
        done = [crawl(api, "-a", "pages=1", COINGECKO_CALLS_PER_MINUTE="30") for _ in range(3)]

    assert [run.returncode for run in done] == [0, 0, 0]
    assert [request.status for request in api.requests] == [200, 200, 200]
    assert paces.wait(api.url, "").turn <= 2.08


def test_runs_without_a_limit_neither_wait_nor_keep_anything(api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api, "-a", "pages=1")

    assert "The first request leaves in" not in done.stderr
    assert not paces.exists()


def killed(api: FakeAPI, crawling: Crawling, words: str, **environment: str) -> None:
    """Kill a crawl when its log has these words, and let nobody wait for its run."""
    with crawling(api, **environment) as process:
        process.read_until(words)
        process.kill()
        process.wait()
    CrawlRun.objects.update(heartbeat_at=Now() - LOST_AFTER - timedelta(seconds=1))


def test_a_run_that_is_killed_in_a_rest_does_not_end_the_rest(api: FakeAPI, crawling: Crawling, crawl: Crawl) -> None:
    api.fault(answers.rate_limited(retry_after=5))
    killed(api, crawling, "The API asks to slow down")

    done = crawl(api, "-a", "pages=1")

    throttled, after = api.requests
    assert throttled.sent is not None
    assert after.time - throttled.sent >= 5
    assert done.returncode == 0


def test_the_turns_of_a_run_that_is_killed_are_not_free_at_once(api: FakeAPI, crawling: Crawling) -> None:
    api.fault(answers.HANGS, times=math.inf)
    with crawling(api, COINGECKO_CALLS_PER_MINUTE="3") as process:
        api.wait_for(requests=1)
        process.kill()

    assert 18 < paces.wait(api.url, "").turn < 26


def test_a_source_that_has_asked_for_a_long_rest_holds_up_no_other(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.rate_limited(retry_after=7_200))
    crawl(api)

    with FakeAPI(Market(coins=250)) as other:
        assert crawl(other).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_waits_for_the_end_of_an_earlier_rest_lives_and_can_be_stopped(
    number: signal.Signals, api: FakeAPI, crawling: Crawling
) -> None:
    paces.keep(api.url, "", Wait(rest=300))
    with crawling(api, "-s", "HEARTBEAT_SECONDS=0.2") as process:
        process.read_until("s: the API asked an earlier run to slow down")
        begun = last_run()
        while last_run().heartbeat_at == begun.heartbeat_at:
            assert process.poll() is None
        took = stop(process, number)

    assert (process.returncode, last_run().verdict) == (130, "interrupted")
    assert took < SOON
    assert api.requests == []
    assert paces.wait(api.url, "").rest > 250
