"""What an answer leads to, and where a request may go."""

from types import SimpleNamespace
from typing import Any

import pytest
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Request

from coincrawl.middlewares import OriginMiddleware
from tests.conftest import Crawl
from tests.fake_api import FakeAPI, answers

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


def test_a_redirect_is_not_followed(api: FakeAPI, crawl: Crawl) -> None:
    with FakeAPI() as elsewhere:
        api.fault(answers.redirect(f"{elsewhere.url}/coins/list"))
        done = crawl(api)

    assert done.returncode == 1
    assert elsewhere.requests == []
