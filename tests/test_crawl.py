"""End to end: the fake API, `scrapy crawl` as a process, the rows that it leaves and what it says of them."""

import json
from decimal import Decimal
from pathlib import Path

from django.db import connection
from django.test import Client

from tests.conftest import Crawl, last_run
from tests.fake_api import FakeAPI
from webapp.coins.models import CrawlRun, FullCoin, RejectedRecord

COUNTS = ("seen", "created", "updated", "unchanged", "stale", "duplicates", "rejected")


def outcome(run: CrawlRun) -> dict[str, int]:
    """What became of the records, without the zeros."""
    return {name: getattr(run, name) for name in COUNTS if getattr(run, name)}


# Again, newer, older, gone ---------------------------------------------------------------------------


def test_the_same_market_again_changes_nothing(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)

    crawl(api)

    assert outcome(last_run()) == {"seen": 600, "unchanged": 600}


def test_newer_data_updates_and_older_data_does_not(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    api.market.advance(5)
    crawl(api)
    newer = outcome(last_run())
    api.market.advance(-5)

    crawl(api)

    undated = sum(api.market.record(coin_id)["last_updated"] is None for coin_id in api.market.ids)
    assert newer["updated"] >= 600 - undated
    assert outcome(last_run()).get("updated", 0) <= undated


def test_a_coin_that_left_the_market_is_marked_and_one_that_returns_is_not(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    bitcoin = api.market.record("bitcoin")
    api.market.remove("bitcoin")
    crawl(api)
    gone = last_run()
    marked = list(FullCoin.objects.exclude(missing_since=None).values_list("pk", flat=True))
    api.market.add(bitcoin)

    crawl(api)

    assert (gone.verdict, gone.missing, marked) == ("complete", 1, ["bitcoin"])
    assert not FullCoin.objects.exclude(missing_since=None).exists()


def test_a_market_that_shrank_by_a_third_is_not_believed(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    for coin_id in api.market.ids[:200]:
        api.market.remove(coin_id)

    done = crawl(api)

    assert done.returncode == 3
    assert "400 coins, where the last complete run had 600" in last_run().reason
    assert not FullCoin.objects.exclude(missing_since=None).exists()


# Fields ----------------------------------------------------------------------------------------------


def test_a_field_that_the_api_adds_is_named_once_and_not_fatal(api: FakeAPI, crawl: Crawl) -> None:
    api.market.reshape(lambda record: record | {"sparkline": [1, 2]})

    done = crawl(api)

    assert done.returncode == 0
    assert "fields that the API sends and FullCoin does not have: sparkline" in last_run().messages


def test_a_field_that_the_api_drops_makes_the_run_partial(api: FakeAPI, crawl: Crawl) -> None:
    api.market.reshape(lambda record: {name: value for name, value in record.items() if name != "roi"})

    done = crawl(api)

    assert done.returncode == 3
    assert last_run().reason == "the API no longer sends roi"


def test_a_field_that_has_gone_empty_makes_the_run_partial(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    api.market.reshape(lambda record: record | {"current_price": None})

    done = crawl(api)

    assert done.returncode == 3
    assert last_run().reason == "empty in every record: current_price"


# Exactness -------------------------------------------------------------------------------------------


def test_recorded_pages_are_crawled_digit_for_digit(crawl: Crawl, tmp_path: Path) -> None:
    numbers = ["96114.0848173868", "1e-18", "0.0000000123456789012345", "21000000.0"]
    record = '{{"id": "coin-{}", "current_price": {}, "last_updated": null}}'
    coins = [record.format(place, number) for place, number in enumerate(numbers)]
    (tmp_path / "page.json").write_text(f"[{', '.join(coins)}]")

    with FakeAPI(pages=tmp_path) as api:
        crawl(api)

    stored = FullCoin.objects.order_by("pk").values_list("current_price", flat=True)
    assert list(stored) == [Decimal(number) for number in numbers]


def test_every_stored_number_is_the_one_that_was_sent(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)

    # SQLite keeps 15 significant digits.
    off_by = Decimal("1e-14") if connection.vendor == "sqlite" else 0
    for coin in FullCoin.objects.all():
        sent = json.loads(api.market.text(coin.pk), parse_float=Decimal, parse_int=Decimal)
        for name, value in sent.items():
            if isinstance(value, Decimal):
                assert abs(getattr(coin, name) - value) <= abs(value) * off_by, (coin.pk, name, value)


def test_a_feed_beside_it_has_exact_numbers(api: FakeAPI, crawl: Crawl, tmp_path: Path) -> None:
    done = crawl(api, "-O", str(tmp_path / "coins.json"), "-O", str(tmp_path / "coins.jsonl"))

    coins = json.loads((tmp_path / "coins.json").read_text(), parse_float=Decimal, parse_int=Decimal)
    lines = (tmp_path / "coins.jsonl").read_text().splitlines()
    assert (done.returncode, len(coins), len(lines)) == (0, 600, 600)
    for coin in coins:
        sent = json.loads(api.market.text(coin["coin_id"]), parse_float=Decimal, parse_int=Decimal)
        assert coin["current_price"] == sent["current_price"]
        assert coin["total_supply"] == sent["total_supply"]


def test_a_feed_has_each_coin_once(api: FakeAPI, crawl: Crawl, tmp_path: Path) -> None:
    crawl(api, "-a", "order=market_cap_desc", "-a", "per_page=50", "-O", str(tmp_path / "coins.csv"))

    header, *lines = (tmp_path / "coins.csv").read_text().splitlines()
    assert last_run().duplicates > 0
    assert len(lines) == 600
    assert header.split(",") == [field.name for field in FullCoin.api_fields()]


# Poison ----------------------------------------------------------------------------------------------

POISON: dict[str, tuple[str, str]] = {
    "no id": ('{"name": "Nameless"}', "coin_id: missing (in the record named Nameless)"),
    "empty id": ('{"id": ""}', "coin_id: empty"),
    "id that is a number": ('{"id": 17}', "coin_id: a number, not a text"),
    "id with a NUL": (r'{"id": "nu\u0000l"}', "coin_id: has a NUL character"),
    "NaN": ('{"id": "ID", "current_price": NaN}', "current_price: not a finite number"),
    "Infinity": ('{"id": "ID", "market_cap": -Infinity}', "market_cap: not a finite number"),
    "true for a number": ('{"id": "ID", "ath": true}', "ath: true, not a number"),
    "5,000 digits": ('{"id": "ID", "ath": ' + "9" * 5_000 + "}", "digits before the point"),
    "an exponent out of this world": ('{"id": "ID", "ath": 1e999999999999}', "digits before the point"),
    "too long": ('{"id": "ID", "symbol": "' + "x" * 101 + '"}', "symbol: longer than 100 characters"),
    "half a character": (r'{"id": "ID", "name": "\ud800"}', "name: has half a character"),
    "impossible date": ('{"id": "ID", "ath_date": "2025-02-30T00:00:00Z"}', "ath_date: not a possible date"),
    "rank out of range": ('{"id": "ID", "market_cap_rank": 3000000000}', "market_cap_rank: not between"),
    "no object": ('"just a text"', "record: a text, not an object"),
}


def test_poisoned_records_are_kept_with_reasons_and_all_others_stored(
    api: FakeAPI, crawl: Crawl, admin_client: Client
) -> None:
    victims = api.market.ids[100 : 100 + len(POISON)]
    for coin_id, (text, _) in zip(victims, POISON.values(), strict=True):
        api.market.replace(coin_id, text.replace("ID", coin_id))

    done = crawl(api)

    rejected = [record.reasons for record in RejectedRecord.objects.all()]
    assert FullCoin.objects.count() == 600 - len(POISON)
    assert len(rejected) == len(POISON)
    for name, (_, reason) in POISON.items():
        assert any(reason in reasons for reasons in rejected), name
    run = last_run()
    assert done.returncode == 3  # 14 of 600 are more than 1 %
    for name in ("fullcoin", "crawlrun", "rejectedrecord"):
        assert admin_client.get(f"/admin/coins/{name}/").status_code == 200
    for record in RejectedRecord.objects.all():
        assert admin_client.get(f"/admin/coins/rejectedrecord/{record.pk}/change/").status_code == 200
    assert run.seen == run.created + run.updated + run.unchanged + run.duplicates + run.rejected


def test_the_same_defect_again_is_counted_not_repeated(api: FakeAPI, crawl: Crawl) -> None:
    api.market.replace("bitcoin", '{"id": "bitcoin", "current_price": NaN}')
    crawl(api)

    crawl(api)

    record = RejectedRecord.objects.get()
    assert (record.coin_id, record.count, record.run_id) == ("bitcoin", 2, last_run().pk)
    assert '"current_price": NaN' in record.raw
