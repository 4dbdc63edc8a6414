"""The views of prices over time."""

from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.api.pages import next_link
from webapp.api.parameters import (
    CoinParameters,
    CoinPricesParameters,
    DayPricesParameters,
    DaysParameters,
    GapsParameters,
    Parameters,
)
from webapp.api.schema import answers
from webapp.api.serializers import (
    CoinPricesPageSerializer,
    DayPricesPageSerializer,
    GapsSerializer,
    PriceDaySerializer,
    PriceDaysPageSerializer,
)
from webapp.api.views import ReadView, chosen, one
from webapp.api.writing import COIN_ID, fields_of, write
from webapp.coins import clock
from webapp.coins.models.coin import MICROSECOND
from webapp.coins.prices.reading import count_on, days_with_bars, prices_of, prices_on
from webapp.coins.prices.series import key_of
from webapp.coins.prices.tiers import Step
from webapp.coins.texts import printable
from webapp.coins.values import instant
from webapp.crawls.gaps import Gaps


class CoinPrices(ReadView):
    parameters = CoinPricesParameters

    def parameters_of(self, **where: str) -> type[Parameters]:
        """Also finds out what is at this address: the prices of a coin, or another coin whose id ends in /prices."""
        coin_id = where["coin_id"]
        self.series = key_of(coin_id)
        self.coins = set()
        if self.series is None:
            self.coins = set(self.queryset.filter(pk__in=(coin_id, f"{coin_id}/prices")).values_list("pk", flat=True))
        return CoinParameters if self.coins and coin_id not in self.coins else self.parameters

    @answers("list_coin_prices", "Prices of a coin", CoinPricesPageSerializer, 404)
    def get(self, request: Request, coin_id: str) -> Response:
        """The bars or observations of the coin with this id, the oldest first. Prices of coins that have left the
        market are kept.

        Observations are kept for some days only, and bars of an hour for some months. Bars of a day are kept for ever.
        The last bars change until their time is over.
        """
        if self.series is None:
            if coin_id in self.coins:
                return Response({"next": None, "results": []})
            if self.coins:
                return Response(one(self.queryset, f"{coin_id}/prices", "coin", chosen(self.query)))
            raise NotFound(f"There is no coin {printable(coin_id, 100)}.")
        step, size, fields = self.query["step"], self.query["page_size"], fields_of(self.query["step"])
        rows = prices_of(self.series, step, self.query["since"], self.query["until"]).order_by(self.query["ordering"])
        found = list(rows.values_list(*(field.name for field in fields))[: size + 1])
        return Response({"next": next_link(found, request, size, self._onward), "results": write(fields, found[:size])})

    def _onward(self, row: tuple[Any, ...]) -> dict[str, str]:
        """A limit of the time is all that the next page needs: no two results have the same time."""
        if self.query["ordering"] == "time":
            return {"since": instant(row[0] + MICROSECOND)}
        return {"until": instant(row[0])}


class DayPrices(ReadView):
    parameters = DayPricesParameters

    @answers("list_prices", "Prices of a day", DayPricesPageSerializer)
    def get(self, request: Request) -> Response:
        """The bars or observations of all coins on a day, by coin and time. `/api/prices/days/` lists the days.

        Only the first page has the count of all results.
        """
        day, step, size = (self.query[name] for name in ("date", "step", "page_size"))
        after = self.query.get("after", "")
        fields = fields_of(step)
        found = prices_on(day, step, fields, limit=size + 1, coin_id=after, after=self.query["after_time"])
        return Response(
            {
                # Counted after the rows are read, so that no client reads more rows than the count.
                "count": None if after else count_on(day, step),
                "next": next_link(found, request, size, self._onward),
                "results": write([COIN_ID, *fields], found[:size]),
            }
        )

    def _onward(self, row: tuple[Any, ...]) -> dict[str, str]:
        coin_id, time, *_ = row
        # A coin has one bar of the day.
        return {"after": coin_id} | ({} if self.query["step"] == Step.DAY else {"after_time": instant(time)})


class Days(ReadView):
    parameters = DaysParameters

    @answers("list_price_days", "Days with prices", PriceDaysPageSerializer)
    def get(self, request: Request) -> Response:
        """The days that have bars of a day, the oldest first.

        `changed_at` is when these last changed. Copy a day again if its `changed_at` is not that of your copy.
        """
        size = self.query["page_size"]
        found = days_with_bars(size + 1, self.query["after"], self.query["changed_since"])
        return Response(
            {
                "next": next_link(found, request, size, lambda day: {"after": day.day}),
                "results": PriceDaySerializer(found[:size], many=True).data,
            }
        )


class CoinGaps(ReadView):
    parameters = GapsParameters

    @answers("list_price_gaps", "Gaps in the prices of a coin", GapsSerializer, 404)
    def get(self, request: Request) -> Response:
        """The times for which a coin has no bars although it was on the market, the oldest first."""
        coin = self.queryset.filter(pk=self.query["coin_id"]).first()
        if coin is None:
            raise NotFound(f"There is no coin {printable(self.query['coin_id'], 100)}.")
        gaps = Gaps(clock.database_clock())
        steps = [step for step in Step if self.query.get("step", step.label) == step.label]
        found = [gap for step in steps for gap in gaps.of(coin, step)]
        return Response(GapsSerializer({"results": found}).data)
