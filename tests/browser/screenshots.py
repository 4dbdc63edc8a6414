"""The README's pictures, made from a real crawl and the real admin: `make screenshots` writes docs/images.

pytest collects this file only where it is named, because it changes files of the repository.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from html import escape

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, ViewportSize
from pytest_django.live_server_helper import LiveServer

from tests.support.processes import PATIENCE, ROOT

IMAGES = ROOT / "docs/images"
MAX_SIZE = 80_000  # bytes of a picture
SIZE = ViewportSize(width=1280, height=500)
TERMINAL = """
<body style="margin: 0; padding: 16px 20px; background: #1d1f21; color: #d7dade; width: fit-content">
<pre style="margin: 0; font: 13px/1.35 monospace; width: 118ch; white-space: pre-wrap">$ make demo
{}</pre>
"""


@pytest.fixture
def page(browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    with browser.new_context(viewport=SIZE, base_url=live_server.url) as context:
        yield context.new_page()


def take(page: Page, name: str, *, full_page: bool = False) -> None:
    picture = IMAGES / name
    page.screenshot(path=picture, full_page=full_page)
    assert picture.stat().st_size < MAX_SIZE


def test_screenshots(page: Page, database_url: str) -> None:
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
