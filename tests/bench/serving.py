"""The fake API as a process that is told what to do, a line of JSON for each command: see `tests.bench.api`.

Answers are prepared: each is made and packed once, for each state of the market, so that the API is never what others
wait for.
"""

import argparse
import gc
import gzip
import json
import sys
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

from fake_api import Answer, FakeAPI, LinkedAPI, Market, Number, Request
from fake_api.api import SlidingWindow
from fake_api.records import Record

PAGE = 250
INT64 = 2**63
# All that a page of the market depends on.
PARAMETERS = ("vs_currency", "order", "page", "per_page", "ids", "category", "include_rehypothecated")


class Prepared:
    """Answers of one state of the market, by what they depend on."""

    delay = 0.0  # seconds, before each answer

    def __init__(self) -> None:
        self._ready: dict[tuple[Any, ...], Answer] = {}

    def prepared(self, key: tuple[Any, ...], made: Answer) -> Answer:
        body = gzip.compress(made.body, mtime=0)
        headers = {**made.headers, "content-encoding": "gzip", "etag": f'W/"{len(self._ready)}"'}
        self._ready[key] = ready = replace(made, body=body, headers=headers)
        return ready


class PreparedMarkets(FakeAPI, Prepared):
    def __init__(self, market: Market) -> None:
        Prepared.__init__(self)
        FakeAPI.__init__(self, market)

    def _serve(self, request: Request) -> Answer:
        key = (request.path, *(request.params.get(name) for name in PARAMETERS))
        answer = self._ready.get(key) or self.prepared(key, super()._serve(request))
        return replace(answer, delay=self.delay)

    def prepare(self) -> None:
        """The pages as every method asks for them, the empty one after them, and the list of ids."""
        self._ready.clear()
        for number in range(1, -(-len(self.market.ids) // PAGE) + 2):
            params = {
                "vs_currency": "usd",
                "order": "id_asc",
                "page": str(number),
                "per_page": str(PAGE),
                "include_rehypothecated": "true",
            }
            self._serve(Request(0, "GET", f"{self.base}/", "/coins/markets", params, {}))
        self._serve(Request(0, "GET", f"{self.base}/", "/coins/list", {}, {}))

    def set_rules(self, *, delay: float, total: str, calls: int, window: float) -> None:
        self.delay, self._total = delay, total
        self._limit = SlidingWindow(calls, window) if calls else None
        self.prepare()

    def advance(self) -> None:
        self.market.advance()
        self.prepare()


class PreparedList(LinkedAPI, Prepared):
    """An installation whose coins stay as they are."""

    def __init__(self, market: Market) -> None:
        Prepared.__init__(self)
        LinkedAPI.__init__(self, market)
        self._kept = super().records

    @property
    def records(self) -> dict[str, Record]:
        return self._kept

    def _serve(self, request: Request) -> Answer:
        key = (request.target,)
        return self._ready.get(key) or self.prepared(key, super()._serve(request))


def with_exponents(record: Record) -> Record:
    """Whole numbers over 64 bits written with an exponent, because dlt fails at others. Their values are the same."""
    return {name: Number(f"{Decimal(value):e}") if is_big(value) else value for name, value in record.items()}


def is_big(value: object) -> bool:
    return isinstance(value, Number) and len(value) > 18 and value.lstrip("-").isdecimal()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.serving", description=__doc__)
    parser.add_argument("--coins", type=int, required=True)
    parser.add_argument("--linked", action="store_true", help="an API of pages with links")
    options = parser.parse_args()
    market = Market(options.coins)
    market.reshape(with_exponents)
    with PreparedList(market) if options.linked else PreparedMarkets(market) as api:
        if isinstance(api, PreparedMarkets):
            api.prepare()
        gc.freeze()  # the market stays: nobody has to look through it for garbage
        tell(api.url)
        for line in sys.stdin:
            command = json.loads(line)
            tell(obey(api, command.pop("do"), command))


def obey(api: PreparedMarkets | PreparedList, what: str, how: dict[str, Any]) -> Any:
    if what == "cpu":
        return time.process_time()
    if what == "forget":
        return api.requests.clear()
    if what == "requests":
        return [[request.time, request.path, request.status] for request in api.requests]
    return getattr(api, what)(**how)


def tell(answer: Any) -> None:
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
