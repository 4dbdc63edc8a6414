"""What a coin's price, market cap and volume are at any moment, and their chart: pure functions of coin and time."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from fake_api.records import Number, Record, to_json

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = datetime(2013, 4, 28, tzinfo=UTC)  # CoinGecko's oldest prices are of this day
MILLISECOND = timedelta(milliseconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
STEPS = {"5m": 5 * MINUTE, "hourly": 60 * MINUTE, "daily": DAY}
MIDNIGHT_IS_LATE = 10 * MINUTE  # after it, a chart has the value of 00:00 UTC
SERIES = {"prices": "current_price", "market_caps": "market_cap", "total_volumes": "total_volume"}
EMPTY: Record = {series: [] for series in SERIES}  # the chart of a coin without a market
ONE = 1_000_000  # a factor is a whole number of millionths, so that what it scales gets few new digits
SWINGS = ((47 * DAY, 300_000), (7 * 60 * MINUTE, 100_000))  # the period and the depth, in millionths


@dataclass(frozen=True)
class Course:
    """A coin's values at every moment since `listed_at`. They are what its record says at the moment `at`.

    After it, everything becomes dearer by 0.01 % a minute. Before it, everything swings between 60 and 100 % of its
    value then: a bar's high and low are not its ends. The values of a coin that does not move are always its record's.
    """

    id: str
    record: Record
    at: datetime
    listed_at: datetime = FIRST
    moves: bool = True

    def value(self, field: str, moment: datetime) -> Number | None:
        """The record's field at that moment, exact to 0.6 s; None before the coin was listed, or where it is null."""
        if moment < self.listed_at:
            return None
        number: Number | None = self.record.get(field)
        return scaled(number, factor((moment - self.at) // MILLISECOND)) if self.moves else number

    def chart(self, now: datetime, days: float, interval: str, precision: int | None = None) -> str:
        """The body of market_chart: values every "5m", "hourly" or "daily" of the `days` before `now`, and of now.

        `precision` is the number of decimals of a price; None: as many as it has.
        """
        if self.value("current_price", now) is None:
            return to_json(EMPTY)
        since = max(self.listed_at, now - min(days, (now - FIRST) / DAY) * DAY)  # days may be infinite
        moments = [*self._grid(since, now, STEPS[interval]), now]
        series = []
        for name, field in SERIES.items():
            values = [self.value(field, moment) for moment in moments]
            if name == "prices" and precision is not None:
                values = [value and rounded(value, precision) for value in values]
            points = [
                f"[{milliseconds(moment)},{'null' if value is None else value}]"
                for moment, value in zip(moments, values, strict=True)
            ]
            series.append(f'"{name}":[{",".join(points)}]')
        return f"{{{','.join(series)}}}"

    def _grid(self, since: datetime, now: datetime, step: timedelta) -> Iterator[datetime]:
        """The moments from `since` on and before `now`: midnights in UTC, or a few seconds after every step."""
        late = MIDNIGHT_IS_LATE if step == DAY else timedelta()
        for number in range((since - EPOCH) // step, (now - EPOCH) // step + 1):
            moment = EPOCH + number * step
            if step != DAY:
                moment += (1_000 + zlib.crc32(f"{self.id}/{number}".encode()) % 9_000) * MILLISECOND
            if since <= moment < now - late:
                yield moment


def factor(elapsed: int) -> int:
    """What a value is multiplied with so many milliseconds after the moment of its record, in millionths."""
    if elapsed >= 0:
        return ONE + elapsed // 600  # 100 millionths a minute
    return ONE - sum(_swing(-elapsed, period // MILLISECOND, depth) for period, depth in SWINGS)


def _swing(elapsed: int, period: int, depth: int) -> int:
    """From 0 in a straight line to `depth` at half the period, and back."""
    phase = elapsed % period
    return 2 * depth * min(phase, period - phase) // period


def scaled(number: Number | None, millionths: int) -> Number | None:
    """A large integer stays an integer, any other number becomes the nearest float's shortest form."""
    if number is None or millionths == ONE:
        return number  # digit for digit
    value = Decimal(number) * Decimal(millionths).scaleb(-6)
    if number.lstrip("-").isdigit() and abs(value) >= 20_000:
        return Number(round(value))
    return Number(float(value))


def rounded(number: Number, decimals: int) -> Number:
    return Number(round(float(number), decimals))


def milliseconds(moment: datetime) -> int:
    """Since 1970, as a chart writes its times."""
    return (moment - EPOCH) // MILLISECOND
