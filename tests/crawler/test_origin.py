"""Where a request may go, and with which key."""

import math

import pytest
from scrapy.exceptions import DownloadFailedError, IgnoreRequest
from scrapy.http import Request, Response

from coincrawl.middlewares import OriginMiddleware
from coincrawl.spiders.markets import MarketsSpider
from fake_api import FakeAPI, answers
from tests.support.crawls import Crawl
from tests.support.spiders import make_spider

KEY = "the-key"


def guard(url: str, *, in_a_tool: bool = False) -> OriginMiddleware:
    """The guard of a spider with a key whose source is at `url`."""
    settings = {"BASE_API_URL": url, "COINGECKO_API_KEY": KEY, "COINGECKO_PLAN": "demo", "RECORD_RUNS": not in_a_tool}
    return OriginMiddleware(make_spider(MarketsSpider, settings).crawler)


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

    assert request.headers["x-cg-demo-api-key"] == KEY.encode()


@pytest.mark.parametrize("ending", ["response", "exception"])
def test_the_key_comes_off_with_what_became_of_the_request(ending: str) -> None:
    request, middleware = Request("https://api.example/coins", headers={"Accept": "x"}), guard("https://api.example/")
    middleware.process_request(request)

    if ending == "response":
        middleware.process_response(request, Response(request.url))
    else:
        middleware.process_exception(request, DownloadFailedError())

    assert dict(request.headers.to_unicode_dict()) == {"Accept": "x"}


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
    request = Request(url, meta={"page": 1})

    with pytest.raises(IgnoreRequest, match=r"is not at https://api\.example/api/v3"):
        guard("https://api.example/api/v3").process_request(request)

    assert "x-cg-demo-api-key" not in request.headers


@pytest.mark.parametrize("url", ["https://evil.example/", "http://api.example/", "file:///x"])
def test_a_tool_may_ask_anything_else_without_the_key(url: str) -> None:
    request = Request(url)

    guard("https://api.example/api/v3", in_a_tool=True).process_request(request)

    assert not request.headers


@pytest.mark.parametrize(("scheme", "is_proxied"), [("http", False), ("https", True)])
def test_what_goes_in_the_clear_goes_to_no_proxy(scheme: str, is_proxied: bool) -> None:
    request = Request(f"{scheme}://127.0.0.1/coins", meta={"proxy": "http://proxy.example"})

    guard(f"{scheme}://127.0.0.1/").process_request(request)

    assert ("proxy" in request.meta) is is_proxied


def test_a_redirect_is_not_followed(api: FakeAPI, crawl: Crawl) -> None:
    with FakeAPI() as elsewhere:
        api.fault(answers.redirect(f"{elsewhere.url}/coins/list"), times=math.inf)
        done = crawl(api)

    assert done.returncode == 1
    assert len(api.requests) == 3
    assert elsewhere.requests == []
