"""Answers as the judge is given them."""

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from scrapy.http import Response

from coincrawl.responses import Judgement, judge
from coincrawl.spiders.markets import MarketsSpider
from fake_api import Answer

RECEIVED = datetime(2026, 11, 22, 12, tzinfo=UTC)


def judged(answer: Answer, headers: dict[str, Any] | None = None, **options: Any) -> Judgement:
    response = Response(
        "http://x/", status=answer.status, headers={**answer.headers, **(headers or {})}, body=answer.body
    )
    return judge(
        response, RECEIVED, **{"remedies": MarketsSpider.remedies, "fatal_codes": MarketsSpider.fatal_codes, **options}
    )


def table(rows: dict[str, Any]) -> list[Any]:
    """Parameters under their ids."""
    return [pytest.param(*(row if isinstance(row, tuple) else [row]), id=name) for name, row in rows.items()]


BITCOIN = b'[{"id":"bitcoin","current_price":60000.000000000000000001}]'
BITCOIN_ROWS = [{"id": "bitcoin", "current_price": Decimal("60000.000000000000000001")}]
HALVES = gzip.compress(BITCOIN[:20]) + gzip.compress(BITCOIN[20:])

DEPTH = 40_000  # levels; the parser gives up at about 1,000
DEEP_RECORDS = {
    "lists": f'{{"id":"deep","roi":{"[" * DEPTH}{"]" * DEPTH}}}',
    "objects": '{"roi":' * DEPTH + "1" + "}" * DEPTH,
    "strings in it": f'{{"id":"]}}\\"","roi":{"[" * DEPTH}"}}]\\\\"{"]" * DEPTH}}}',
}
NEIGHBOURS = [
    '{"id":"a]}","current_price":60000.000000000000000001}',
    r'{"id":"b\"]","name":"\\","x":[{"y":[]}]}',
    '{"id":"c","ath":1e-18}',
]
CUT = "cut off in the middle"
