"""A rejected record end to end: what a crawl keeps of it, so that it can be tried again without its spider."""

from typing import Any

import pytest
from django.test import Client

from fake_api import FakeAPI, LinkedAPI, Market
from tests.support.crawls import Crawl
from webapp.coins.models import FullCoin
from webapp.coins.texts import values_of, whole_json
from webapp.crawls.models import RejectedRecord
from webapp.crawls.retrying import Outcome, retry


def kept(coin_id: str) -> dict[str, Any]:
    """The values of this coin's rejected record."""
    values = values_of(RejectedRecord.objects.get(coin_id=coin_id).values)
    assert values is not None
    return values


def retry_with(coin_id: str, **values: Any) -> Outcome:
    """Try the coin's record again, with these values instead of the invalid ones."""
    mended = whole_json(kept(coin_id) | values)
    RejectedRecord.objects.filter(coin_id=coin_id).update(values=mended)
    (tried,) = retry([RejectedRecord.objects.get(coin_id=coin_id).pk]).values()
    return tried.outcome


@pytest.mark.every_database
def test_a_coin_is_stored_from_its_rejected_record_as_a_crawl_would_store_it(
    api: FakeAPI, crawl: Crawl, admin_client: Client
) -> None:
    crawl(api)
    sound = FullCoin.objects.filter(pk="bitcoin").values().get()
    FullCoin.objects.all().delete()
    api.market.replace("bitcoin", api.market.record("bitcoin") | {"name": "x" * 256, "roi": {"times": "many"}})
    api.market.replace("ethereum", '{"id": "ethereum", "name": "A", "name": "B"}')
    crawl(api)

    record = RejectedRecord.objects.get(coin_id="bitcoin")
    page = admin_client.get(f"/admin/crawls/rejectedrecord/{record.pk}/change/").content.decode()
    same = retry([record.pk])[record.pk]
    roi = {name: sound[name] for name in ("roi_times", "roi_currency", "roi_percentage")}
    outcome = retry_with("bitcoin", name=sound["name"], **roi)

    stored = FullCoin.objects.filter(pk="bitcoin").values().get()
    times = dict.fromkeys(("first_seen_at", "changed_at", "field_changes"))
    assert (same.outcome, same.reasons) == (Outcome.REJECTED, tuple(record.reasons.splitlines()))
    assert (outcome, stored | times) == (Outcome.STORED, sound | times)
    assert ">&quot;times&quot;: &quot;many&quot;</mark>" in page
    assert RejectedRecord.objects.get(coin_id="ethereum").values == ""  # it is unknown which name is right


def test_whether_a_coin_is_missing_is_kept_of_a_source_that_says_so(api: FakeAPI, crawl: Crawl) -> None:
    with LinkedAPI(Market(coins=300)) as linked:
        linked.market.replace("bitcoin", linked.market.record("bitcoin") | {"name": "x" * 256})
        linked.later(minutes=1)
        crawl(linked, spider="mirror")
    mirrored = kept("bitcoin")
    RejectedRecord.objects.all().delete()
    FullCoin.objects.all().delete()
    record = api.market.record("bitcoin") | {
        "name": "x" * 256,
        "missing_since": "2026-02-05T12:00:00Z",
        "sparkline": [],
    }
    api.market.replace("bitcoin", record)

    crawl(api)

    assert (mirrored["missing_since"], mirrored.keys() - {field.name for field in FullCoin.api_fields()}) == (
        None,
        {"missing_since"},
    )
    assert kept("bitcoin").keys() <= {field.name for field in FullCoin.api_fields()}
