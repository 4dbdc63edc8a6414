"""The market behind the fake API: its coins, their orders, its clock, and what a test may do to them."""

import itertools
import json
import random
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from fake_api.coins import START, WITH_REHYPOTHECATED, make_records, moved
from fake_api.history import DAY, EMPTY, FIRST, Course
from fake_api.orders import ORDERS, Coin, by_id
from fake_api.records import Number, Record, from_json, recorded, to_json

CATEGORIES = {
    "layer-1": {"bitcoin", "ethereum"},
    "stablecoins": {"tether"},
    "wrapped-tokens": {"weth", "wrapped-bitcoin"},
}


@lru_cache(8)
def _made(coins: int, seed: int, start: datetime) -> list[tuple[Record, bool, str]]:
    """The records of `make_records` with their JSON. Markets share them, and change none."""
    return [(record, rehypothecated, to_json(record)) for record, rehypothecated in make_records(coins, seed, start)]


def listing_dates(start: datetime) -> Iterator[datetime]:
    """When each coin was listed, in the order in which they are made."""
    return (start - 30 * DAY if number % 10 == 9 else FIRST for number in itertools.count())


_rank_with_rehypothecated = re.compile(rf',?\s*"{WITH_REHYPOTHECATED}":\s*(null|\d+)')


class Market:
    """So many made coins, always the same for the same seed, last updated in the minute before `start`.

    The first are bitcoin, ethereum and tether, ranked 1 to 3, then weth, staked-ether and wrapped-bitcoin. Those three
    and 1 % of the others are rehypothecated: not on the market unless asked for. 55 % are unranked. `ghosts` are ids
    that `/coins/list` names and the market does not know. Every tenth coin was listed 30 days before `start`, the
    others in 2013. Every verb may be called while the server answers.
    """

    def __init__(self, coins: int = 18_000, seed: int = 1, start: datetime = START) -> None:
        self.seed = seed
        self.start = start
        self.minutes = 0
        self.ghosts = [f"ghost-{number}" for number in range(-(-coins // 100))]
        made = _made(coins, seed, start)
        self._coins = {
            record["id"]: Coin(record["id"], record, rehypothecated=is_rehypothecated, listed_at=listed_at)
            for (record, is_rehypothecated, _), listed_at in zip(made, listing_dates(start), strict=False)
        }
        self._change: Callable[[Record], Record] = lambda record: record
        self._texts = {record["id"]: text for record, _, text in made}  # as they are answered now
        self._orders: dict[str, list[Coin]] = {}
        self._requests = itertools.count()
        self._lock = threading.RLock()

    @classmethod
    def recorded(cls, directory: Path) -> Self:
        """The coins of recorded pages, digit for digit (see `records.recorded`); they do not move."""
        market = cls(coins=0)
        for text in recorded(directory).values():
            market.add(text)
        return market

    @property
    def ids(self) -> list[str]:
        """Every coin on the market, the rehypothecated ones included, sorted."""
        with self._lock:
            return sorted(self._coins)

    def record(self, coin_id: str) -> Record:
        """The coin's record as it is answered now, with each number as a Number."""
        record: Record = from_json(self.text(coin_id))
        return record

    def text(self, coin_id: str) -> str:
        """The coin's record as it is answered now."""
        with self._lock:
            coin = self._coins[coin_id]
            if coin.text is not None:
                return coin.text
            if coin_id not in self._texts:
                self._texts[coin_id] = to_json(self._change(moved(coin.record, self.minutes)))
            return self._texts[coin_id]

    def texts(self) -> dict[str, str]:
        """Every coin's record as it is answered now, all of one moment, by id in the order of ids."""
        with self._lock:
            return {coin_id: self.text(coin_id) for coin_id in sorted(self._coins)}

    # The past and the future, which are functions of coin and time. KeyError: the coin is not on the market.

    @property
    def now(self) -> datetime:
        """The market's clock: `start`, and as far from it as the market was advanced."""
        return self.start + timedelta(minutes=self.minutes)

    def price_at(self, coin_id: str, moment: datetime) -> Number | None:
        """The coin's price at any moment: at its `last_updated`, the one in its record; without that date, at `now`.

        None before it was listed, and for a coin without a price. `replace` changes nothing of it.
        """
        return self._course(coin_id).value("current_price", moment)

    def market_cap_at(self, coin_id: str, moment: datetime) -> Number | None:
        return self._course(coin_id).value("market_cap", moment)

    def volume_at(self, coin_id: str, moment: datetime) -> Number | None:
        return self._course(coin_id).value("total_volume", moment)

    def listed_at(self, coin_id: str) -> datetime:
        """The coin's beginning. Its chart has nothing before it."""
        return self._course(coin_id).listed_at

    def _course(self, coin_id: str) -> Course:
        with self._lock:
            coin = self._coins[coin_id]
            record = self._change(coin.record) if coin.moves else coin.record
        date = record["last_updated"] if coin.moves else None
        at = datetime.fromisoformat(date) if date else self.start
        return Course(coin_id, record, at, coin.listed_at, coin.moves)

    # What a test may do to the market.

    def advance(self, minutes: int = 5) -> None:
        """Every made record becomes newer and dearer. A negative number goes back, to the very records of then."""
        with self._lock:
            self.minutes += minutes
            self._texts.clear()

    def reshape(self, change: Callable[[Record], Record]) -> None:
        """Let every made record be answered as `change` of it, e.g. `lambda record: record | {"ath": None}`."""
        with self._lock:
            self._change = change
            self._texts.clear()

    def add(self, record: Record | str, *, rehypothecated: bool = False, listed_at: datetime = FIRST) -> None:
        """A new coin, ranked as its record says, that stays and has always been as it is given."""
        text = record if isinstance(record, str) else to_json(record)
        parsed = from_json(text)
        coin = Coin(parsed["id"], parsed, text, rehypothecated, moves=False, listed_at=listed_at)
        with self._lock:
            self._coins[coin.id] = coin
            self._orders.clear()

    def replace(self, coin_id: str, record: Any) -> None:
        """Answer this for the coin from now on: any text, JSON or not, or a value to be written as JSON.

        The coin keeps its place in every order and answers to its id as before.
        """
        with self._lock:
            self._coins[coin_id].text = record if isinstance(record, str) else to_json(record)

    def chart(self, coin_id: str, body: Any = EMPTY) -> None:
        """Answer this for the coin's chart from now on, whatever days are asked for: text, or a value to be written
        as JSON. Without it, the chart of a coin that has no market: three empty lists."""
        with self._lock:
            self._coins[coin_id].chart = body if isinstance(body, str) else to_json(body)

    def remove(self, coin_id: str) -> None:
        """Take the coin off the market and off the list; add it to `ghosts` where it is to stay listed."""
        with self._lock:
            del self._coins[coin_id]
            self._orders.clear()

    # What the API answers.

    def page(
        self,
        order: str,
        number: int,
        size: int,
        *,
        ids: Iterable[str] | None = None,
        category: str | None = None,
        rehypothecated: bool = False,
    ) -> tuple[list[str], int]:
        """The records of one page, and how many records all pages have together.

        Orders by market cap and volume are stable for ranked coins alone. An unranked coin stands somewhere else among
        its like at each request: such a page holds a sample of them, and so paging repeats some and never shows others.
        """
        key, reverse = ORDERS[order]
        with self._lock:
            if ids is None:
                if order not in self._orders:
                    self._orders[order] = sorted(self._coins.values(), key=key, reverse=reverse)
                coins = self._orders[order]
            else:
                wanted = [self._coins[coin_id] for coin_id in dict.fromkeys(ids) if coin_id in self._coins]
                coins = sorted(wanted, key=key, reverse=reverse)
            if not rehypothecated:
                coins = [coin for coin in coins if not coin.rehypothecated]
            if category is not None:
                coins = [coin for coin in coins if coin.id in CATEGORIES[category]]
            rows = coins[(number - 1) * size : number * size]
            if key is not by_id:
                rows = self._shuffled(rows, coins)
            texts = [self.text(coin.id) for coin in rows]
        return texts if rehypothecated else [_rank_with_rehypothecated.sub("", text) for text in texts], len(coins)

    def knows(self, coin_id: str) -> bool:
        with self._lock:
            return coin_id in self._coins

    def market_chart(self, coin_id: str, days: float, interval: str, precision: int | None = None) -> str:
        """The body of the coin's `market_chart`, as `Course.chart` makes it, or as a test gave it."""
        with self._lock:
            given, now = self._coins[coin_id].chart, self.now
        return self._course(coin_id).chart(now, days, interval, precision) if given is None else given

    def listing(self) -> str:
        """The body of `/coins/list`: every active id with its symbol and name."""
        with self._lock:
            names = {coin.id: coin.record for coin in self._coins.values()} | {ghost: {} for ghost in self.ghosts}
        return json.dumps(
            [{"id": i, "symbol": names[i].get("symbol", ""), "name": names[i].get("name", i)} for i in sorted(names)],
            ensure_ascii=False,
            separators=(",", ":"),
        )

    def _shuffled(self, rows: list[Coin], coins: list[Coin]) -> list[Coin]:
        unranked = [coin for coin in coins if coin.rank is None]
        rng = random.Random(f"{self.seed}/{next(self._requests)}")
        others = iter(rng.sample(unranked, sum(coin.rank is None for coin in rows)))
        return [next(others) if coin.rank is None else coin for coin in rows]
