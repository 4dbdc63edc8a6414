"""When a request may leave, and where to: seen from the other side, or on the middleware by itself."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Request

from coincrawl.middlewares import OriginMiddleware
from tests.conftest import Crawl
from tests.fake_api import FakeAPI, Market, answers
from webapp.coins.models import CrawlRun

KEY = {"x-cg-demo-api-key": "the key"}


def guard(url: str) -> OriginMiddleware:
    """The guard of a spider whose source is at `url`."""
    spider = SimpleNamespace(url=url, secret_headers=lambda: KEY, label=lambda request: request.url)
    stats = SimpleNamespace(inc_value=lambda name: None)
    crawler: Any = SimpleNamespace(spider=spider, stats=stats)
    return OriginMiddleware(crawler)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example/coins",
        "https://api.example:443/other",
        "https://API.example/coins?x=1",
    ],
)
def test_the_source_is_asked_with_the_key(url: str) -> None:
    request = Request(url)

    guard("https://api.example/api/v3").process_request(request)

    assert request.headers["x-cg-demo-api-key"] == b"the key"


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example/coins",
        "https://api.example:8443/coins",
        "https://api.example.evil/coins",
        "https://evil/api.example",
        "https://api.example@evil/coins",
        "ftp://api.example/coins",
    ],
)
def test_nothing_else_is_asked_and_gets_no_key(url: str) -> None:
    request = Request(url)

    with pytest.raises(IgnoreRequest, match=r"is not at https://api\.example/api/v3"):
        guard("https://api.example/api/v3").process_request(request)

    assert "x-cg-demo-api-key" not in request.headers


def test_calls_are_evenly_paced(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api, COINGECKO_CALLS_PER_MINUTE="300")

    times = [request.time for request in api.requests]
    assert len(times) == 6
    # 0.206 s apart when they leave; on their way they may close up a little.
    assert min(later - earlier for earlier, later in pairwise(times)) > 0.1
    assert times[-1] - times[0] > 5 * 0.2


@pytest.mark.parametrize(
    "answer", [answers.rate_limited(retry_after=1), answers.cloudflare_limited(retry_after=1)], ids=["JSON", "HTML"]
)
def test_after_a_throttled_answer_nothing_leaves_until_the_time_named(answer: Any, api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answer, page=1)

    done = crawl(api)

    throttled, *later = api.requests
    assert done.returncode == 0
    assert later[0].params["page"] == "1"
    assert min(request.time for request in later) - throttled.time >= 1


def test_a_burst_of_throttled_answers_is_one_rest(crawl: Crawl) -> None:
    with FakeAPI(Market(coins=2_000)) as api:
        api.fault(answers.rate_limited(retry_after=1), times=24, after=1)
        done = crawl(api)

    assert done.returncode == 0
    assert CrawlRun.objects.get().throttled == 24


def test_a_redirect_is_not_followed(api: FakeAPI, crawl: Crawl) -> None:
    with FakeAPI() as elsewhere:
        api.fault(answers.redirect(f"{elsewhere.url}/coins/list"))
        done = crawl(api)

    assert done.returncode == 1
    assert elsewhere.requests == []
