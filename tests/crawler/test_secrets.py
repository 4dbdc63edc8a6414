"""The key goes to the API and nowhere else: not into a log, a table, a file or an argument, and to no other host."""

import html
import math
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from scrapy.crawler import Crawler
from scrapy.utils.project import get_project_settings

from coincrawl.spiders.markets import MarketsSpider
from fake_api import Answer, FakeAPI, Listener, Market, Request, answers
from fake_api.tls import self_signed
from tests.support.crawls import Crawl, Crawling
from tests.support.databases import files_of_the_database, tables
from webapp.coins.models import FullCoin
from webapp.crawls.models import CrawlRun

KEY = "CG-a/secret+key-of?the&tests"
DEMO = {"COINGECKO_PLAN": "demo", "COINGECKO_API_KEY": KEY}


HEX = "".join(f"\\u{ord(character):04x}" for character in KEY)  # as JSON may write it
FORMS = (KEY, quote(KEY), quote(KEY, safe=""), repr(KEY)[1:-1], html.escape(KEY), HEX, HEX.replace("\\", "\\\\"))


def named_like_the_key(request: Request) -> Answer:
    names = ", ".join(f'"{form}": 1' for form in FORMS)
    return answers.data(f'[{{"id": "a", "name": "{answers.secret(request)}"}}, {{"id": 5, "name": "{KEY}", {names}}}]')


def redirected_with_the_key(request: Request) -> Answer:
    return answers.redirect(f"/coins?key={answers.secret(request)}")


# By kind: the answers to pages 1, 2, ..., each with the number of times that it comes.
FAULTS: dict[str, list[tuple[Any, float]]] = {
    "none": [],
    "no such key": [(answers.KEY_MISSING, 1)],
    "a key for another host": [(answers.DEMO_KEY_AT_PRO_HOST, 1)],
    "the key repeated in an error": [(answers.echo, 1)],
    "a redirect": [(redirected_with_the_key, 1)],
    "credits spent": [(answers.CREDITS_SPENT, 1)],
    "the key repeated in what is not final": [
        (lambda request: answers.status_error(429, 429, f"{answers.secret(request)} is too fast"), 1),
        (lambda request: answers.error(200, {"error": f"bad key {answers.secret(request)}"}), math.inf),
        (named_like_the_key, math.inf),
    ],
    "a source that is too busy": [
        (answers.rate_limited(0), 1),
        (answers.BLOCKED, math.inf),
        (answers.SERVER_ERROR, math.inf),
    ],
    "no answer": [
        ({}, 1),  # else the run would end at the first page
        (answers.GARBAGE, math.inf),
        (answers.HUNG_UP, math.inf),
        (answers.RESET, math.inf),
        (answers.CUT_BODY, math.inf),
    ],
    "no page": [
        (answers.FALSE_GZIP, math.inf),
        (answers.HTML_IN_A_200, math.inf),
        (answers.nested(200_000), math.inf),
        (answers.oversized(17), math.inf),
    ],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_key_is_in_no_log_file_or_table_whatever_goes_wrong(fault: str, crawl: Crawl, tmp_path: Path) -> None:
    with FakeAPI(Market(coins=300), plan="demo", key=KEY) as api:
        for page, (reaction, times) in enumerate(FAULTS[fault], start=1):
            api.fault(reaction, page=page, times=times)
        done = crawl(
            api,
            *("-a", "per_page=50", "-L", "DEBUG"),
            *("--logfile", str(tmp_path / "log"), "-O", str(tmp_path / "coins.jsonl")),
            **DEMO,
        )

    log = (tmp_path / "log").read_text()
    files = "".join(path.read_text() for path in tmp_path.iterdir())
    written = done.stdout + done.stderr + files + tables()
    assert any(KEY in request.headers.values() for request in api.requests)
    assert "DEBUG" in log
    assert {str(page) for page, _ in enumerate(FAULTS[fault], start=1)} <= {
        request.params.get("page") for request in api.requests
    }
    for form in FORMS:
        assert form not in written
        assert form.encode() not in files_of_the_database()
    assert all(KEY not in f"{request.path} {request.params}" for request in api.requests)


def test_a_deep_record_costs_no_other_where_a_key_is_set(crawl: Crawl) -> None:
    """One on each page: each depth is too much for another one of those that handle a record."""
    depths = [300, 450, 600, 750, 900, 1_200]
    with FakeAPI(Market(coins=300), plan="demo", key=KEY) as api:
        for coin_id, depth in zip(api.market.ids[::50], depths, strict=True):
            api.market.replace(coin_id, answers.nested_record(coin_id, depth).replace("Nested", "\\\\"))
        done = crawl(api, "-L", "DEBUG", "-a", "per_page=50", **DEMO)

    assert "Traceback" not in done.stderr
    assert FullCoin.objects.count() == 300 - len(depths)
    assert CrawlRun.objects.get().rejected == len(depths)


def test_the_key_is_in_no_argument_and_no_file(crawling: Crawling, tmp_path: Path) -> None:
    with FakeAPI(Market(coins=300), plan="demo", key=KEY) as api:
        (tmp_path / "key").write_text(f"{KEY}\n")
        with crawling(api, COINGECKO_PLAN="demo", COINGECKO_API_KEY="", COINGECKO_API_KEY_FILE=str(tmp_path / "key")):
            api.wait_for(requests=1)
            commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _is_there(path)]

    assert api.requests[0].headers["x-cg-demo-api-key"] == KEY
    assert not any(KEY.encode() in command for command in commands)


def _is_there(path: Path) -> bool:
    try:
        return bool(path.read_bytes())
    except OSError:  # that process has ended
        return False


# No other host ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int, crawl: Crawl) -> None:
    with FakeAPI(Market(coins=300), plan="demo", key=KEY) as api, Listener(answers=True) as foreign:
        api.fault(answers.redirect(f"{foreign.url}/coins/list", status), page=1, times=math.inf)
        done = crawl(api, **DEMO)

    assert done.returncode == 1
    assert f"a redirect to {foreign.url}/coins/list: redirects are not followed" in CrawlRun.objects.get().reason
    assert foreign.heard == []


def test_a_page_that_redirects_browsers_redirects_no_crawl(crawl: Crawl) -> None:
    with FakeAPI(Market(coins=300), plan="demo", key=KEY) as api, Listener(answers=True) as foreign:
        leads = f'<meta http-equiv="refresh" content="0; url={foreign.url}/">'
        headers = {"refresh": f"0; url={foreign.url}/", "link": f'<{foreign.url}/>; rel="next"'}
        api.fault(answers.page_of_html(200, "x", leads, **headers), page=1)
        crawl(api, **DEMO)

    assert foreign.heard == []


def test_in_the_clear_nothing_leaves_this_machine_for_a_proxy(crawl: Crawl) -> None:
    with FakeAPI(Market(coins=300), plan="demo", key=KEY) as api, Listener(answers=True) as proxy:
        done = crawl(api, **DEMO, http_proxy=proxy.url, HTTP_PROXY=proxy.url)

    assert done.returncode == 0
    assert proxy.heard == []


@pytest.mark.parametrize("flaw", [{}, {"host": "127.0.0.2"}, {"days": -1}], ids=["unknown", "another's", "expired"])
def test_a_certificate_that_cannot_be_trusted_ends_the_run(flaw: dict[str, Any], crawl: Crawl, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, **flaw)
    trusted = {"SSL_CERT_FILE": str(certificate[0])} if flaw else {}

    with FakeAPI(Market(coins=300), plan="demo", key=KEY, tls=certificate) as api:
        done = crawl(api, **DEMO, **trusted)

    assert done.returncode == 1
    assert "certificate" in done.stderr.splitlines()[-1]
    assert api.requests == []


def test_a_certificate_that_can_be_trusted_is(crawl: Crawl, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)

    with FakeAPI(Market(coins=300), plan="demo", key=KEY, tls=certificate) as api:
        done = crawl(api, **DEMO, SSL_CERT_FILE=str(certificate[0]))

    assert done.returncode == 0


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "data:,x", "ftp://127.0.0.1/", "http://192.0.2.1/api/v3", "http://localhost.evil/"]
)
def test_nothing_but_https_and_this_machine_is_a_source(url: str, crawl: Crawl) -> None:
    done = crawl(url)

    assert done.returncode == 1
    assert done.stderr.startswith("BASE_API_URL must be https://")
    assert not CrawlRun.objects.exists()


def test_a_crawl_can_fetch_over_http_and_https_alone() -> None:
    settings = get_project_settings()
    settings.set("RECORD_RUNS", value=True)
    settings = Crawler(MarketsSpider, settings).settings

    handlers = settings.getwithbase("DOWNLOAD_HANDLERS")

    assert {scheme for scheme, handler in handlers.items() if handler} == {"http", "https"}


def test_a_crawl_listens_nowhere(crawling: Crawling) -> None:
    with FakeAPI(Market(coins=300)) as api:
        api.fault(answers.HANGS)
        with crawling(api) as process:
            api.wait_for(requests=1)
            sockets = [line.split() for line in Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]]
            opened = {str(path.readlink()) for path in Path(f"/proc/{process.pid}/fd").iterdir()}

    listening = {
        f"socket:[{inode}]" for _, _, _, state, *_, inode in (socket[:10] for socket in sockets) if state == "0A"
    }
    assert listening  # the fake API's at least, which is another process
    assert not listening & opened
