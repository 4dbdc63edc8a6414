"""The pictures of the README and the docs, from a real crawl and the real admin: `make screenshots` writes docs/images.

pytest collects this file only where it is named, because it changes files of the repository.
"""

import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from html import escape
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, ViewportSize
from pytest_django.live_server_helper import LiveServer

from tests.support.factories import HOUR, MINUTE, make_node, make_rejected, make_run_of, make_schedule
from tests.support.processes import PATIENCE, ROOT
from webapp.coins.clock import database_clock
from webapp.coins.models import FullCoin, PriceBar, PriceSeries
from webapp.coins.prices.tiers import Step
from webapp.crawls.models import CrawlRun
from webapp.crawls.verdict import Verdict

IMAGES = ROOT / "docs/images"
MAX_SIZE = 120_000  # bytes of a picture
SIZE = ViewportSize(width=1280, height=620)
BIGGEST = 30  # coins that have prices over time
DAYS = 365
TERMINAL = """
<body style="margin: 0; padding: 16px 20px; background: #1d1f21; color: #d7dade; width: fit-content">
<pre style="margin: 0; font: 13px/1.35 monospace; width: 118ch; white-space: pre-wrap">$ make demo
{}</pre>
"""


@pytest.fixture
def page(browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    with browser.new_context(viewport=SIZE, base_url=live_server.url, device_scale_factor=1) as context:
        yield context.new_page()


def take(page: Page, name: str, *, full_page: bool = False) -> None:
    picture = IMAGES / name
    page.screenshot(path=picture, full_page=full_page)
    assert picture.stat().st_size < MAX_SIZE


def test_screenshots(page: Page, database_url: str, settings: Any) -> None:
    settings.ADMIN_PICTURES = False  # there is no network
    crawl = [sys.executable, "-m", "scrapy", "crawl", "markets"]
    done = subprocess.run(
        [sys.executable, "-m", "fake_api", "--coins", "1000", "--", *crawl],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": database_url, "COLUMNS": "110"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    User.objects.create_superuser("ada", password="correct horse")
    make_history()

    page.set_viewport_size(ViewportSize(width=100, height=100))
    page.set_content(TERMINAL.format(escape(done.stdout.strip())))
    take(page, "summary.png", full_page=True)

    page.set_viewport_size(SIZE)
    page.goto("/admin/coins/fullcoin/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_load_state("networkidle")
    take(page, "admin.png")

    pages = {
        "overview.png": "/admin/",
        "coin.png": "/admin/coins/fullcoin/bitcoin/change/?range=30d",
        "runs.png": "/admin/crawls/crawlrun/",
    }
    for name, address in pages.items():
        page.goto(address)
        page.wait_for_load_state("networkidle")
        take(page, name)


def make_history() -> None:
    """A year of prices that end with those of now, a day of runs, and schedules."""
    now, dice = database_clock(), random.Random(7)
    for coin in FullCoin.objects.filter(market_cap_rank__lte=BIGGEST, current_price__gt=0):
        series, _ = PriceSeries.objects.get_or_create(coin_id=coin.pk)
        price, bars = float(coin.current_price or 1), []
        for hours in range(1, DAYS * 24):
            price *= math.exp(dice.gauss(-0.0001, 0.006))
            time = Step.HOUR.start(now) - hours * HOUR
            steps = [Step.HOUR] * (hours < 24 * 89) + [Step.DAY] * (time.hour == 0)
            close = Decimal(repr(price))
            cap, volume = close * 20_000_000, close * dice.randint(200_000, 400_000)
            for step in steps:
                prices = dict.fromkeys(("open", "high", "low", "close"), close)
                facts = {"market_cap": cap, "volume": volume, "rank": coin.market_cap_rank, "observations": 9}
                bars.append(
                    PriceBar(series=series, step=step, time=time, last_at=time, is_final=True, **prices, **facts)
                )
        PriceBar.objects.bulk_create(bars, batch_size=500)
    make_node(heartbeat_at=now)
    schedule = make_schedule("The whole market", arguments={}, crontab="0 */6 * * *", next_run_at=now + 2 * HOUR)
    for number in range(1, 60):
        at = now - number * 6 * HOUR
        verdict = Verdict.PARTIAL if number == 9 else Verdict.FAILED if number == 31 else Verdict.COMPLETE
        seconds = timedelta(seconds=dice.randint(150, 230) if verdict != Verdict.FAILED else 20)
        counts = {"seen": 1_000, "updated": 940, "unchanged": 55, "created": dice.randint(0, 9), "pages": 6}
        make_run_of(schedule, at, verdict=verdict, finished_at=at + seconds, **counts)
    last = CrawlRun.objects.latest("started_at")
    make_rejected("odd-coin", run=last, reasons="symbol: longer than 100 characters", last_seen_at=now - MINUTE)
