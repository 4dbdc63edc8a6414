"""A coin of the market, and the orders in which the market's pages can be asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from fake_api.history import FIRST
from fake_api.records import Record


@dataclass
class Coin:
    """A coin's place in every order, which its record gives it once and for all, and what is answered for it."""

    id: str
    record: Record
    text: str | None = None  # answered as it is, whatever the clock says
    rehypothecated: bool = False
    moves: bool = True
    listed_at: datetime = FIRST
    chart: str | None = None  # answered as it is, whatever is asked
    rank: float | None = field(init=False)
    volume: Decimal = field(init=False)

    def __post_init__(self) -> None:
        self.rank = float(rank) if (rank := self.record.get("market_cap_rank")) else None
        self.volume = Decimal(self.record.get("total_volume") or 0)


def by_id(coin: Coin) -> str:
    return coin.id


def by_market_cap(coin: Coin) -> tuple[bool, float]:
    return coin.rank is None, coin.rank or 0


def by_volume(coin: Coin) -> tuple[bool, Decimal]:
    return coin.rank is None, -coin.volume


ORDERS: dict[str, tuple[Callable[[Coin], Any], bool]] = {  # the key, and whether it is reversed
    "market_cap_desc": (by_market_cap, False),
    "market_cap_asc": (by_market_cap, True),
    "volume_desc": (by_volume, False),
    "volume_asc": (by_volume, True),
    "id_asc": (by_id, False),
    "id_desc": (by_id, True),
}
