"""A site on which each page of the admin has something to show: ordinary values, long ones and hostile ones."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, User
from rest_framework.authtoken.models import Token, TokenProxy

from tests.support.admin import page_of
from tests.support.factories import DAY, HOUR, MINUTE, make_coin, make_node, make_rejected, make_run_of, make_schedule
from webapp.coins.models import NamedView, PriceBar, PriceSeries
from webapp.coins.prices.tiers import Step
from webapp.coins.texts import whole_json
from webapp.crawls.models import CrawlRun, CrawlSchedule
from webapp.crawls.models.run import RECORDS
from webapp.crawls.verdict import Verdict

LOG = """\
2026-02-05 12:00:00 [scrapy.core.engine] INFO: Spider opened
2026-02-05 12:00:01 [coincrawl] WARNING: page 7 was throttled
2026-02-05 12:00:02 [scrapy.core.scraper] ERROR: Spider error
  | Traceback (most recent call last):
2026-02-05 12:00:03 [scrapy.core.engine] DEBUG: Crawled (200) <GET https://api.example/coins/markets?page=7>
2026-02-05 12:00:04 [scrapy.core.engine] INFO: Spider closed"""
LONG = "x" * 255
PATH = "a/b/../c?d=e"
COLUMNS = "coin,current_price,market_cap,ath,atl,roi_times,last_updated,first_seen_at,total_supply,max_supply,name"


def fill_site(now: datetime) -> dict[str, str]:
    """Fill the database; by name, the addresses of the admin's pages."""
    make_market(now)
    schedule = make_schedule("The whole market", arguments={}, crontab="0 */6 * * *", next_run_at=now + 2 * HOUR)
    make_schedule("x" * 100, spider="mirror", arguments={"order": "sideways"}, crontab="*/5 * * * *")
    make_node("berlin-1", heartbeat_at=now)
    make_node(LONG, heartbeat_at=now - DAY)
    runs = make_runs(schedule, now)
    sent = {"coin_id": LONG, "name": "x" * 5_000, "roi_times": "<script>alert(1)</script>", "ath": 7}
    raw = whole_json({"id": LONG, "name": "x" * 5_000, "roi": {"times": sent["roi_times"]}, "ath": 7})
    reasons = "name: longer than 255 characters\nroi_times: a text, not a number"
    record = make_rejected(LONG, run=runs["complete"], values=whole_json(sent), raw=raw, reasons=reasons)
    make_rejected("dust", run=runs["complete"], reasons="symbol: longer than 100 characters")
    ada = User.objects.create_user("ada", first_name="Ada", is_staff=True)
    token = Token.objects.create(user=ada)
    view = {"slug": "unranked", "name": "Unranked", "query": "rank=unranked&q=o"}
    NamedView.objects.create(list="coins.fullcoin", made_by=ada, **view)
    coins, crawls = "/admin/coins/fullcoin/", "/admin/crawls/"
    return {
        "front page": "/admin/",
        "application": crawls,
        "coins": coins,
        "coins, a view": f"{coins}views/unranked/",
        "coins, many columns": f"{coins}?columns={COLUMNS}",
        "coins, none, by an invalid range": f"{coins}?q=nothing-like-it&current_price_min=abc",
        "coin": f"{coins}bitcoin/change/",
        "coin, 30 days": f"{coins}bitcoin/change/?range=30d&scale=log",
        "coin without prices": f"{coins}{quote(PATH)}/change/",
        "coin with long texts": f"{coins}{LONG}/change/",
        "columns": f"{coins}columns/",
        "export": f"{coins}export/",
        "export of prices": f"{coins}bitcoin/prices/export/",
        "runs": f"{crawls}crawlrun/",
        **{f"run, {verdict}": page_of(runs[verdict]) for verdict in ("pending", "running", "complete", "failed")},
        "history of a run": page_of(runs["complete"]).replace("/change/", "/history/"),
        "rejected records": f"{crawls}rejectedrecord/",
        "rejected record": page_of(record),
        "reasons": f"{crawls}rejectedrecord/reasons/",
        "schedules": f"{crawls}crawlschedule/",
        "schedule": page_of(schedule),
        "schedule, new": f"{crawls}crawlschedule/add/",
        "schedule, deleted": page_of(schedule).replace("/change/", "/delete/"),
        "nodes": f"{crawls}node/",
        "tokens": "/admin/authtoken/tokenproxy/",
        "token": page_of(TokenProxy.objects.get(pk=token.pk)),
        "users": "/admin/auth/user/",
        "user": page_of(ada),
        "groups": "/admin/auth/group/",
        "group": page_of(Group.objects.get_or_create(name="Viewer")[0]),
        "password": "/admin/password_change/",
    }


def make_market(now: datetime) -> None:
    make_coin(
        "bitcoin",
        name="Bitcoin",
        symbol="btc",
        market_cap_rank=1,
        current_price=Decimal("96114.0848"),
        market_cap=Decimal(1_900_123_456_789),
        total_volume=Decimal(180_897_443_786),
        price_change_percentage_24h=Decimal("-7.72911"),
        ath=Decimal("126080.123456"),
        ath_date=now - 90 * DAY,
        last_updated=now - 3 * MINUTE,
        first_seen_at=now - 40 * DAY,
    )
    dust = {"current_price": Decimal("0.0000001"), "price_change_percentage_24h": Decimal("7.7")}
    make_coin("dust", name="Dust", symbol="dst", market_cap_rank=900, last_updated=now, **dust)
    make_coin(PATH, name="<script>alert(1)</script>", atl_change_percentage=Decimal("3.2E+46"), missing_since=now)
    make_coin("gold", name="الذهب \u202eالرقمي", symbol="ذهب", total_supply=Decimal(10) ** 25)
    long = {"name": LONG, "symbol": "x" * 100, "image": f"https://pictures.example/{'x' * 400}"}
    make_coin(LONG, current_price=Decimal("1e29"), market_cap=Decimal("1e29"), **long)
    series = PriceSeries.objects.create(coin_id="bitcoin")
    hours = [hour for hour in range(1, 30 * 24) if not 100 < hour < 130]  # in between is a gap
    PriceBar.objects.bulk_create(bar_of(series, Step.HOUR.start(now) - hour * HOUR, hour) for hour in hours)


def bar_of(series: PriceSeries, time: datetime, number: int) -> PriceBar:
    close = Decimal(90_000 + 37 * (number % 100))
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    facts = {"market_cap": close * 20_000_000, "volume": close * 300_000, "rank": 1, "observations": 9}
    return PriceBar(series=series, step=Step.HOUR, time=time, last_at=time, is_final=True, **prices, **facts)


def make_runs(schedule: CrawlSchedule, now: datetime) -> dict[str, CrawlRun]:
    """By verdict, the last run of each."""
    counts = dict.fromkeys(RECORDS, 17_190) | {"pages": 78, "log_tail": LOG}
    runs: dict[str, CrawlRun] = {}
    for number, verdict in enumerate([*Verdict] * 2):
        at = now - (20 - number) * HOUR
        is_over = verdict not in (Verdict.PENDING, Verdict.RUNNING)
        if not is_over and verdict in runs:
            continue
        facts: dict[str, Any] = {"heartbeat_at": now, "pages": 40, "seen": 9_000}
        if is_over:
            facts = {"finished_at": at + 5 * MINUTE}
        elif verdict == Verdict.PENDING:
            facts = dict.fromkeys(counts, 0) | {"started_at": None, "log_tail": ""}
        reason = "page 7 was not answered: 502 Bad Gateway " + "x" * 200 if verdict == Verdict.FAILED else ""
        runs[verdict] = make_run_of(schedule, at, verdict=verdict, reason=reason, **counts | facts)
    return runs
