"""An API that a test can tell what to answer instead, and CoinGecko's: what it demands and what it answers."""

import json
import math
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, TextIO
from urllib.parse import parse_qsl, urlsplit

from fake_api import answers
from fake_api.exchange import DEMO_KEY, PRO_KEY, Answer, Reaction, Request
from fake_api.market import CATEGORIES, ORDERS, Market
from fake_api.wire import Server

MARKETS = "/coins/markets"
MAX_PER_PAGE = 250
MAX_IDS = 250
MAX_URL = 8_190  # bytes
CURRENCIES = {"usd", "eur", "gbp", "jpy", "btc", "eth"}  # one market for them all: the numbers are the same
PLANS = ("keyless", "demo", "pro")


@dataclass
class Fault:
    """What to answer instead, to which requests, how often."""

    answer: Reaction
    path: str | None
    page: int | None
    ids: str | None
    times: float
    after: int

    def takes(self, path: str, params: Mapping[str, str]) -> bool:
        """Whether this request is the fault's to answer; counts down."""
        if (
            self.times <= 0
            or self.path not in (None, path)
            or (self.page is not None and params.get("page", "1") != str(self.page))
            or (self.ids is not None and self.ids not in params.get("ids", "").split(","))
        ):
            return False
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        return True


class SlidingWindow:
    """Lets through as many calls as that within any span of so many seconds. Refused calls count as well."""

    def __init__(self, calls: int, seconds: float) -> None:
        self._calls, self._seconds = calls, seconds
        self._times: deque[float] = deque(maxlen=calls + 1)  # of the latest call and those that decide about it

    def wait(self, now: float) -> float:
        """Counts a call; 0 where it is let through, otherwise the seconds until the next would be."""
        self._times.append(now)
        if len(self._times) <= self._calls or self._times[0] <= now - self._seconds:
            return 0
        return self._times[1] + self._seconds - now


class API:
    """An API at `url` while the context lasts; `requests` is the log. A subclass says what it demands and answers.

    calls_per_minute: how many calls, failed ones included, a sliding `window` of seconds may hold.
    log: a text file that gets one JSON line per request.
    tls: a certificate and its key, e.g. tls.self_signed(folder), to speak https.
    """

    base = ""  # the path of `url`

    def __init__(
        self,
        *,
        calls_per_minute: int | None = None,
        window: float = 60.0,
        port: int = 0,
        log: TextIO | None = None,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self._port, self._log, self._tls = port, log, tls
        self._faults: list[Fault] = []
        self._limit = SlidingWindow(calls_per_minute, window) if calls_per_minute else None
        self._news = threading.Condition()  # guards the log, the faults and the calls

    def __enter__(self) -> Self:
        self._server = Server(self._port, self.answer, self._tls)
        self.url = f"http{'s' if self._tls else ''}://127.0.0.1:{self._server.server_address[1]}{self.base}"
        # The interval is how long closing takes.
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def connections(self) -> int:
        """How many have been opened so far."""
        return self._server.connections

    def fault(
        self,
        answer: Reaction,
        *,
        path: str | None = None,
        page: int | None = None,
        ids: str | None = None,
        times: float = 1,
        after: int = 0,
    ) -> None:
        """Answer the next `times` matching requests (math.inf: all) with this, once `after` of them have passed.

        The answer is an Answer, a function that makes one from the Request, or parameters that take the place of the
        request's own: {"page": 1} gives page 1, whatever page was asked for. A request matches with this path, page
        and this id among its ids; None matches any. Where several faults match, the oldest answers and the others do
        not count the request.
        """
        with self._news:
            self._faults.append(Fault(answer, path, page, ids, times, after))

    def usual(self, request: Request, **how: Any) -> Answer:
        """What a request is answered without a fault, sent in another way: a fault of `lambda request:
        api.usual(request, delay=1)` only slows down."""
        return replace(self._serve(request), **how)

    def wait_for(self, requests: int, timeout: float = 30.0) -> None:
        """Return when so many requests are in the log."""
        with self._news:
            if not self._news.wait_for(lambda: len(self.requests) >= requests, timeout):
                raise TimeoutError(f"{len(self.requests)} of {requests} requests came within {timeout} s")

    def answer(self, method: str, target: str, headers: dict[str, str]) -> tuple[Request, Answer]:
        """One request, which by then is in the log, and its answer."""
        now = time.monotonic()
        url = urlsplit(target)
        params = dict(parse_qsl(url.query, keep_blank_values=True))
        request = Request(now, method, target, url.path.removeprefix(self.base), params, headers)
        with self._news:
            wait = self._limit.wait(now) if self._limit else 0
            fault = next((fault.answer for fault in self._faults if fault.takes(request.path, params)), {})
        if isinstance(fault, Answer):
            answer = fault
        elif callable(fault):
            answer = fault(request)
        elif len(target) > MAX_URL:
            answer = answers.URL_TOO_LONG
        elif refusal := self._refusal(headers):
            answer = refusal
        elif wait:
            answer = self._throttled(math.ceil(wait))
        else:
            answer = self._serve(replace(request, params=params | {name: str(fault[name]) for name in fault}))
        request.status = 0 if answer.close else answer.status
        with self._news:
            self.requests.append(request)
            if self._log:
                entry = asdict(request)
                del entry["sent"]  # nothing has been yet
                print(json.dumps(entry), file=self._log, flush=True)
            self._news.notify_all()
        return request, answer

    # What a subclass says.

    def _refusal(self, headers: Mapping[str, str]) -> Answer | None:
        """What a client with these headers is answered, whatever it asks; None where it may ask."""
        raise NotImplementedError

    def _throttled(self, seconds: int) -> Answer:
        raise NotImplementedError

    def _serve(self, request: Request) -> Answer:
        raise NotImplementedError


class FakeAPI(API):
    """CoinGecko's API; `market` is the data.

    plan, key: "keyless" asks for no key, "demo" and "pro" for `key` in their own header.
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
        if request.path == "/coins/list":
            return answers.data(self.market.listing())
        if request.path == "/ping":
            return answers.data('{"gecko_says":"(V3) To the Moon!"}')
        return answers.NO_SUCH_PATH

    def _markets(self, params: Mapping[str, str]) -> Answer:
        if not params.get("vs_currency"):
            return answers.NO_CURRENCY
        if params["vs_currency"] not in CURRENCIES:
            return answers.WRONG_CURRENCY
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


def positive(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and int(text) else default
