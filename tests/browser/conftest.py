"""Debian's Chromium on a live server, with DJANGO_DEBUG off. It finds no host but this one.

Each test fails on a line in the browser's console, a dialog and a request to a foreign host that it does not expect.
How a page was when its test failed is in pytest's temporary folder.
"""

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Request, Route, ViewportSize, sync_playwright
from pytest_django.live_server_helper import LiveServer

# It has no other host's address, so that no request has to go through Playwright, which would turn the cache off.
ARGUMENTS = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"]
# What draws pages without a window takes half the processor time of the whole browser.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
LAPTOP = ViewportSize(width=1280, height=720)
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="package")  # not of the session: other tests start an event loop where Playwright has one
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """The lines in the browser's console, and the dialogs; a test takes out those that it expects."""
    return []


@pytest.fixture
def context(browser: Browser, live_server: LiveServer, admin_client: Client) -> Iterator[BrowserContext]:
    """With a superuser's session."""
    session = admin_client.cookies[settings.SESSION_COOKIE_NAME].value
    with browser.new_context(viewport=LAPTOP, base_url=live_server.url) as context:
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
        yield context


@pytest.fixture
def pictures(context: BrowserContext, live_server: LiveServer) -> list[str]:
    """Other hosts answer with a picture. These are the addresses that the browser has asked for."""
    asked = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body=PNG, content_type="image/png")

    context.route(lambda address: not address.startswith(live_server.url), answer)
    return asked


@pytest.fixture
def page(
    context: BrowserContext,
    live_server: LiveServer,
    *,
    complaints: list[str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Page]:
    page = context.new_page()
    foreign = []

    def note(asked: Request) -> None:
        if asked.url.startswith("http") and not asked.url.startswith(live_server.url):
            foreign.append(asked.url)

    def dismiss(dialog: Dialog) -> None:
        complaints.append(dialog.message)
        dialog.dismiss()

    page.on("request", note)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", dismiss)
    failed_before = request.session.testsfailed

    yield page

    if request.session.testsfailed > failed_before:
        page.screenshot(path=tmp_path / "last.png", full_page=True)
    assert complaints == []
    assert "pictures" in request.fixturenames or foreign == []
