"""A mirror end to end: what `scrapy crawl mirror` makes of a source that changes."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import models
from django.db.models import F

from fake_api import LinkedAPI, Market
from fake_api.coins import START
from fake_api.linked import ODD_QUERY
from tests.support.crawls import Crawl, last_run, outcome
from webapp.coins.models import FullCoin

CHANGED = ("-a", "only=changed")


def an_hour_later(api: LinkedAPI, coin_id: str, **values: Any) -> None:
    """The market has other values of a coin, and the source takes them over."""
    api.later(minutes=60)
    api.market.replace(coin_id, api.market.record(coin_id) | values)


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


@pytest.mark.every_database
def test_a_copy_is_equal_in_every_field(market: Market, crawl: Crawl) -> None:
    with LinkedAPI(market, max_page_size=250, query=ODD_QUERY) as api:
        done = crawl(api, spider="mirror")

    assert (done.returncode, last_run().verdict) == (0, "complete")
    assert last_run().messages == "proof: the API counts 600 records, and as many different ones came"
    assert outcome(last_run()) == {"seen": 600, "created": 600}
    assert differences(api) == []
    assert len(api.targets) == 3
    assert api.targets[1:] == api.linked


@pytest.mark.every_database
def test_what_changes_leaves_or_is_gone_at_the_source_does_so_here(market: Market, crawl: Crawl) -> None:
    left, forgotten, *_ = market.ids
    text = market.text(left)
    with LinkedAPI(market) as api:
        crawl(api, spider="mirror")
        an_hour_later(api, "tether", name="Tether 2")
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


@pytest.mark.every_database
def test_changes_are_asked_for_from_ten_minutes_before_the_newest_that_is_known(market: Market, crawl: Crawl) -> None:
    left, forgotten, *_ = market.ids
    with LinkedAPI(market) as api:
        an_hour_later(api, "bitcoin", name="Bitcoin 2")
        crawl(api, spider="mirror")
        an_hour_later(api, "tether", name="Tether 2")
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


def test_what_was_stale_is_asked_for_until_it_is_stored(market: Market, crawl: Crawl) -> None:
    """However long that takes: a clock may have been wrong when the coin was stored."""
    with LinkedAPI(market) as api:
        crawl(api, spider="mirror")
        an_hour_later(api, "tether", last_updated="2026-02-05T10:00:00.000Z")
        crawl(api, *CHANGED, spider="mirror")
        stale = outcome(last_run()).get("stale")
        for _ in range(2):
            an_hour_later(api, "bitcoin", symbol=str(api.now))
            crawl(api, *CHANGED, spider="mirror")
        FullCoin.objects.update(changed_at=F("changed_at") - timedelta(minutes=10))

        crawl(api, *CHANGED, spider="mirror")
        stored = outcome(last_run())
        crawl(api, *CHANGED, spider="mirror")

    assert (stale, stored["updated"]) == (1, 1)
    assert differences(api) == []
    assert outcome(last_run()) == {"seen": 1, "unchanged": 1}


def test_a_change_in_the_future_keeps_no_later_one_back(market: Market, crawl: Crawl) -> None:
    """As a source may have one whose clock was once wrong and which dates its changes by its clock alone."""

    def record(usual: dict[str, Any]) -> dict[str, Any]:
        return usual | ({"changed_at": "2126-02-05T12:00:00Z"} if usual["coin_id"] == "bitcoin" else {})

    with LinkedAPI(market, record=record) as api:
        api.later(minutes=(datetime.now(UTC) - START) // timedelta(minutes=1))
        crawl(api, spider="mirror")
        market.replace("tether", market.record("tether") | {"name": "Tether 2"})

        crawl(api, *CHANGED, spider="mirror")

    assert differences(api) == []


def test_a_field_that_empties_among_what_has_changed_makes_the_run_partial(market: Market, crawl: Crawl) -> None:
    with LinkedAPI(market) as api:
        crawl(api, spider="mirror")
        api.later(minutes=60)
        market.reshape(lambda record: record | {"current_price": None})

        done = crawl(api, *CHANGED, spider="mirror")

    assert (done.returncode, last_run().reason) == (3, "empty in every record: current_price")


def test_a_few_changes_need_not_be_like_all_others(market: Market, crawl: Crawl) -> None:
    """New coins often have no price yet."""
    with LinkedAPI(market) as api:
        crawl(api, spider="mirror")
        an_hour_later(api, "tether", name="Tether 2")
        crawl(api, *CHANGED, spider="mirror")
        api.later(minutes=60)
        for coin_id in market.ids[:20]:
            market.replace(coin_id, market.record(coin_id) | {"current_price": None})

        done = crawl(api, *CHANGED, spider="mirror")

    assert (done.returncode, last_run().verdict, last_run().seen) == (0, "complete", 21)
