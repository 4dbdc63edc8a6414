"""Two installations: one mirrors the read API of the other, which the tests' own site serves."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.authtoken.models import Token

from tests.support.crawls import run_crawl
from tests.support.databases import migrated
from webapp.coins.models import FullCoin

IDS = [f"coin-{number:03}" for number in range(300)]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The other installation's database, which has been migrated and not been used."""
    return migrated(tmp_path / "copy.sqlite3")


def store(price: int, minutes: float = 0) -> None:
    """What a crawl of the source would, on a machine whose clock is wrong by so many minutes."""
    now = timezone.now()
    rows = [{"coin_id": coin_id, "current_price": Decimal(price), "last_updated": now} for coin_id in IDS]
    FullCoin.objects.upsert(rows, now + timedelta(minutes=minutes))


@pytest.mark.parametrize("minutes", [-20, 24 * 60], ids=["slow", "ahead for a day"])
def test_what_has_changed_is_found_whatever_the_sources_clock_says(
    copy: Path, live_server: Any, minutes: float
) -> None:
    token = Token.objects.create(user=User.objects.create_user("mirror"))
    source, prices = f"{live_server.url}/api/coins/", []

    for price, wrong_by, only in ((1, 0.0, ""), (2, minutes, "changed"), (3, 0.0, "changed")):
        store(price, wrong_by)
        arguments = ("-a", f"only={only}") if only else ()
        done = run_crawl(source, f"sqlite:///{copy}", *arguments, spider="mirror", API_TOKEN=token.key)
        assert done.returncode == 0, done.stderr
        with closing(sqlite3.connect(copy)) as database:
            prices.append(database.execute("SELECT current_price, COUNT(*) FROM coins_fullcoin GROUP BY 1").fetchall())

    assert prices == [[(1, 300)], [(2, 300)], [(3, 300)]]
