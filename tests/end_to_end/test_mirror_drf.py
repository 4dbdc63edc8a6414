"""A mirror of a Django REST Framework project that knows nothing of coincrawl, without a line of code."""

import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.support.crawls import Crawl, last_run
from tests.support.drf import TOKEN
from tests.support.processes import ROOT
from webapp.coins.models import FullCoin

COINS = 45  # in three pages of 20


class Project:
    """The project under way, as a client of it sees it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def serve(self, coins: int = COINS, hidden: tuple[str, ...] = ()) -> None:
        """From now on, so many coins, and these fields of them not."""
        self._ask("POST", "market/", {"coins": coins, "hidden": hidden})

    def delete(self, coin_id: str) -> None:
        self._ask("DELETE", f"page/{coin_id}/")

    def _ask(self, method: str, path: str, body: Any = None) -> None:
        headers = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
        request = Request(f"{self.url}/{path}", json.dumps(body).encode(), headers, method=method)
        urlopen(request, timeout=10).close()


@pytest.fixture(scope="module")
def serving() -> Iterator[Project]:
    command = [sys.executable, "-m", "tests.support.drf"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield Project(process.stdout.readline().strip())
        finally:
            process.stdin.close()
            process.wait(10)


@pytest.fixture
def project(serving: Project) -> Project:
    serving.serve()
    return serving


@pytest.mark.parametrize("pagination", ["page", "offset", "cursor"])
def test_each_of_the_frameworks_paginations_is_followed_to_its_end(
    pagination: str, project: Project, crawl: Crawl
) -> None:
    runs = []
    for _ in range(2):
        done = crawl(f"{project.url}/{pagination}/", spider="mirror", API_TOKEN=TOKEN)
        runs.append((done.returncode, last_run().verdict, last_run().seen, last_run().reason))

    coin = FullCoin.objects.get(pk="coin-003")
    assert runs == [(0, "complete", COINS, "")] * 2
    assert FullCoin.objects.count() == COINS
    assert (coin.symbol, coin.current_price, coin.market_cap) == ("c3", Decimal("0.0003"), Decimal("4.5"))
    assert (coin.roi_times, coin.roi_currency, coin.roi_percentage) == (Decimal("2.5"), "usd", 250)
    assert FullCoin.objects.get(pk="coin-004").roi_times is None


def test_fields_that_it_has_never_sent_are_a_message(project: Project, crawl: Crawl) -> None:
    crawl(f"{project.url}/page/", spider="mirror", API_TOKEN=TOKEN)

    assert "fields that the source does not send, and has not sent before: image, " in last_run().messages
    assert "fields that the API sends and FullCoin does not have: category" in last_run().messages.splitlines()


def test_a_field_that_it_has_sent_before_is_missed(project: Project, crawl: Crawl) -> None:
    crawl(f"{project.url}/page/", spider="mirror", API_TOKEN=TOKEN)
    project.serve(hidden=("current_price", "roi"))

    done = crawl(f"{project.url}/page/", spider="mirror", API_TOKEN=TOKEN)

    assert (done.returncode, last_run().reason) == (
        3,
        "the API does not send current_price, roi_currency, roi_percentage, roi_times",
    )
    assert FullCoin.objects.filter(current_price__isnull=True).count() == 0


def test_a_coin_that_has_left_it_is_missing(project: Project, crawl: Crawl) -> None:
    crawl(f"{project.url}/offset/", spider="mirror", API_TOKEN=TOKEN)
    project.delete("coin-010")

    done = crawl(f"{project.url}/offset/", spider="mirror", API_TOKEN=TOKEN)

    assert done.returncode == 0
    assert [coin.pk for coin in FullCoin.objects.exclude(missing_since=None)] == ["coin-010"]


def test_a_flat_record_with_another_id_is_taken_by_its_coin_id(project: Project, crawl: Crawl) -> None:
    done = crawl(f"{project.url}/flat/", spider="mirror", API_TOKEN=TOKEN)

    coin = FullCoin.objects.get(pk="coin-003")
    assert (done.returncode, last_run().verdict, FullCoin.objects.count()) == (0, "complete", COINS)
    assert (coin.current_price, coin.roi_times, coin.roi_currency) == (Decimal("0.0003"), Decimal("2.5"), "usd")


def test_a_query_goes_to_every_page_and_what_it_leaves_out_is_not_missing(project: Project, crawl: Crawl) -> None:
    crawl(f"{project.url}/page/", spider="mirror", API_TOKEN=TOKEN)

    done = crawl(f"{project.url}/page/", "-a", f"url={project.url}/page/?category=a", spider="mirror", API_TOKEN=TOKEN)

    assert (done.returncode, last_run().seen, last_run().pages) == (0, 23, 2)
    assert not FullCoin.objects.exclude(missing_since=None).exists()


def test_without_its_token_the_run_says_so(project: Project, crawl: Crawl) -> None:
    done = crawl(f"{project.url}/page/", spider="mirror")

    assert done.returncode == 1
    assert "Authentication credentials were not provided" in last_run().reason
    assert "is API_TOKEN set, and right?" in last_run().reason
