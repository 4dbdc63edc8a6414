"""The README's example of a new spider, built as it is written there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import PATIENCE, ROOT, last_run
from tests.fake_api import LinkedAPI, Market
from tests.fake_api.records import Record
from webapp.coins.models import FullCoin, Verdict

THEIRS = {"slug": "coin_id", "ticker": "symbol", "name": "name", "price": "current_price", "updated": "last_updated"}
SPIDERS = "SPIDERS: Mapping[str, SpiderEntry] = {\n"


def listing(record: Record) -> Record:
    """One of our records as that API would write it."""
    return {name: record[ours] for name, ours in THEIRS.items()}


def block(readme: str, after: str) -> str:
    """The README's first block of code after these words, as it is to be copied."""
    lines = re.search(r"\n\n((?: {4}.*\n|\n)+)", readme[readme.index(after) :])
    assert lines
    return re.sub(r"^ {4}", "", lines[1], flags=re.MULTILINE).strip() + "\n"


def test_the_example_of_a_new_spider_crawls_its_api(tmp_path: Path, database_url: str) -> None:
    readme = (ROOT / "README.md").read_text()
    for folder in ("coincrawl", "webapp"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "scrapy.cfg", tmp_path)
    catalog = tmp_path / "webapp/coins/catalog.py"
    with LinkedAPI(
        Market(coins=500),
        rows_at=("data", "items"),
        link_at=("links", "next"),
        count_at=("meta", "total"),
        record=listing,
        form="path",
    ) as api:
        spider = block(readme, "`coincrawl/spiders/listings.py`").replace("https://listings.example/v1/coins/", api.url)
        (tmp_path / "coincrawl/spiders/listings.py").write_text(spider)
        entry = block(readme, "`SPIDERS` in `webapp/coins/catalog.py`")
        catalog.write_text(catalog.read_text().replace(SPIDERS, SPIDERS + entry))
        done = subprocess.run(
            [sys.executable, "-m", *block(readme, "Then it crawls").split()],
            cwd=tmp_path,
            env=os.environ | {"DATABASE_URL": database_url},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

        stored = {coin.pk: coin.symbol for coin in FullCoin.objects.all()}
        kept = {coin_id: record["symbol"] for coin_id, record in api.records.items()}

    assert (done.returncode, last_run().verdict) == (0, Verdict.COMPLETE), done.stderr
    assert last_run().messages == "proof: the API counts 500 records, and as many different ones came"
    assert stored == kept
    assert len(spider.splitlines()) <= 20
    assert api.url in spider
