"""Made coins. Each is valid data; one in seven carries a value as odd as CoinGecko's real ones."""

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

from fake_api.history import factor, scaled
from fake_api.records import Number, Record

START = datetime(2026, 2, 5, 12, tzinfo=UTC)  # a market's clock at minute 0, unless it says otherwise
SINGAPORE = timezone(timedelta(hours=8))  # where CoinGecko's dates with +08:00 come from
NAMED = [
    ("bitcoin", "btc", "Bitcoin", 96114.1),
    ("ethereum", "eth", "Ethereum", 2642.24),
    ("tether", "usdt", "Tether", 1.00015),
    ("weth", "weth", "WETH", 2641.87),
    ("staked-ether", "steth", "Lido Staked Ether", 2640.35),
    ("wrapped-bitcoin", "wbtc", "Wrapped Bitcoin", 96021.7),
]
WITH_REHYPOTHECATED = "market_cap_rank_with_rehypothecated"  # sent where these coins are asked for
REHYPOTHECATED = {"weth", "staked-ether", "wrapped-bitcoin"}
MOVING = ("current_price", "market_cap", "fully_diluted_valuation", "total_volume", "high_24h", "low_24h")
# What real records have held, by field. Each number is the shortest form of a 64-bit float, as all that the API sends,
# and still one after the market has moved.
_EXTREMES: dict[str, tuple[str, ...]] = {
    "current_price": ("1e-18", "0.0000000000000001234567", "50000000000000", "-0.00000421", "96114.08481738689"),
    "market_cap": ("0.0", "0.0031", "19999.871234", "9.876543210987653e+25"),
    "fully_diluted_valuation": ("1.2345678901234568e+25", "7.0e-05", "1.2e+21"),
    "total_volume": ("0.0", "0.0000000012", "1.8446744073709552e+21"),
    "high_24h": ("1.0e-18", "50000000000000", "0.0000000000000001299999"),
    "low_24h": ("1e-18", "-0.00000433", "1.0"),
    "price_change_24h": ("0.0", "-1.3e-19", "0.0000000000000000000012", "-4127835512345.678"),
    "price_change_percentage_24h": ("0.0", "1e-05", "-100.0", "8340211.90231"),
    "market_cap_change_24h": ("0.0", "-4257724864.859619", "-1.2345678901234568e+24"),
    "market_cap_change_percentage_24h": ("219876543.21098", "2.2e+08", "-99.99999"),
    "circulating_supply": ("0.0", "1e+25", "9.999999999999999e+24", "986061142857000.1"),
    "total_supply": ("-1", "-1.0", "1.0e+25", "3"),
    "max_supply": ("-1", "0.0", "9999999999999998", "1.0000000000000001e+21"),
    "ath": ("50000000000000", "1.0e-18", "-0.0000001"),
    "ath_change_percentage": ("-100.0", "12.5", "0.0"),
    "atl": ("1e-18", "0.0", "0.0000000000000000000321"),
    "atl_change_percentage": ("3.2e+46", "3.198765432109877e+46", "-3.5"),
}
_LONG_PATH = "x" * 247
_ODD_TEXTS: dict[str, tuple[str | None, ...]] = {
    "symbol": ("", "🚀", "ذهب", "weth", "weth", "$", "the-longest-symbol-that-anyone-has-ever-listed", "robotic-otter"),
    "name": ("{0}", "=1+1", "<b>Bold & Sons</b>", "الذهب الرقمي", "🚀 Moon 🌕", "O'Hara %s \\", "1e5"),
    "image": ("missing_large.png", f"https://coin-images.coingecko.com/coins/images/1/large/{_LONG_PATH}.png?1"),
    "ath_date": ("2021-05-11T20:22:37.614+08:00", "2021-08-05T00:00:00Z"),
    "atl_date": ("1970-01-01T00:00:00.000Z", "2015-03-02T08:00:00.000+08:00"),
    "last_updated": ("2022-03-01T08:00:00.000+08:00", "2021-12-31T23:59:59.999Z"),
}
_ODD_ROIS = (
    {"times": Number("-0.5697002983458981"), "currency": "eth", "percentage": Number("-56.97002983458981")},
    {"times": Number("0.00123456789012345"), "currency": "usd", "percentage": Number("0.123456789012345")},
    {"times": None, "currency": "btc", "percentage": None},
)
ODDITIES: list[Record] = [
    *({field: Number(text)} for field, texts in _EXTREMES.items() for text in texts),
    *({field: text} for field, texts in _ODD_TEXTS.items() for text in texts),
    *({"roi": roi} for roi in _ODD_ROIS),
    *({field: None} for field in (*_EXTREMES, *_ODD_TEXTS)),
]


def make_records(count: int, seed: int, start: datetime = START) -> Iterator[tuple[Record, bool]]:
    """Records of the minute before `start`, the NAMED and the ranked first; each with whether it is rehypothecated."""
    rng = random.Random(seed)
    oddities = itertools.cycle(ODDITIES)
    ranks, all_ranks = itertools.count(1), itertools.count(1)
    for index in range(count):
        coin_id, symbol, name, price = NAMED[index] if index < len(NAMED) else _newcomer(rng, index)
        rehypothecated = coin_id in REHYPOTHECATED or index % 100 == 50
        ranked = index < max(3, 0.45 * count) and not rehypothecated
        rank = next(ranks) if ranked else None
        record = _record(rng, index, rank, start, coin_id=coin_id, symbol=symbol, name=name, price=price)
        record[WITH_REHYPOTHECATED] = Number(next(all_ranks)) if ranked or rehypothecated else None
        if index > len(NAMED) and index % 7 == 0:
            record |= next(oddities)
        yield record, rehypothecated


def moved(record: Record, minutes: int) -> Record:
    """The record as it stands after so many minutes: newer, and dearer by 0.01 % a minute (see `history.Course`)."""
    if not minutes:
        return record  # digit for digit
    millionths = factor(minutes * 60_000)
    later: Record = {field: scaled(record[field], millionths) for field in MOVING}
    if record["last_updated"] is not None:
        later["last_updated"] = _date(datetime.fromisoformat(record["last_updated"]) + timedelta(minutes=minutes))
    return record | later


def in_july(record: Record) -> Record:
    """The record as CoinGecko writes its dates since July 2026.

    `last_updated` is in steps of ten seconds, the dates of extremes are eight hours earlier, and milliseconds are 0.
    """
    later: Record = {}
    for field, step, shift in (("last_updated", 10, 0), ("ath_date", 1, 8), ("atl_date", 1, 8)):
        if record[field] is not None:
            moment = datetime.fromisoformat(record[field]).astimezone(UTC) - timedelta(hours=shift)
            later[field] = _date(moment.replace(second=moment.second // step * step, microsecond=0))
    return record | later


def _newcomer(rng: random.Random, index: int) -> tuple[str, str, str, float]:
    """An id that no other coin has, a symbol and a name that others may have, and a price."""
    words = [_word(rng) for _ in range(2)]
    coin_id = "-".join([*words, str(index)])
    if index % 97 == 0:
        coin_id = coin_id.rjust(86, "z")  # the longest there is
    price = 10 ** rng.uniform(-8, 4)  # half the market is under a cent
    return coin_id, "".join(word[:2] for word in words), " ".join(words).title(), price


def _word(rng: random.Random) -> str:
    syllables = zip(rng.choices("bdfgklmnprstvz", k=3), rng.choices("aeiou", k=3), strict=True)
    return "".join(consonant + vowel for consonant, vowel in syllables)


def _record(
    rng: random.Random,
    index: int,
    rank: int | None,
    start: datetime,
    *,
    coin_id: str,
    symbol: str,
    name: str,
    price: float,
) -> Record:
    cap = 2e12 / (index + 1) ** 1.2 if rank else 10 ** rng.uniform(0, 6)
    supply = cap / price
    change, cap_change = rng.gauss(0, 6), rng.gauss(0, 6)
    ath, atl = price * 10 ** rng.uniform(0.1, 3), price / 10 ** rng.uniform(0.1, 3)
    zone = SINGAPORE if index % 50 == 49 else UTC
    return {
        "id": coin_id,
        "symbol": symbol,
        "name": name,
        "image": f"https://coin-images.coingecko.com/coins/images/{index + 1}/large/{coin_id}.png?{1696501400 + index}",
        "current_price": _amount(price),
        "market_cap": _amount(cap),
        "market_cap_rank": Number(rank) if rank else None,
        "fully_diluted_valuation": _amount(cap * rng.uniform(1, 3)),
        "total_volume": _amount(cap * rng.uniform(0.001, 0.2)),
        "high_24h": _amount(price * (1 + abs(change) / 100)),
        "low_24h": _amount(price * (1 - min(abs(change), 50) / 100)),
        "price_change_24h": _amount(price * change / 100),
        "price_change_percentage_24h": _percentage(change),
        "market_cap_change_24h": _amount(cap * cap_change / 100),
        "market_cap_change_percentage_24h": _percentage(cap_change),
        "circulating_supply": Number(round(supply, 4)),
        "total_supply": Number(round(supply * 1.25, 4)),
        "max_supply": Number(round(supply * 1.5, 0)) if rng.random() < 0.5 else None,
        "ath": _amount(ath),
        "ath_change_percentage": _percentage((price / ath - 1) * 100),
        "ath_date": _date((start - timedelta(seconds=rng.uniform(1e7, 1e8))).astimezone(zone)),
        "atl": _amount(atl),
        "atl_change_percentage": _percentage((price / atl - 1) * 100),
        "atl_date": _date((start - timedelta(seconds=rng.uniform(1e7, 1e8))).astimezone(zone)),
        "roi": _roi(rng.uniform(-1, 40)) if index % 10 == 1 else None,
        "last_updated": _date((start - timedelta(seconds=rng.uniform(0, 60))).astimezone(zone)),
    }


def _amount(value: float) -> Number:
    """Six digits, and no fraction from 20,000 on: about what the API sends."""
    return Number(round(value)) if abs(value) >= 20_000 else Number(float(f"{value:.6g}"))


def _percentage(value: float) -> Number:
    return Number(round(value, 5))


def _roi(times: float) -> Record:
    return {"times": Number(times), "currency": "usd", "percentage": Number(round(times * 100, 15))}


def _date(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
