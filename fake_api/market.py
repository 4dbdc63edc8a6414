"""The market behind the fake API: its coins, their orders, its clock, and what a test may do to them."""

import itertools
import json
import random
import re
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from fake_api.coins import START, WITH_REHYPOTHECATED, make_records, moved
from fake_api.orders import ORDERS, Coin, by_id
from fake_api.records import Record, from_json, recorded, to_json

CATEGORIES = {
    "layer-1": {"bitcoin", "ethereum"},
    "stablecoins": {"tether"},
    "wrapped-tokens": {"weth", "wrapped-bitcoin"},
}


@lru_cache(8)
def _made(coins: int, seed: int, start: datetime) -> list[tuple[Record, bool, str]]:
    """The records of `make_records` with their JSON. Markets share them, and change none."""
    return [(record, rehypothecated, to_json(record)) for record, rehypothecated in make_records(coins, seed, start)]


_rank_with_rehypothecated = re.compile(rf',?\s*"{WITH_REHYPOTHECATED}":\s*(null|\d+)')


class Market:
    """So many made coins, always the same for the same seed, last updated in the minute before `start`.

    The first are bitcoin, ethereum and tether, ranked 1 to 3, then weth, staked-ether and wrapped-bitcoin. Those three
    and 1 % of the others are rehypothecated: not on the market unless asked for. 55 % are unranked. `ghosts` are ids
    that `/coins/list` names and the market does not know. Every verb may be called while the server answers.
    """

    def __init__(self, coins: int = 18_000, seed: int = 1, start: datetime = START) -> None:
        self.seed = seed
        self.minutes = 0
        self.ghosts = [f"ghost-{number}" for number in range(-(-coins // 100))]
        made = _made(coins, seed, start)
        self._coins = {
            record["id"]: Coin(record["id"], record, rehypothecated=is_rehypothecated)
            for record, is_rehypothecated, _ in made
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

    def add(self, record: Record | str, *, rehypothecated: bool = False) -> None:
        """A new coin, ranked as its record says, that stays as it is given."""
        text = record if isinstance(record, str) else to_json(record)
        coin = Coin(from_json(text)["id"], from_json(text), text, rehypothecated)
        with self._lock:
            self._coins[coin.id] = coin
            self._orders.clear()

    def replace(self, coin_id: str, record: Any) -> None:
        """Answer this for the coin from now on: any text, JSON or not, or a value to be written as JSON.

        The coin keeps its place in every order and answers to its id as before.
        """
        with self._lock:
            self._coins[coin_id].text = record if isinstance(record, str) else to_json(record)

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
