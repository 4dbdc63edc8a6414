"""Feeds (`-O coins.json`): one that cannot be written makes the run partial, and says why."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, TCPServer
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from coincrawl.components import extension
from coincrawl.extensions import feeds as feeds_module
from coincrawl.extensions.feeds import Feeds, passwords, without_login
from coincrawl.extensions.stop import Stop
from coincrawl.spiders.markets import MarketsSpider
from fake_api import FakeAPI
from tests.support.crawls import Crawl, last_run
from tests.support.nodes import free_port
from tests.support.spiders import make_spider


def test_feeds_that_cannot_be_written_make_the_run_partial_and_keep_no_other_from_it(
    api: FakeAPI, crawl: Crawl, tmp_path: Path
) -> None:
    dead, good = f"127.0.0.1:{free_port()}/x.json", tmp_path / "coins.json"
    faults = {
        f"ftp://ada:lovelace@{dead}": (f"ftp://{dead}", "Connection refused"),
        "/dev/full:json": ("/dev/full", "No space left on device"),
        "/dev/null/coins.json": ("/dev/null/coins.json", "Not a directory"),
        "gopher://ada:lovelace@host/x.json": ("gopher://host/x.json", "gopher:// is not supported"),
        "s3://ada:lovelace@bucket/x.json": ("s3://bucket/x.json", "missing boto3 library"),
        "ftp:///x.json": ("ftp:///x.json", "Got a storage URI without a hostname"),
    }

    done = crawl(api, *(option for uri in (*faults, str(good)) for option in ("-O", uri)))

    run = last_run()
    assert (done.returncode, run.verdict, len(json.loads(good.read_text()))) == (3, "partial", 600)
    for shown, words in faults.values():
        assert f"the feed {shown} could not be written: {words}" in run.reason
    assert "unexpected error" not in run.reason
    for text in (run.reason, run.log_tail, done.stderr):
        assert "lovelace" not in text
        assert "Traceback" not in text


@pytest.fixture
def silent_host() -> Iterator[str]:
    """A host that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_feeds_host_that_does_not_answer_holds_nothing_up(api: FakeAPI, crawl: Crawl, silent_host: str) -> None:
    done = crawl(api, "-s", "FEED_PATIENCE=0.01", "-O", f"ftp://{silent_host}/x.json")

    assert done.returncode == 3
    assert "x.json could not be written: it took too long (FEED_PATIENCE)" in last_run().reason
    assert "Waiting until ftp://" in done.stderr


class Echo(StreamRequestHandler):
    """An FTP server that understands nothing, and says what."""

    def handle(self) -> None:
        self.wfile.write(b"220 here I am\r\n")
        for line in self.rfile:
            self.wfile.write({b"USER": b"331 go on\r\n", b"QUIT": b"221 bye\r\n"}.get(line[:4], b"500 what is " + line))


def test_a_password_that_a_feeds_host_repeats_is_masked(api: FakeAPI, crawl: Crawl) -> None:
    with TCPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.handle_request).start()
        done = crawl(api, "-O", f"ftp://ada:lovelace@127.0.0.1:{server.server_address[1]}/x.json")

    run = last_run()
    assert run.reason.endswith("/x.json could not be written: 500 what is PASS ***")
    assert "lovelace" not in done.stderr + run.log_tail


def test_feeds_that_scrapy_leaves_out_make_the_run_partial(api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api, "-s", 'FEEDS={"coins.txt": {"format": "txt"}}')

    assert (done.returncode, last_run().reason) == (3, "no feed could be written: the log says why")


class Endless:
    """A storage that is never done."""

    def __init__(self, uri: str, *, feed_options: Any) -> None:
        pass

    def open(self, spider: Any) -> Any:
        return open("/dev/null", "wb")

    def store(self, file: Any) -> Deferred[None]:
        file.close()
        return Deferred()


@pytest.mark.parametrize("how", ["patience", "stop"])
def test_a_run_waits_for_a_feed_until_its_patience_ends_or_it_is_stopped(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds_module, "QUIET_FOR", 0.01)
    monkeypatch.setattr(feeds_module, "LAST_PATIENCE", 0.01)
    settings = {
        "FEEDS": {"endless://host/x": {"format": "json"}},
        "FEED_STORAGES": {"endless": Endless},
        "FEED_PATIENCE": 0.01 if how == "patience" else 600,
    }
    spider = make_spider(MarketsSpider, settings)
    feeds, stop = extension(spider.crawler, Feeds), extension(spider.crawler, Stop)

    async def close() -> list[str]:
        feeds.open_spider(spider)
        if how == "stop":
            asyncio.get_running_loop().call_later(0.05, stop.begun.set)
        await feeds.close_spider(spider)
        assert feeds.hangs
        return await feeds.faults()

    faults = asyncio.run(asyncio.wait_for(close(), 10))

    assert faults == ["the feed endless://host/x could not be written: it took too long (FEED_PATIENCE)"]


@pytest.mark.parametrize(
    ("uri", "shown", "secret"),
    [
        ("ftp://ada:love%20lace@host/a@b.json", "ftp://host/a@b.json", ["love lace"]),
        ("ftp://ada@host/x.json", "ftp://host/x.json", [""]),
        ("s3://KEY:a#b?c@bucket/x.json", "s3://bucket/x.json", ["a#b?c"]),
        ("var/a:b@c.json", "var/a:b@c.json", []),
        ("file:///var/a@b.json", "file:///var/a@b.json", []),
    ],
)
def test_the_login_in_a_feeds_address_is_not_shown(uri: str, shown: str, secret: list[str]) -> None:
    assert without_login(uri) == shown
    assert passwords([uri]) == secret
