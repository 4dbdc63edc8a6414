"""A mirror end to end: what `scrapy crawl mirror` makes of a source that changes."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import models

from tests.conftest import Crawl, last_run
from tests.fake_api import LinkedAPI, Market
from tests.fake_api.coins import START
from tests.fake_api.linked import ODD_QUERY
from tests.test_crawl import outcome
from webapp.coins.models import FullCoin

CHANGED = ("-a", "only=changed")


def differences(api: LinkedAPI) -> list[tuple[str, str, Any, Any]]:
    """Coin, field, stored and sent value, wherever the copy is not the source's."""
    names = [*(field.name for field in FullCoin.api_fields()), "missing_since"]
    coins = FullCoin.objects.in_bulk()
    assert coins.keys() >= api.records.keys()
    pairs = [
        (coin_id, name, getattr(coins[coin_id], name), value(name, record[name]))
        for coin_id, record in api.records.items()
        for name in names
    ]
    return [pair for pair in pairs if pair[2] != pair[3]]


def value(name: str, sent: Any) -> Any:
    field = FullCoin._meta.get_field(name)
    if sent is None:
        return None
    if isinstance(field, models.DecimalField):
        return Decimal(sent)
    return datetime.fromisoformat(sent) if isinstance(field, models.DateTimeField) else sent


@pytest.fixture
def market() -> Market:
    return Market(coins=600)


def test_a_copy_is_equal_in_every_field(market: Market, crawl: Crawl) -> None:
    with LinkedAPI(market, max_page_size=250, query=ODD_QUERY) as api:
        done = crawl(api, spider="mirror")

    assert (done.returncode, last_run().verdict, last_run().messages) == (0, "complete", "")
    assert outcome(last_run()) == {"seen": 600, "created": 600}
    assert differences(api) == []
    assert len(api.targets) == 3
    assert api.targets[1:] == api.linked


def test_what_changes_leaves_or_is_gone_at_the_source_does_so_here(market: Market, crawl: Crawl) -> None:
    left, forgotten, *_ = market.ids
    text = market.text(left)
    with LinkedAPI(market) as api:
        crawl(api, spider="mirror")
        api.later(minutes=60)
        market.replace("tether", market.record("tether") | {"name": "Tether 2"})
        market.remove(left)
        api.forget(forgotten)
        done = crawl(api, spider="mirror")
        run, differing = last_run(), differences(api)
        missing = dict(FullCoin.objects.exclude(missing_since=None).values_list("pk", "missing_since"))
        market.add(text)

        crawl(api, spider="mirror")

    assert (done.returncode, differing) == (0, [])
    assert outcome(run) == {"seen": 599, "updated": 1, "unchanged": 598}
    assert run.missing == 2
    assert missing.keys() == {left, forgotten}
    assert missing[left] == START + timedelta(minutes=60)
    assert list(FullCoin.objects.exclude(missing_since=None)) == [FullCoin.objects.get(pk=forgotten)]


# Changes alone ---------------------------------------------------------------------------------------


def test_changes_are_asked_for_from_ten_minutes_before_the_newest_that_is_known(market: Market, crawl: Crawl) -> None:
    left, forgotten, *_ = market.ids
    with LinkedAPI(market) as api:
        api.later(minutes=60)
        market.replace("bitcoin", market.record("bitcoin") | {"name": "Bitcoin 2"})
        crawl(api, spider="mirror")
        api.later(minutes=60)
        market.replace("tether", market.record("tether") | {"name": "Tether 2"})
        market.remove(left)
        api.forget(forgotten)
        done = crawl(api, *CHANGED, spider="mirror")
        run = last_run()

        crawl(api, *CHANGED, spider="mirror")

    asked = [request.params.get("changed_since") for request in api.requests]
    assert (done.returncode, run.verdict) == (0, "complete")
    assert asked == [None, "2026-02-05T12:50:00.000000Z", "2026-02-05T13:50:00.000000Z"]
    assert outcome(run) == {"seen": 3, "updated": 1, "unchanged": 2}
    assert outcome(last_run()) == {"seen": 2, "unchanged": 2}
    assert last_run().verdict == "complete"  # with fewer coins than the run before, which says nothing here
    assert differences(api) == []
    assert list(FullCoin.objects.exclude(missing_since=None)) == [FullCoin.objects.get(pk=left)]
