"""The example of docs/new-spider.md, copied from the page into a copy of the project, where it crawls."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fake_api import LinkedAPI, Market, answers
from fake_api.records import Record
from tests.support.crawls import last_run
from tests.support.pages import block
from tests.support.processes import PATIENCE, ROOT, preloaded
from webapp.coins.models import FullCoin
from webapp.crawls.verdict import Verdict

THEIRS = {"slug": "coin_id", "ticker": "symbol", "name": "name", "price": "current_price", "updated": "last_updated"}
PAGE = (ROOT / "docs/new-spider.md").read_text()
HOME = "https://listings.example/v1/coins/"
KEY = "the-key-of-the-tests"
SPIDERS = "SPIDERS: Mapping[str, SpiderEntry] = {\n"


def listing(record: Record) -> Record:
    """One of our records as that API would write it."""
    return {name: record[ours] for name, ours in THEIRS.items()}


@dataclass
class Copy:
    """The project with the new spider in it, and its source."""

    folder: Path
    spider: str
    api: LinkedAPI
    database_url: str

    def crawl(self, *lines: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the page's command, with these lines in the spider too."""
        text = "\n".join([self.spider, *(f"    {line}" for line in lines), ""])
        (self.folder / "coincrawl/spiders/listings.py").write_text(f"from coincrawl.secret import Secret\n{text}")
        return self.run(**environment)

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        command = ["-m", *block(PAGE, "**4.**").split()]
        return preloaded().run(
            command, self.folder, dict(os.environ) | {"DATABASE_URL": self.database_url} | environment, PATIENCE
        )


@pytest.fixture
def token() -> str:
    return ""


@pytest.fixture
def copy(tmp_path: Path, database_url: str, token: str) -> Iterator[Copy]:
    for folder in ("coincrawl", "webapp"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "scrapy.cfg", tmp_path)
    catalog = tmp_path / "webapp/crawls/catalog.py"
    entry = f"    {block(PAGE, '**2.**')}"
    catalog.write_text(catalog.read_text().replace(SPIDERS, SPIDERS + entry))
    with LinkedAPI(
        Market(coins=500),
        rows_at=("data", "items"),
        link_at=("links", "next"),
        count_at=("meta", "total"),
        record=listing,
        form="path",
        token=token,
        word="Bearer",
    ) as api:
        spider = block(PAGE, "**1.**").replace(HOME, api.url)
        assert api.url in spider
        yield Copy(tmp_path, spider, api, database_url)


def test_the_example_of_a_new_spider_crawls_its_api(copy: Copy) -> None:
    done = copy.crawl()

    stored = {coin.pk: coin.symbol for coin in FullCoin.objects.all()}
    kept = {coin_id: record["symbol"] for coin_id, record in copy.api.records.items()}
    assert (done.returncode, last_run().verdict) == (0, Verdict.COMPLETE), done.stderr
    assert last_run().messages.splitlines()[0] == "proof: the API counts 500 records, and as many different ones came"
    assert f"Crawling listings from {copy.api.url}\n" in done.stderr
    assert stored == kept
    assert len(copy.spider.splitlines()) <= 20


@pytest.mark.parametrize("token", [KEY])
def test_a_spider_declares_its_key_in_a_line(copy: Copy, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    line = 'secret = Secret("LISTINGS_API_KEY", word="Bearer")'

    without = copy.crawl(line)
    done = copy.crawl(line, LISTINGS_API_KEY_FILE=str(tmp_path / "key"))

    assert (without.returncode, done.returncode, last_run().verdict) == (2, 0, Verdict.COMPLETE)
    assert "LISTINGS_API_KEY must be set in the environment or in .env, or LISTINGS_API_KEY_FILE" in without.stderr
    assert {request.headers["authorization"] for request in copy.api.requests} == {f"Bearer {KEY}"}
    assert KEY not in without.stderr + done.stderr


@pytest.mark.parametrize("token", [KEY])
def test_its_key_is_masked_in_whatever_is_logged(copy: Copy) -> None:
    done = copy.crawl(
        'secret = Secret("LISTINGS_API_KEY", word="Bearer")',
        'def read(self, rows): self.logger.warning("the key is %s", self.credential); return super().read(rows)',
        LISTINGS_API_KEY=KEY,
    )

    assert "the key is ***" in done.stderr
    assert KEY not in done.stderr


def test_what_is_wrong_with_a_spider_is_said_at_once(copy: Copy, tmp_path: Path) -> None:
    """Its key must not go out in the clear, for one."""
    misspelt = copy.crawl("secrets = None")
    plain = copy.crawl('url = property(lambda self: "http://listings.example/")')
    odd = copy.crawl('secret = Secret("LISTINGS_API_KEY")', LISTINGS_API_KEY="two words")
    (tmp_path / "coincrawl/spiders/listings.py").unlink()
    absent = copy.run()

    assert [done.returncode for done in (misspelt, odd, absent)] == [2, 2, 2]
    assert "listings: a spider has no secrets (did you mean secret?)" in misspelt.stderr
    assert "LISTINGS_API_KEY must be one word" in odd.stderr
    assert "The catalog has listings, and there is no such spider in SPIDER_MODULES." in absent.stderr
    assert "the source's address is http://listings.example/ and must be https://" in plain.stderr
    assert copy.api.requests == []


@pytest.mark.parametrize("token", [KEY])
def test_a_wrong_key_and_a_wrong_media_type_are_final(copy: Copy) -> None:
    line = 'secret = Secret("LISTINGS_API_KEY", word="Bearer")'

    wrong = copy.crawl(line, LISTINGS_API_KEY="wrong")
    copy.api.fault(lambda request: answers.bare(406 if request.headers["accept"] == "text/x-coins" else 500))
    unacceptable = copy.crawl(line, 'accept = "text/x-coins"', LISTINGS_API_KEY=KEY)

    assert (wrong.returncode, unacceptable.returncode, len(copy.api.requests)) == (1, 1, 2)
    assert "is the key or the token set, and right?" in wrong.stderr
    assert "does `accept` name the right media type?" in unacceptable.stderr
