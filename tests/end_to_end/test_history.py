"""`scrapy crawl history`: past prices of the fake API, to the last digit."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from fake_api import FakeAPI, Market, answers
from fake_api.history import milliseconds
from tests.support.crawls import Crawl, Crawling, last_run, outcome
from tests.support.prices import stored_bars
from webapp.coins.models import PriceBar
from webapp.coins.prices.tiers import Step
from webapp.crawls.models import CrawlRun, RejectedRecord

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def api() -> Iterator[FakeAPI]:
    """A market of 20 coins, now."""
    with FakeAPI(Market(coins=20, start=datetime.now(UTC))) as fake:
        yield fake


def chart(coin_id: str) -> str:
    return f"/coins/{coin_id}/market_chart"


@pytest.mark.every_database
def test_past_prices_are_those_of_the_api(api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api, "-a", "ids=bitcoin,tether", "-a", "days=3", spider="history")

    assert done.returncode == 0, done.stderr
    run, bars = last_run(), stored_bars(Step.HOUR)
    assert (run.verdict, run.pages, run.credits) == ("complete", 2, 2)
    assert outcome(run) == {"seen": len(bars), "created": len(bars)}
    assert {coin_id for coin_id, _ in bars} == {"bitcoin", "tether"}
    assert len(bars) >= 2 * 71
    for (coin_id, start), bar in bars.items():
        assert start <= bar.last_at < start + HOUR
        values = (api.market.price_at, api.market.market_cap_at, api.market.volume_at)
        expected = [Decimal(value(coin_id, bar.last_at) or "NaN") for value in values]
        assert [bar.close, bar.market_cap, bar.volume] == expected
        assert (bar.open, bar.high, bar.low, bar.observations) == (bar.close, bar.close, bar.close, 0)


def test_each_number_of_days_makes_the_bars_that_come(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api, "-a", "ids=bitcoin", "-a", "days=1", spider="history")
    of_minutes = set(stored_bars(Step.HOUR).values())
    crawl(api, "-a", "ids=ethereum", "-a", "days=91", spider="history")

    days = {time for coin_id, time in stored_bars(Step.DAY) if coin_id == "ethereum"}
    assert 23 <= len(of_minutes) <= 24
    assert sum(bar.low < bar.high for bar in of_minutes) > 12
    assert 90 <= len(days) <= 91
    assert not any(coin_id == "ethereum" for coin_id, _ in stored_bars(Step.HOUR))


def test_one_coin_that_fails_is_not_the_others(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.SERVER_ERROR, path=chart("bitcoin"), times=math.inf)
    api.market.chart("ethereum", {"prices": [], "market_caps": [], "total_volumes": []})
    earlier, later = (milliseconds(api.market.now - hours * HOUR) for hours in (3, 2))
    api.market.chart("tether", {"prices": [[earlier, 1.5], [later, "x"]], "market_caps": [], "total_volumes": []})

    done = crawl(
        api, "-a", "ids=bitcoin,ethereum,tether,weth,no-such/coin", spider="history", RETRY_BACKOFF_BASE="0.01"
    )

    run, record = last_run(), RejectedRecord.objects.get()
    assert done.returncode == 3
    assert run.reason == "the chart of bitcoin stayed broken: status 500"
    assert "not known to the API: no-such/coin" in run.messages
    assert "without prices in this time: ethereum" in run.messages
    assert (record.coin_id, record.raw) == ("tether", f'[[{later}, "x", null, null]]')
    assert record.reasons == "price: a text, not a number"
    assert {coin_id for coin_id, _ in stored_bars(Step.HOUR)} == {"tether", "weth"}
    assert f"{api.url}/coins/no-such%2Fcoin/market_chart" in {f"{api.url}{request.path}" for request in api.requests}


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (("ids=bitcoin", "days=366"), 1, "this plan has the last 365 days only: give fewer days"),
        (("ids=nonsense",), 3, "the API knows none of these coins"),
    ],
    ids=["more than the plan has", "no coin that it knows"],
)
def test_what_the_api_refuses_is_said(
    arguments: tuple[str, ...], status: int, reason: str, api: FakeAPI, crawl: Crawl
) -> None:
    done = crawl(api, *(word for argument in arguments for word in ("-a", argument)), spider="history")

    assert done.returncode == status
    assert reason in last_run().reason


def test_a_run_that_finds_no_coin_at_all_gives_up(api: FakeAPI, crawl: Crawl) -> None:
    ids = ",".join(f"no-{number}" for number in range(40))

    done = crawl(api, "-a", f"ids={ids}", spider="history")

    assert done.returncode == 1
    assert last_run().reason == "the API knows none of the first coins: check the ids and BASE_API_URL"
    assert len(api.requests) < 30


def test_a_database_without_coins_has_none_to_ask_for(api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api, "-a", "top=5", spider="history")

    assert done.returncode == 1
    assert "the database has no coins: crawl them first, with `scrapy crawl markets`" in done.stderr


def test_a_run_for_which_there_are_too_few_credits_asks_for_nothing(api: FakeAPI, crawl: Crawl) -> None:
    CrawlRun.objects.create(spider="markets", started_at=datetime.now(UTC), credits=8, verdict="complete")

    done = crawl(api, "-a", "ids=bitcoin,ethereum,tether", spider="history", COINGECKO_MONTHLY_CREDITS="10")

    assert done.returncode == 75
    assert last_run().reason.endswith("8 of 10 credits of this month (UTC) are spent, and such a run takes about 3")
    assert api.requests == []


def test_a_run_that_was_killed_goes_on_where_it_was(api: FakeAPI, crawl: Crawl, crawling: Crawling) -> None:
    arguments = ("-a", "ids=bitcoin,ethereum,tether,weth", "-a", "days=2")
    api.fault(answers.HANGS, path=chart("tether"))
    with crawling(api, *arguments, spider="history") as process:
        api.wait_for(requests=4)
        while {*PriceBar.objects.values_list("series__coin_id", flat=True)} != {"bitcoin", "ethereum", "weth"}:
            assert process.poll() is None
        process.kill()
        process.end()
    CrawlRun.objects.update(heartbeat_at=datetime.now(UTC) - HOUR)

    done = crawl(api, *arguments, spider="history")

    assert done.returncode == 0, done.stderr
    assert [request.path for request in api.requests[4:]] == [chart("tether")]
    assert "coins that an unfinished run had asked for: 3" in last_run().messages
    assert [run.verdict for run in CrawlRun.objects.order_by("started_at")] == ["lost", "complete"]


def test_a_feed_has_an_object_for_each_coin(api: FakeAPI, crawl: Crawl, tmp_path: Path) -> None:
    crawl(api, "-a", "ids=bitcoin", "-a", "days=2", "-O", f"{tmp_path}/prices.json", spider="history")

    (coin,) = json.loads((tmp_path / "prices.json").read_text(), parse_float=Decimal, parse_int=Decimal)
    assert (coin["coin_id"], coin["step"]) == ("bitcoin", "hour")
    stored = {time.isoformat(): bar.close for (_, time), bar in stored_bars(Step.HOUR).items()}
    assert {bar["time"]: bar["close"] for bar in coin["bars"]} == stored


def test_a_feed_without_lists_is_rejected_before_anything_is_asked_for(
    api: FakeAPI, crawl: Crawl, tmp_path: Path
) -> None:
    done = crawl(api, "-a", "ids=bitcoin", "-O", f"{tmp_path}/prices.csv", spider="history")

    assert done.returncode == 2
    assert done.stderr.endswith("prices.csv: history can only be written as json, jsonlines, jsonl, jl.\n")
    assert api.requests == []


def test_without_any_gap_nothing_is_asked_for(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    asked = len(api.requests)

    done = crawl(api, "-a", "only=gaps", spider="history")

    assert done.returncode == 0, done.stderr
    assert len(api.requests) == asked
    assert (last_run().verdict, last_run().messages) == ("complete", "proof: nothing was missing")
