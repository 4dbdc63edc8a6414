"""CoinGecko's API: what it demands and what it answers."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fake_api import answers, charts
from fake_api.api import API
from fake_api.exchange import DEMO_KEY, PRO_KEY, Answer, Reaction, Request
from fake_api.market import CATEGORIES, Market
from fake_api.orders import ORDERS

MARKETS = "/coins/markets"
MARKET_CHART = re.compile("/coins/([^/]+)/market_chart")
MAX_PER_PAGE = 250
MAX_IDS = 250
CURRENCIES = {"usd", "eur", "gbp", "jpy", "btc", "eth"}  # one market for them all: the numbers are the same
PLANS = ("keyless", "demo", "pro")


class FakeAPI(API):
    """CoinGecko's API; `market` is the data.

    plan, key: "keyless" asks for no key, "demo" and "pro" for `key` in their own header. Past prices of more than 365
    days need "pro".
    total: the `total` header is "exact", "absent" (and `per-page` with it), "half", "double", or the text given.
    pages: serve the recorded pages of this directory instead of a made market.
    """

    base = "/api/v3"

    def __init__(
        self,
        market: Market | None = None,
        *,
        total: str = "exact",
        plan: str = "keyless",
        key: str | None = None,
        pages: Path | None = None,
        **server: Any,
    ) -> None:
        if plan not in PLANS:
            raise ValueError(f"plan is {plan!r} and must be one of {', '.join(PLANS)}")
        if plan != "keyless" and not key:
            raise ValueError(f"the {plan} plan needs a key")
        if market and pages:
            raise ValueError("market and pages exclude each other")
        super().__init__(**server)
        self.market = Market.recorded(pages) if pages else market or Market()
        self._total, self._plan, self._key = total, plan, key

    def fault(self, answer: Reaction, *, path: str | None = MARKETS, **which: Any) -> None:
        """As for any API, but of the market's pages where no path is named."""
        super().fault(answer, path=path, **which)

    def _refusal(self, headers: Mapping[str, str]) -> Answer | None:
        if not headers.get("user-agent"):
            return answers.NO_USER_AGENT
        if self._plan == "pro":
            if DEMO_KEY in headers:
                return answers.DEMO_KEY_AT_PRO_HOST
            return None if headers.get(PRO_KEY) == self._key else answers.KEY_MISSING
        if PRO_KEY in headers:
            return answers.PRO_KEY_AT_PUBLIC_HOST
        if self._plan == "demo" and headers.get(DEMO_KEY) != self._key:
            return answers.KEY_MISSING
        return None

    def _throttled(self, seconds: int) -> Answer:
        return answers.rate_limited(seconds)

    def _serve(self, request: Request) -> Answer:
        if not request.target.startswith(self.base):
            return answers.NO_SUCH_PATH
        if request.path == MARKETS:
            return self._markets(request.params)
        if chart := MARKET_CHART.fullmatch(request.path):
            return _wrong_currency(request.params) or charts.market_chart(
                self.market, unquote(chart[1]), request.params, paid=self._plan == "pro"
            )
        if request.path == "/coins/list":
            return answers.data(self.market.listing())
        if request.path == "/ping":
            return answers.data('{"gecko_says":"(V3) To the Moon!"}')
        return answers.NO_SUCH_PATH

    def _markets(self, params: Mapping[str, str]) -> Answer:
        if refusal := _wrong_currency(params):
            return refusal
        category = params.get("category") or None
        if category and category not in CATEGORIES:
            return answers.NO_SUCH_CATEGORY
        per_page = min(positive(params.get("per_page"), 100), MAX_PER_PAGE)
        rows, count = self.market.page(
            params["order"] if params.get("order") in ORDERS else "market_cap_desc",
            positive(params.get("page"), 1),
            per_page,
            ids=params["ids"].split(",")[:MAX_IDS] if params.get("ids") else None,
            category=category,
            rehypothecated=params.get("include_rehypothecated") == "true",
        )
        counts = {"exact": str(count), "half": str(count // 2), "double": str(count * 2)}
        hints = {"total": counts.get(self._total, self._total), "per-page": str(per_page)}
        return answers.data(f"[{','.join(rows)}]", **({} if self._total == "absent" else hints))


def _wrong_currency(params: Mapping[str, str]) -> Answer | None:
    if not params.get("vs_currency"):
        return answers.NO_CURRENCY
    return None if params["vs_currency"] in CURRENCIES else answers.WRONG_CURRENCY


def positive(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and int(text) else default
