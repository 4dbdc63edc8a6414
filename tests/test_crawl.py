"""End to end: the fake API, `scrapy crawl` as a process, and the rows that it leaves."""

import pytest

from tests.conftest import Crawl
from tests.fake_api import FakeAPI
from webapp.coins.models import CrawlRun, FullCoin


def test_a_crawl_stores_the_whole_market(api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api)

    run = CrawlRun.objects.get()
    assert (done.returncode, run.verdict, run.seen, run.created) == (0, "complete", 600, 600)
    assert FullCoin.objects.count() == 600
