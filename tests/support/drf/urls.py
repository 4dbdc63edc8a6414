"""Coins under /page/, /offset/ and /cursor/, page by page; DELETE takes one away, and ?category= narrows them."""

from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from rest_framework import pagination, routers, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from tests.support.drf.models import Coin

hidden = set[str]()  # fields that are not sent


class CoinSerializer(serializers.ModelSerializer[Coin]):
    class Meta:
        model = Coin
        fields = "__all__"

    def to_representation(self, instance: Coin) -> dict[str, Any]:
        shown = super().to_representation(instance)
        return {name: value for name, value in shown.items() if name not in hidden}


class Flat(CoinSerializer):
    """The same under coincrawl's names: `coin_id` besides an `id` that is none, and a flat return on investment."""

    def to_representation(self, instance: Coin) -> dict[str, Any]:
        shown = super().to_representation(instance)
        roi = shown.pop("roi") or dict.fromkeys(("times", "currency", "percentage"))
        return {
            **shown,
            "id": 5,
            "coin_id": shown["id"],
            "current_price": float(shown["current_price"]),
            **{f"roi_{name}": value for name, value in roi.items()},
        }


class Coins(viewsets.ModelViewSet[Coin]):
    serializer_class = CoinSerializer

    def get_queryset(self) -> "QuerySet[Coin]":
        category = self.request.GET.get("category")
        return Coin.objects.filter(**({"category": category} if category else {})).order_by("id")


class ByPage(pagination.PageNumberPagination):
    page_size = 20


class ByOffset(pagination.LimitOffsetPagination):
    default_limit = 20


class ByCursor(pagination.CursorPagination):
    page_size = 20
    ordering = "id"


class Market(viewsets.ViewSet):
    def create(self, request: Request) -> Response:
        """Make so many "coins", each third with a return on investment, and send none of the fields in "hidden"."""
        hidden.clear()
        hidden.update(request.data["hidden"])
        Coin.objects.all().delete()
        Coin.objects.bulk_create(
            Coin(
                id=f"coin-{number:03}",
                symbol=f"c{number}",
                name=f"Coin {number}",
                category="ab"[number % 2],
                current_price=Decimal(number).scaleb(-4),
                market_cap=number * 1.5,
                roi=None if number % 3 else {"times": 2.5, "currency": "usd", "percentage": 250.0},
                last_updated="2026-11-22T12:00:00.123456Z",
            )
            for number in range(request.data["coins"])
        )
        return Response()


router = routers.SimpleRouter()
router.register("page", type("Page", (Coins,), {"pagination_class": ByPage}), basename="page")
router.register("offset", type("Offset", (Coins,), {"pagination_class": ByOffset}), basename="offset")
router.register("cursor", type("Cursor", (Coins,), {"pagination_class": ByCursor}), basename="cursor")
router.register("flat", type("Flat", (Coins,), {"pagination_class": ByPage, "serializer_class": Flat}), basename="flat")
router.register("market", Market, basename="market")
urlpatterns = router.urls
