"""A database whose texts, numbers and dates try to break pages, addresses and files."""

from datetime import UTC, datetime
from decimal import Decimal

from django.db import models

from tests.support.factories import HOUR, NOON, make_coin, make_node, make_rejected, make_run, make_schedule
from tests.support.prices import make_price
from webapp.coins.models import FullCoin
from webapp.crawls.models import RejectedRecord
from webapp.crawls.verdict import Verdict

FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
TEXTS = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\" onmouseover='alert(1)'",
    "{0} {} {name} {{ request }} {% now 'Y' %}",
    "%s %(name)s %",
    "_00_2F_5F _x0041_ \\u0000 \\0 %00",
    "الذهب \u202eالرقمي",
    "\u2028\u2029\u200b\ufeff",
    "🚀" * 20,
    "W" * 255,
    " ",
    "",
    "a\r\nb\rc\nd\te",
    "=1+1",
    "'",
)
# Ids that look like parts of addresses, or like quoted ones.
IDS = (
    *("add", "columns", "views", "export", "reasons", "review", "change", "delete", "history", "prices", "admin"),
    *(
        "a/b",
        "a/../b",
        "../..",
        "?o=1&p=2",
        "#top",
        "%2F",
        "%",
        "_2F",
        "_5F2F",
        "a b",
        " ",
        "/",
        "//example.com",
        "...",
    ),
    *("csv", "coins.csv", "1e5", "null", "e=1", "W" * 255, "🚀", "\u202e", "a\nb", "a\r\nb", "\t"),
    *(text for text in TEXTS if text.strip() and len(text) < 100),
)
NUMBERS = ("1E-18", "1E+29", "-1E+29", "-1", "0", "1E-30", "123456789.123456789", "999.995E12")
REPEATING = '{"id": "\\ud800", "id": 1e999999, "x": NaN}'
INFINITE = '{"coin_id": "add", "name": 1e999999, "ath": NaN, "roi_times": [{}]}'
LONG = "<b>" + "x" * 5_000 + "</b>"


def fill() -> None:
    """Coins, runs, rejected records, schedules and nodes with all of these."""
    for number, coin_id in enumerate(IDS):
        text, amount = TEXTS[number % len(TEXTS)], Decimal(NUMBERS[number % len(NUMBERS)])
        moment = (FIRST, LAST, NOON, None)[number % 4]
        values = {field.name: amount for field in FullCoin._meta.fields if isinstance(field, models.DecimalField)}
        dates = dict.fromkeys(("last_updated", "ath_date", "atl_date", "missing_since", "stale_before"), moment)
        make_coin(
            coin_id,
            **values | dates,
            symbol=text[:100],
            name=text,
            image=f"https://pictures.example/{text}"[:500],
            roi_currency=text[:100],
            market_cap_rank=(-1, 0, 2**31 - 1, None)[number % 4],
            first_seen_at=NOON,
            changed_at=NOON,
        )
        make_price(coin_id, time=NOON, price=amount, market_cap=amount, volume=None)
        for hours in range(number % 3):
            make_price(coin_id, time=NOON + (hours + 1) * HOUR, price=-amount, volume=amount)
    make_coin("nothing")
    for number, text in enumerate((*TEXTS, LONG)):
        schedule = make_schedule(f"{number} {text}"[:100], arguments={"ids": [text]}, enabled=False)
        run = make_run(
            id=f"{IDS[number]}"[:255],
            spider=("markets", "mirror", text[:100] or "?")[number % 3],
            arguments={"ids": [text], text: text},
            schedule=schedule,
            verdict=[*Verdict][number % len(Verdict)],
            started_at=(NOON, FIRST, LAST, None)[number % 4],
            finished_at=(NOON + HOUR, FIRST, LAST, None)[number % 4],
            heartbeat_at=(NOON, FIRST, LAST, None)[number % 4],
            reason=text,
            messages=f"{text}\n{LONG}",
            node=text[:255],
            log_file=text[:1_000],
            log_tail=f"2026-02-05 12:00:00 [{text}] ERROR: {text}\n{LONG}\n\x1b[1m\x07{text}",
            seen=2**31 - 1,
            rejected=number,
            filled={text: 1},
            rounded={text: 1},
            settings={text: text},
        )
        statuses = [*RejectedRecord.Status]
        make_rejected(
            text[:255],
            run=run,
            fingerprint=str(number),
            page=text[:100],
            status=statuses[number % 3],
            reasons=f"name: {text}\n{text}\n{LONG}",
            raw=(f'{{"id": "{number}"}}', text, "[" * 500, REPEATING)[number % 4],
            values=(INFINITE, '{"coin_id": "\\ud800"}', "", "[]")[number % 4],
        )
        make_node(f"{number} {text}"[:100] or "?", heartbeat_at=NOON)
