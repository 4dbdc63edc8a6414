"""The views of the addresses under /api/."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import models
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import conditional_page
from django.views.decorators.vary import vary_on_headers
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework import permissions
from rest_framework.exceptions import AuthenticationFailed, MethodNotAllowed, NotAuthenticated, NotFound
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from webapp.api.pages import Page
from webapp.api.parameters import BY_ID, CoinParameters, CoinsParameters, Parameters, RunsParameters, select
from webapp.api.schema import answers, whole_schema
from webapp.api.serializers import (
    AddressesSerializer,
    CoinPageSerializer,
    CoinSerializer,
    HealthSerializer,
    RunPageSerializer,
    RunSerializer,
)
from webapp.api.tags import marks, tag_of, unchanged
from webapp.api.writing import COIN, RUN, write
from webapp.coins.models import FullCoin
from webapp.coins.texts import printable
from webapp.crawls.models import CrawlRun
from webapp.crawls.state import State


# From the inside out: the ETag is made before compression, so it does not depend on it. Caches keep answers for one
# user only, and ask each time.
@method_decorator(
    [
        vary_on_headers("Authorization", "Cookie"),
        cache_control(private=True, no_cache=True),
        gzip_page,
        conditional_page,
    ],
    name="dispatch",
)
class ReadView(APIView):
    """A read-only address with these parameters and no others."""

    http_method_names = ["get", "head", "options"]
    parameters: ClassVar[type[Parameters]] = Parameters
    queryset: QuerySet = FullCoin.objects.all()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if str(request.method).lower() not in self.http_method_names:
            raise MethodNotAllowed(str(request.method))  # also without a token
        try:
            super().initial(request, *args, **kwargs)
        except (AuthenticationFailed, NotAuthenticated):
            self.check_throttles(request)  # by the client's address
            raise
        self.query = self.parameters_of(**kwargs).read(request.query_params)

    def parameters_of(self, **where: str) -> type[Parameters]:
        """The parameters of an address with these parts."""
        return self.parameters


class Addresses(ReadView):
    @answers("get_addresses", "Addresses", AddressesSerializer)
    def get(self, request: Request) -> Response:
        """The addresses of this API."""
        names = ("coins", "prices", "price_days", "price_gaps", "runs", "health", "schema", "docs")
        return Response({name: reverse(f"api:{name}", request=request) for name in names})


class Coins(ReadView):
    parameters = CoinsParameters

    @answers("list_coins", "Coins", CoinPageSerializer, 404)
    def get(self, request: Request) -> HttpResponse:
        """Follow `next` from the first page on to read all coins. In the default order, none is missed.

        A client that cannot follow links asks for the page `after` the last `coin_id` that it has, until `next` is
        null.
        """
        by_key = self.query["ordering"] == BY_ID
        page = Page(select(self.queryset, self.query), request, self.query, by_key=by_key)
        fields = chosen(self.query)
        first = marks(fields)
        if answer := unchanged(request, page, first):
            return answer
        found = page.read([*first, *(field.name for field in fields)])
        results = write(fields, [row[len(first) + 1 :] for row in found.rows[: page.size]])
        return Response(page.body(found, results), headers={"ETag": tag_of(request, found, len(first))})


class Coin(ReadView):
    parameters = CoinParameters

    @answers("get_coin", "A coin", CoinSerializer, 404)
    def get(self, request: Request, coin_id: str) -> Response:
        """The coin with this id, as the market last described it."""
        return Response(one(self.queryset, coin_id, "coin", chosen(self.query)))


class Runs(ReadView):
    parameters = RunsParameters
    queryset = CrawlRun.objects.order_by("-began_at", "id")  # first: not started

    @answers("list_runs", "Crawl runs", RunPageSerializer, 404)
    def get(self, request: Request) -> Response:
        """The newest first: their arguments, counts and verdicts."""
        runs = select(self.queryset, self.query)
        page = Page(runs, request, self.query, by_key=False)
        found = page.read(RUN)
        return Response(page.body(found, write(list(RUN.values()), [row[1:] for row in found.rows[: page.size]])))


class Run(ReadView):
    queryset = CrawlRun.objects.all()

    @answers("get_run", "A crawl run", RunSerializer, 404)
    def get(self, request: Request, run_id: str) -> Response:
        """The run with this key: its arguments, counts and verdict."""
        return Response(one(self.queryset, run_id, "run", list(RUN.values())))


class Health(ReadView):
    @answers("get_health", "Health of the data", HealthSerializer)
    def get(self, request: Request) -> Response:
        """How complete and how fresh the data is, and which runs are under way."""
        state = State.check()
        return Response(HealthSerializer(state, context={"now": state.now}).data)


class SchemaFile(ReadView):
    permission_classes = [permissions.AllowAny]
    authentication_classes = ()

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response(whole_schema())


class Docs(SpectacularSwaggerSplitView):
    """Swagger's page. This site serves its assets, and its script from an address of its own."""

    http_method_names = ReadView.http_method_names
    url_name = "api:schema"
    template_name = "api/docs.html"

    def get_renderers(self) -> list[BaseRenderer]:
        """Errors are JSON, as at the other addresses."""
        return super().get_renderers() if self.request.method in ("GET", "HEAD") else [JSONRenderer()]


def chosen(query: dict[str, Any]) -> list[models.Field]:
    """The fields that a query asks for, in the model's order."""
    return [field for name, field in COIN.items() if name in query.get("fields", COIN)]


def one(rows: QuerySet, key: str, what: str, fields: Sequence[models.Field]) -> dict[str, Any]:
    """The row with this key. Raises NotFound if there is none."""
    names = [field.name for field in fields]
    found = write(fields, list(rows.filter(pk=key).values_list(*names)))
    if not found:
        raise NotFound(f"There is no {what} {printable(key, 100)}.")
    return found[0]
