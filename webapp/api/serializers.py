"""The shape of responses, for the schema. `writing` makes the responses: it is several times as fast."""

from datetime import datetime
from typing import Any, ClassVar, cast

from django.db import models
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from webapp.api.parameters import GAP_STEPS, Choice
from webapp.api.writing import BAR, COIN, OBSERVATION, RUN
from webapp.coins.models import FullCoin, Price, PriceBar
from webapp.crawls.models import CrawlRun


class RowSerializer(serializers.ModelSerializer):
    # An image's URL is stored as the source sent it: it starts with http, and may be invalid.
    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.URLField: serializers.CharField,
    }


class CoinSerializer(RowSerializer):
    class Meta:
        model = FullCoin
        fields = tuple(COIN)
        extra_kwargs = {name: {"required": False} for name in COIN}  # `?fields=` omits the others


TEXT = {"type": "string"}


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"oneOf": [TEXT, {"type": "number"}, {"type": "array", "items": TEXT}]},
    }
)
class ArgumentsField(serializers.JSONField):
    """A run's arguments by name, of the types that a spider may declare."""


@extend_schema_field({"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}})
class CountsField(serializers.JSONField):
    """Counts by field of a coin. Fields without a count are omitted."""


class AnyRunSerializer(RowSerializer):
    JSON_FIELDS: ClassVar = {"arguments": ArgumentsField, "rounded": CountsField, "filled": CountsField}

    def build_standard_field(self, field_name: str, model_field: Any) -> Any:
        kind, options = super().build_standard_field(field_name, model_field)
        return self.JSON_FIELDS.get(field_name, kind), options


class RunSerializer(AnyRunSerializer):
    class Meta:
        model = CrawlRun
        fields = read_only_fields = tuple(RUN)


class PageSerializer(serializers.Serializer):
    count = serializers.IntegerField(min_value=0, help_text="The number of all results, on all pages.")
    next = serializers.URLField(allow_null=True, help_text="The address of the next page; null on the last.")
    previous = serializers.URLField(
        allow_null=True, help_text="The address of the page with the number before; null if `page` is 1."
    )


class CoinPageSerializer(PageSerializer):
    count = serializers.IntegerField(
        min_value=0,
        help_text="The number of all results, on all pages. With `after`, it is of all coins in the default order, "
        "and of the coins after that one in other orders.",
    )
    results = CoinSerializer(many=True)


class RunPageSerializer(PageSerializer):
    results = RunSerializer(many=True)


class ObservationSerializer(RowSerializer):
    class Meta:
        model = Price
        fields: tuple[str, ...] = tuple(OBSERVATION)
        read_only_fields = fields


class BarSerializer(RowSerializer):
    class Meta:
        model = PriceBar
        fields: tuple[str, ...] = tuple(BAR)
        read_only_fields = fields


class CoinObservationSerializer(ObservationSerializer):
    coin_id = serializers.CharField()

    class Meta(ObservationSerializer.Meta):
        fields = ("coin_id", *OBSERVATION)


class CoinBarSerializer(BarSerializer):
    coin_id = serializers.CharField()

    class Meta(BarSerializer.Meta):
        fields = ("coin_id", *BAR)


def either(component: str, *rows: type[RowSerializer]) -> PolymorphicProxySerializer:
    return PolymorphicProxySerializer(component, list(rows), resource_type_field_name=None, many=True)


@extend_schema_field(either("CoinPrice", BarSerializer, ObservationSerializer))
class CoinPricesField(serializers.ListField):
    """Bars, or observations if the step is `raw`."""


@extend_schema_field(either("DayPrice", CoinBarSerializer, CoinObservationSerializer))
class DayPricesField(serializers.ListField):
    """The same, each with the coin's id."""


class LinkedPageSerializer(serializers.Serializer):
    next = serializers.URLField(allow_null=True, help_text="The address of the next page; null on the last.")


class CoinPricesPageSerializer(LinkedPageSerializer):
    results = CoinPricesField()


class DayPricesPageSerializer(LinkedPageSerializer):
    count = serializers.IntegerField(
        allow_null=True,
        min_value=0,
        help_text="The number of all results of the day, on all pages; null on pages that begin after a coin.",
    )
    results = DayPricesField()


class PriceDaySerializer(serializers.Serializer):
    date = serializers.DateField(source="day", help_text="The day, in UTC.")
    changed_at = serializers.DateTimeField(
        help_text="When its bars last changed, by the database's clock; later than all changes before it."
    )


class PriceDaysPageSerializer(LinkedPageSerializer):
    results = PriceDaySerializer(many=True)


class GapSerializer(serializers.Serializer):
    step = Choice("GapStep", GAP_STEPS, source="step.label", help_text="Which bars are missing.")
    since = serializers.DateTimeField(help_text="The beginning of the first missing bar.")
    until = serializers.DateTimeField(help_text="The end of the last missing bar.")


class GapsSerializer(serializers.Serializer):
    results = GapSerializer(many=True)


class ErrorSerializer(serializers.Serializer):
    detail = serializers.CharField(help_text="What is wrong, in a sentence.")


class AddressesSerializer(serializers.Serializer):
    coins = serializers.URLField()
    prices = serializers.URLField()
    price_days = serializers.URLField()
    price_gaps = serializers.URLField()
    runs = serializers.URLField()
    health = serializers.URLField()
    schema = serializers.URLField()
    docs = serializers.URLField()


WHICH_RUN = ("id", "spider", "arguments", "verdict", "reason")
WHEN = ("started_at", "heartbeat_at", "finished_at")


class RunInShortSerializer(AnyRunSerializer):
    class Meta:
        model = CrawlRun
        fields: tuple[str, ...] = (*WHICH_RUN, *WHEN)
        read_only_fields = fields
        extra_kwargs: ClassVar = {"started_at": {"allow_null": False}}  # it has started


class CompleteRunSerializer(RunInShortSerializer):
    age = serializers.SerializerMethodField(help_text="Seconds since it ended.")

    class Meta(RunInShortSerializer.Meta):
        fields = (*RunInShortSerializer.Meta.fields, "age")
        extra_kwargs: ClassVar = {"finished_at": {"allow_null": False}}  # it has ended

    def get_age(self, run: CrawlRun) -> int:
        return int((self.context["now"] - cast(datetime, run.finished_at)).total_seconds())


class HealthSerializer(serializers.Serializer):
    coins = serializers.IntegerField(min_value=0, help_text="Coins stored.")
    missing = serializers.IntegerField(min_value=0, help_text="Stored coins that the market no longer has.")
    rejected = serializers.IntegerField(min_value=0, help_text="Open rejected records, which could not be stored.")
    last_updated = serializers.DateTimeField(allow_null=True, help_text="The newest `last_updated` of all coins.")
    changed_at = serializers.DateTimeField(allow_null=True, help_text="When a crawl last changed a coin.")
    last_complete = CompleteRunSerializer(allow_null=True, help_text="The last complete run of a whole source.")
    last_run = RunInShortSerializer(allow_null=True, help_text="The last run that has started, with any verdict.")
    running = RunInShortSerializer(many=True, help_text="The runs under way.")
    fresh = serializers.BooleanField(
        allow_null=True, help_text="Whether the last complete run is recent enough; null if any age is allowed."
    )
    problems = serializers.DictField(
        child=serializers.CharField(),
        help_text="Problems by check (data, schedule, runs, rejected, source, prices), and what to do; empty if all is "
        "well.",
    )
