"""End to end: the fake API, `scrapy crawl` as a process, the rows that it leaves and what it says of them."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client

from fake_api import FakeAPI
from fake_api.coins import in_july
from tests.support.crawls import Crawl, last_run, outcome
from tests.support.databases import administer
from webapp.coins.models import FullCoin
from webapp.crawls.models import RejectedRecord

# A key that appears twice in a record ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [((), ""), (("-a", "ids=bitcoin,ethereum,tether"), "2 of 5 records were rejected")],
    ids=["whole", "ids"],
)
def test_a_record_with_two_ids_is_rejected_and_counts_for_neither_coin(
    arguments: tuple[str, ...], reason: str, api: FakeAPI, crawl: Crawl
) -> None:
    crawl(api)
    api.market.replace("bitcoin", '{"id": "bitcoin", "id": "other", "name": "Two"}')
    api.market.replace("ethereum", '{"id": "ethereum", "name": "A", "roi": {"times": 1.50, "times": 2}}')

    crawl(api, *arguments)

    rejected = dict(RejectedRecord.objects.values_list("reasons", "coin_id"))
    raw = RejectedRecord.objects.values_list("raw", flat=True)
    assert (last_run().reason, last_run().rejected) == (reason, 2)
    assert rejected == {
        "record: the key id appears twice (in the record named Two)": "",
        "record: the key roi.times appears twice": "ethereum",
    }
    assert '{"id": "bitcoin", "id": "other", "name": "Two"}' in raw
    assert not FullCoin.objects.filter(pk__in=["bitcoin", "ethereum"]).exclude(missing_since=None).exists()


# Again, newer, older, gone ---------------------------------------------------------------------------


@pytest.mark.every_database
def test_the_same_market_again_changes_nothing(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)

    crawl(api)

    assert outcome(last_run()) == {"seen": 600, "unchanged": 600}


@pytest.mark.every_database
def test_newer_data_updates_and_older_data_is_stale_for_ten_minutes(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    api.market.advance(5)
    crawl(api)
    newer = outcome(last_run())
    api.market.advance(-5)

    done = crawl(api)

    assert newer == {"seen": 600, "updated": 600}
    assert outcome(last_run()) == {"seen": 600, "stale": 600}
    assert "600 coins went back in time" in last_run().messages
    assert "0 stored, 600 ignored as stale" in last_run().messages
    assert "600 stale" in done.stderr


def as_sent(api: FakeAPI) -> dict[str, Any]:
    """By coin, what the API sends of it, as far as a record in FullCoin's names says it."""
    sent = {
        coin_id: json.loads(api.market.text(coin_id), parse_float=Decimal, parse_int=Decimal)
        for coin_id in api.market.ids
    }
    names = ("name", "current_price", "market_cap_rank", "market_cap_rank_with_rehypothecated", "total_supply")
    dates = ("last_updated", "ath_date", "atl_date")
    return {
        coin_id: {name: record[name] for name in names}
        | {name: record[name] and datetime.fromisoformat(record[name]) for name in dates}
        for coin_id, record in sent.items()
    }


def as_stored(api: FakeAPI) -> dict[str, Any]:
    names = next(iter(as_sent(api).values()))
    return {coin.pk: {name: getattr(coin, name) for name in names} for coin in FullCoin.objects.all()}


def test_no_coin_freezes_where_the_source_changes_its_dates_and_its_clock(api: FakeAPI, crawl: Crawl) -> None:
    """In July 2026 CoinGecko began to send whole seconds; one coin comes from the year 2126."""
    future = api.market.record("bitcoin") | {"last_updated": "2126-06-20T10:00:00.000Z"}
    api.market.replace("bitcoin", future)
    crawl(api)
    api.market.reshape(lambda record: in_july(record) | {"name": "July"})
    api.market.replace("bitcoin", in_july(future | {"last_updated": "2026-06-20T10:00:00.558Z", "name": "July"}))
    crawl(api)
    soon = last_run()
    FullCoin.objects.update(changed_at=F("changed_at") - timedelta(minutes=10))

    crawl(api)

    later = last_run()
    assert (soon.verdict, soon.updated + soon.stale, soon.stale > 1) == ("complete", 600, True)
    assert (later.verdict, later.updated, later.unchanged) == ("complete", soon.stale, soon.updated)
    assert f"{soon.stale} coins went back in time" in later.messages
    assert f"{soon.stale} stored, 0 ignored" in later.messages
    assert as_stored(api) == as_sent(api)


@pytest.mark.every_database
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
    assert "400 coins, but the last complete run had 600" in last_run().reason
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
    assert last_run().reason == "the API does not send roi"


def test_fields_that_have_gone_empty_or_nearly_so_make_the_run_partial(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    first = last_run()
    api.market.reshape(
        lambda record: record | {"current_price": None} | ({} if record["id"] == "bitcoin" else {"ath": None})
    )

    done = crawl(api)

    share = 100 * first.shares["ath"]
    assert done.returncode == 3
    assert last_run().reason == (
        f"empty in every record: current_price; nearly empty: ath (in 1 of 600 records, {share:.3g} % before)"
    )


def test_a_field_that_the_api_renames_keeps_its_stored_values(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    prices = dict(FullCoin.objects.values_list("pk", "current_price"))
    api.market.advance(5)
    api.market.reshape(lambda record: {("price" if name == "current_price" else name): record[name] for name in record})

    done = crawl(api)

    run = last_run()
    assert (done.returncode, run.updated) == (3, 600)
    assert run.reason == "the API does not send current_price"
    assert dict(FullCoin.objects.values_list("pk", "current_price")) == prices
    assert "missing from whole pages, so the stored values were kept: current_price (600 records)" in run.messages
    assert done.stderr.count("no record has current_price, so the stored values are kept") == 1


def test_fields_that_are_optional_may_go(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    api.market.reshape(lambda record: {k: v for k, v in record.items() if k != "roi"} | {"ath": None})

    done = crawl(api, OPTIONAL_FIELDS="roi_times, roi_currency,roi_percentage,ath")
    misspelt = crawl(api, OPTIONAL_FIELDS="ath,roi")

    assert (done.returncode, last_run().verdict) == (0, "complete")
    assert misspelt.returncode == 1
    assert misspelt.stderr.strip() == (
        "OPTIONAL_FIELDS must be names of a coin's fields with commas between them, and not 'roi'."
    )


@pytest.mark.parametrize(("per_page", "batch"), [(50, "1000"), (250, "70")])
def test_a_field_that_some_pages_do_not_have_keeps_its_stored_values(
    per_page: int, batch: str, api: FakeAPI, crawl: Crawl
) -> None:
    """However large the batches are. On a page that has it, a record without it has no value."""
    arguments = ("-a", f"per_page={per_page}", "-s", f"BATCH_SIZE={batch}")
    name, ids = "current_price", api.market.ids
    crawl(api, *arguments)
    prices = dict(FullCoin.objects.values_list("pk", name))
    api.market.advance(5)
    api.market.reshape(
        lambda record: record if record["id"] < ids[250] else {k: record[k] for k in record if k != name}
    )
    api.market.replace(ids[1], {k: v for k, v in api.market.record(ids[1]).items() if k != name})

    crawl(api, *arguments)

    stored = dict(FullCoin.objects.values_list("pk", name))
    assert {coin_id: stored[coin_id] for coin_id in ids[250:]} == {coin_id: prices[coin_id] for coin_id in ids[250:]}
    assert stored[ids[1]] is None
    assert [coin_id for coin_id in ids[:250] if stored[coin_id] == prices[coin_id] is not None] == []
    assert last_run().updated == 600
    assert (last_run().verdict, last_run().reason) == (
        "partial",
        "missing from whole pages: current_price (350 of 600 records)",
    )


# Exactness -------------------------------------------------------------------------------------------


@pytest.mark.every_database
def test_recorded_pages_are_crawled_digit_for_digit(crawl: Crawl, tmp_path: Path) -> None:
    numbers = ["96114.08481738689", "1e-18", "1.234567890123456e-08", "21000000.0", "123456789012345670", "1e+25"]
    record = '{{"id": "coin-{}", "current_price": {}, "last_updated": null}}'
    coins = [record.format(place, number) for place, number in enumerate(numbers)]
    (tmp_path / "page.json").write_text(f"[{', '.join(coins)}]")

    with FakeAPI(pages=tmp_path) as api:
        crawl(api)

    stored = FullCoin.objects.order_by("pk").values_list("current_price", flat=True)
    assert list(stored) == [Decimal(number) for number in numbers]


@pytest.mark.every_database
def test_every_stored_number_is_the_one_that_was_sent(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)

    for coin in FullCoin.objects.all():
        sent = json.loads(api.market.text(coin.pk), parse_float=Decimal, parse_int=Decimal)
        for name, value in sent.items():
            if isinstance(value, Decimal):
                assert getattr(coin, name) == value, (coin.pk, name, value)


def test_feeds_beside_it_have_exact_numbers(api: FakeAPI, crawl: Crawl, tmp_path: Path) -> None:
    forms = ("json", "jsonl", "csv", "xml", "pickle", "marshal")

    done = crawl(api, *(option for form in forms for option in ("-O", str(tmp_path / f"coins.{form}"))))

    coins = json.loads((tmp_path / "coins.json").read_text(), parse_float=Decimal, parse_int=Decimal)
    lines = (tmp_path / "coins.jsonl").read_text().splitlines()
    assert (done.returncode, len(coins), len(lines)) == (0, 600, 600)
    assert all((tmp_path / f"coins.{form}").stat().st_size > 100_000 for form in forms)
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


def test_a_field_that_few_installations_have_is_stored_where_it_comes(api: FakeAPI, crawl: Crawl) -> None:
    name = "market_cap_rank_with_rehypothecated"

    crawl(api)

    ranks = dict(FullCoin.objects.filter(pk__in=["tether", "weth"]).values_list("pk", name))
    assert (last_run().verdict, ranks) == ("complete", {"tether": 3, "weth": 4})
    api.market.reshape(lambda record: {field: value for field, value in record.items() if field != name})
    crawl(api)
    assert last_run().reason == f"the API does not send {name}"


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


@pytest.mark.every_database
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
    for name in ("coins/fullcoin", "crawls/crawlrun", "crawls/rejectedrecord"):
        assert admin_client.get(f"/admin/{name}/").status_code == 200
    for record in RejectedRecord.objects.all():
        assert admin_client.get(f"/admin/crawls/rejectedrecord/{record.pk}/change/").status_code == 200
    assert run.seen == run.created + run.updated + run.unchanged + run.stale + run.duplicates + run.rejected


def test_a_defect_is_counted_once_a_run_and_resolved_when_it_is_mended(api: FakeAPI, crawl: Crawl) -> None:
    """A record without an id is asked for again, three times in all: by its page and by `ids=`."""
    sound = api.market.text("ethereum")
    api.market.replace("bitcoin", '{"id": "bitcoin", "current_price": NaN}')
    api.market.replace("ethereum", '{"id": null, "name": "Ethereum"}')
    crawl(api)
    first = outcome(last_run())
    crawl(api)
    records = {record.coin_id: record for record in RejectedRecord.objects.all()}
    counted, raw, runs = (
        {key: record.count for key, record in records.items()},
        records["bitcoin"].raw,
        {record.run_id for record in records.values()},
    )
    second = last_run()
    api.market.replace("bitcoin", '{"id": "bitcoin", "current_price": 1}')
    api.market.replace("ethereum", sound)

    crawl(api)

    assert first == {"seen": 602, "created": 598, "duplicates": 2, "rejected": 2}
    assert (second.verdict, second.rejected, counted, runs) == ("complete", 2, {"bitcoin": 2, "": 2}, {second.pk})
    assert '"current_price": NaN' in raw
    assert (last_run().verdict, outcome(last_run())) == ("complete", {"seen": 600, "created": 2, "unchanged": 598})
    assert set(RejectedRecord.objects.values_list("coin_id", "status")) == {("bitcoin", "resolved"), ("", "resolved")}


@pytest.mark.postgresql
def test_a_database_may_prefer_other_formats_of_dates(api: FakeAPI, crawl: Crawl, database_url: str) -> None:
    name = urlsplit(database_url).path[1:]
    try:
        administer(
            f"""ALTER DATABASE "{name}" SET datestyle = 'German, DMY'""",
            f"""ALTER DATABASE "{name}" SET intervalstyle = 'iso_8601'""",
        )
        connection.close()
        first, again = crawl(api), crawl(api)
        latest = FullCoin.objects.latest("last_updated").last_updated
        with connection.cursor() as cursor:
            cursor.execute("SELECT interval '90 minutes'")
            (duration,) = cursor.fetchone()
    finally:
        administer(f'ALTER DATABASE "{name}" RESET ALL')
        connection.close()

    assert (first.returncode, again.returncode, duration) == (0, 0, timedelta(minutes=90))
    assert outcome(last_run()) == {"seen": 600, "unchanged": 600}
    assert latest == max(date for sent in as_sent(api).values() if (date := sent["last_updated"]))
