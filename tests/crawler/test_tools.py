"""Scrapy's own tools in this project: they do what its documentation says, and begin no run."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from scrapy import Spider
from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured
from scrapy.utils.misc import load_object

from coincrawl import crawl_settings
from coincrawl.spiders.markets import MarketsSpider
from fake_api import FakeAPI, LinkedAPI, Market, answers
from tests.support.processes import ROOT, python
from webapp.crawls.catalog import SPIDERS

KEY = "the-key-of-the-tests"
Tool = Callable[..., subprocess.CompletedProcess[str]]

FOREIGN = """
import scrapy


class ForeignSpider(scrapy.Spider):
    name = "foreign"

    async def start(self):
        yield scrapy.Request(self.url)

    def parse(self, response):
        yield from ({"id": coin["id"], "here": "\\u20bf", "many": {"a": [1]}} for coin in response.json())
"""


@pytest.fixture
def tool(api: FakeAPI, tmp_path: Path) -> Tool:
    """`scrapy ...` with a key for the fake API, and with a database that is not there."""
    database = tmp_path / "no.sqlite3"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "DATABASE_URL": f"sqlite:///{database}",
            "BASE_API_URL": api.url,
            "COINGECKO_API_KEY": KEY,
            "COINGECKO_PLAN": "demo",
            "BROWSER": "/bin/echo",
            "TMPDIR": str(tmp_path),
        }
        done = python(["-m", "scrapy", *arguments], environment)
        assert not database.exists()
        assert KEY not in done.stdout + done.stderr
        return done

    return run


def page(api: FakeAPI, coins: int = 2) -> str:
    return f"{api.url}/coins/markets?vs_currency=usd&per_page={coins}&page=1"


def keys(api: FakeAPI) -> list[str | None]:
    return [request.headers.get("x-cg-demo-api-key") for request in api.requests]


def test_fetch_prints_an_answer_unpacked(tool: Tool, api: FakeAPI) -> None:
    done = tool("fetch", "--nolog", page(api))

    assert [coin["id"] for coin in json.loads(done.stdout)] == ["bitcoin", "ethereum"]
    assert "gzip" in api.requests[0].headers["accept-encoding"]
    assert keys(api) == [None]


def test_fetch_with_a_spider_asks_its_source_with_the_key_and_does_not_show_it(tool: Tool, api: FakeAPI) -> None:
    done = tool("fetch", "--nolog", "--headers", "--spider=markets", page(api))

    assert "> Accept: application/json" in done.stdout
    assert keys(api) == [KEY]


def test_the_key_goes_to_no_other_address_and_follows_no_redirect(tool: Tool, api: FakeAPI) -> None:
    with FakeAPI() as elsewhere:
        api.fault(answers.redirect(page(elsewhere)))
        led = tool("fetch", "--nolog", "--spider=markets", page(api))
        asked = tool("fetch", "--nolog", "--spider=markets", page(elsewhere))

    assert json.loads(led.stdout)[0]["id"] == json.loads(asked.stdout)[0]["id"] == "bitcoin"
    assert (keys(api), keys(elsewhere)) == ([KEY], [None, None])


def test_the_shell_has_the_answer(tool: Tool, api: FakeAPI) -> None:
    done = tool("shell", "--nolog", "--spider=markets", page(api), "-c", "[coin['id'] for coin in response.json()]")

    assert done.stdout.strip() == "['bitcoin', 'ethereum']"
    assert keys(api) == [KEY]


def test_the_shell_reads_a_file(tool: Tool, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<title>A page</title>")

    done = tool("shell", "--nolog", str(tmp_path / "page.html"), "-c", "response.css('title::text').get()")

    assert done.stdout.strip() == "A page"


def test_parse_shows_the_coins_of_a_page_and_where_the_next_one_is(tool: Tool, api: FakeAPI) -> None:
    done = tool("parse", "-L", "ERROR", "--nocolour", "--spider=markets", page(api))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("'coin_id': ") == 2
    assert "'current_price': Decimal('96114')" in done.stdout
    assert "'record'" not in done.stdout
    assert "&page=2>" in done.stdout


def test_parse_shows_the_bars_of_a_chart(tool: Tool) -> None:
    with FakeAPI(Market(coins=1, start=datetime.now(UTC))) as current:
        address = f"{current.url}/coins/bitcoin/market_chart?vs_currency=usd&days=91"
        done = tool("parse", "-L", "ERROR", "--nocolour", "--spider=history", "-a", "ids=bitcoin", address)

    assert done.stdout.count("'close': Decimal(") == 90  # the day that is not over is left out
    assert "'coin_id': 'bitcoin'" in done.stdout


def test_parse_says_why_a_record_cannot_be_stored(tool: Tool, api: FakeAPI) -> None:
    api.fault(answers.data('[{"id": "a", "current_price": "much"}]'))

    done = tool("parse", "-L", "ERROR", "--nocolour", "--spider=markets", page(api))

    assert "'reasons'" in done.stdout
    assert "'record': {'current_price': 'much', 'id': 'a'}" in done.stdout


@pytest.mark.parametrize("option", ["-o", "-O"])
def test_parse_writes_what_it_shows(option: str, tool: Tool, api: FakeAPI, tmp_path: Path) -> None:
    done = tool("parse", "-L", "ERROR", "--nocolour", "--spider=markets", option, str(tmp_path / "x.json"), page(api))

    assert (done.stderr, done.stdout.count("'coin_id': ")) == ("", 2)
    if option == "-o":  # with -O Scrapy's own command writes nothing
        coins = json.loads((tmp_path / "x.json").read_text(), parse_float=Decimal, parse_int=Decimal)
        assert [coin["coin_id"] for coin in coins] == ["bitcoin", "ethereum"]
        assert coins[0]["current_price"] == Decimal("96114")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (answers.KEY_MISSING, "is COINGECKO_API_KEY set, and right for COINGECKO_PLAN?"),
        (answers.EMPTY, "is no page of markets: an empty body"),
        (answers.RATE_LIMITED, "is no page of markets: it asks to slow down"),
    ],
    ids=["refused", "broken", "throttled"],
)
def test_parse_says_what_is_wrong_with_an_answer(answer: Any, words: str, tool: Tool, api: FakeAPI) -> None:
    api.fault(answer, times=5)

    done = tool("parse", "-L", "ERROR", "--nocolour", "--spider=markets", "-s", "RETRY_ENABLED=0", page(api))

    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_parse_rejects_what_a_crawl_rejects(tool: Tool, api: FakeAPI) -> None:
    done = tool("parse", "--spider=markets", "-a", "pagez=1", page(api))

    assert done.returncode == 2
    assert "error: markets has no argument 'pagez'." in done.stderr
    assert api.requests == []


def test_parse_shows_what_has_changed_at_a_mirrors_source(tool: Tool) -> None:
    with LinkedAPI(Market(coins=2)) as source:
        given = ["-a", f"url={source.url}", "-a", "only=changed"]
        done = tool("parse", "-L", "ERROR", "--nocolour", "--spider=mirror", *given, source.url)

    assert "'coin_id': 'bitcoin'" in done.stdout
    assert "Traceback" not in done.stderr


def test_parse_says_that_a_mirror_has_another_currency(tool: Tool, api: FakeAPI) -> None:
    api.fault(answers.data('{"count": 1, "next": null, "results": [{"coin_id": "a", "vs_currency": "eur"}]}'))

    done = tool("parse", "-L", "ERROR", "--nocolour", "--spider=mirror", page(api))

    assert "the source has prices in eur, and VS_CURRENCY is usd" in done.stderr
    assert "Traceback" not in done.stderr


def test_view_opens_the_answer_in_a_browser(tool: Tool, api: FakeAPI) -> None:
    api.fault(answers.HTML_IN_A_200)

    done = tool("view", "-L", "ERROR", page(api))

    file = urlsplit(done.stdout.strip())
    assert (done.returncode, file.scheme) == (0, "file")
    assert Path(file.path).read_bytes()[-50:] == answers.HTML_IN_A_200.body[-50:]


@pytest.mark.parametrize(
    ("command", "said"), [("list", "".join(f"{name}\n" for name in sorted(SPIDERS))), ("check", "")]
)
def test_spiders_are_listed_and_checked_without_a_run(command: str, said: str, tool: Tool, api: FakeAPI) -> None:
    done = tool(command)

    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (0, said, False)
    assert api.requests == []


def test_a_spider_of_ours_asks_nothing_without_a_run(tool: Tool, api: FakeAPI) -> None:
    done = tool("runspider", str(ROOT / "coincrawl/spiders/markets.py"), "-L", "ERROR", "-a", "ids=bitcoin")

    assert "No request is made without a run: use scrapy crawl markets" in done.stderr
    assert "Traceback" not in done.stderr
    assert api.requests == []


def test_a_foreign_spider_runs_as_it_does_in_any_project(tool: Tool, api: FakeAPI, tmp_path: Path) -> None:
    spider = tmp_path / "foreign.py"
    spider.write_text(FOREIGN)
    files = [tmp_path / f"out.{form}" for form in ("json", "jsonlines", "csv", "xml", "pickle", "marshal")]

    feeds = (option for file in files for option in ("-O", str(file)))
    done = tool("runspider", str(spider), "-a", f"url={page(api)}", *feeds)

    assert done.returncode == 0
    assert "'item_scraped_count': 2" in done.stderr
    assert all(b"bitcoin" in file.read_bytes() for file in files)
    assert json.loads(files[0].read_text())[0] == {"id": "bitcoin", "here": "\u20bf", "many": {"a": [1]}}
    assert keys(api) == [None]


COMPONENTS = [
    *(name for name in crawl_settings.DOWNLOADER_MIDDLEWARES if name.startswith("coincrawl")),
    *crawl_settings.ITEM_PIPELINES,
    *(name for name in crawl_settings.EXTENSIONS if name.startswith("coincrawl") and not name.endswith("Feeds")),
]


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_of_ours_steps_aside_for_a_foreign_spider(name: str) -> None:
    with pytest.raises(NotConfigured, match="is for spiders that are a PaginatedSpider"):
        load_object(name).from_crawler(Crawler(Spider))


def test_the_download_handler_is_scrapys_own_for_a_foreign_spider() -> None:
    # Imported here: Scrapy walks through pytest's stack for it, and each of pytest's workers would take a second.
    from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler

    from coincrawl.downloadhandlers import PacedDownloadHandler

    assert type(PacedDownloadHandler.from_crawler(Crawler(Spider))) is HTTP11DownloadHandler


def test_what_a_project_or_a_command_line_sets_stands_above_the_crawls_settings() -> None:
    crawler = Crawler(MarketsSpider, {"RECORD_RUNS": True, "RETRY_TIMES": 1})

    assert (crawler.settings["RETRY_TIMES"], crawler.settings["RETRY_ENABLED"]) == (1, False)
    assert crawler.settings["DEFAULT_REQUEST_HEADERS"] == {"Accept": "application/json", "Accept-Encoding": "gzip"}
