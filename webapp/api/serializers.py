"""What answers look like, for the schema; rows are written by `writing`, which is several times as fast."""

from datetime import datetime
from typing import Any, ClassVar, cast

from django.db import models
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from webapp.api.writing import COIN, RUN
from webapp.coins.models import FullCoin
from webapp.crawls.models import CrawlRun


class RowSerializer(serializers.ModelSerializer):
    # An image's address is as the API sent it: it begins as an address, and need not be one.
    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.URLField: serializers.CharField,
    }


class CoinSerializer(RowSerializer):
    class Meta:
        model = FullCoin
        fields = tuple(COIN)
        extra_kwargs = {name: {"required": False} for name in COIN}  # `?fields=` leaves out the others


TEXT = {"type": "string"}


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"oneOf": [TEXT, {"type": "number"}, {"type": "array", "items": TEXT}]},
    }
)
class ArgumentsField(serializers.JSONField):
    """A run's arguments by name, of the kinds that a spider may declare."""


@extend_schema_field({"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}})
class CountsField(serializers.JSONField):
    """A number for each field of a coin that there is something to count of."""


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
    count = serializers.IntegerField(min_value=0, help_text="The number of all results, of which a page has a part.")
    next = serializers.URLField(allow_null=True, help_text="The address of the next page; null on the last.")
    previous = serializers.URLField(
        allow_null=True, help_text="The address of the page that has the number before; null where `page` is 1."
    )


class CoinPageSerializer(PageSerializer):
    count = serializers.IntegerField(
        min_value=0,
        help_text="The number of all results, of which a page has a part. In the default order `after` takes none from "
        "it; in every other order it is of the coins after that one.",
    )
    results = CoinSerializer(many=True)


class RunPageSerializer(PageSerializer):
    results = RunSerializer(many=True)


class ErrorSerializer(serializers.Serializer):
    detail = serializers.CharField(help_text="What is wrong, in a sentence.")


class AddressesSerializer(serializers.Serializer):
    coins = serializers.URLField()
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
        extra_kwargs: ClassVar = {"started_at": {"allow_null": False}}  # it has begun


class CompleteRunSerializer(RunInShortSerializer):
    age = serializers.SerializerMethodField(help_text="Seconds since it ended.")

    class Meta(RunInShortSerializer.Meta):
        fields = (*RunInShortSerializer.Meta.fields, "age")
        extra_kwargs: ClassVar = {"finished_at": {"allow_null": False}}  # it has ended

    def get_age(self, run: CrawlRun) -> int:
        return int((timezone.now() - cast(datetime, run.finished_at)).total_seconds())


class HealthSerializer(serializers.Serializer):
    coins = serializers.IntegerField(min_value=0, help_text="Coins stored.")
    missing = serializers.IntegerField(min_value=0, help_text="Of them, those that the market no longer has.")
    rejected = serializers.IntegerField(min_value=0, help_text="Open rejected records: what could not be stored.")
    last_updated = serializers.DateTimeField(allow_null=True, help_text="The newest update that the market told of.")
    changed_at = serializers.DateTimeField(allow_null=True, help_text="When a crawl last changed a coin.")
    last_complete = CompleteRunSerializer(allow_null=True, help_text="The last complete run of a whole source.")
    last_run = RunInShortSerializer(allow_null=True, help_text="The last run that has begun, whatever came of it.")
    running = RunInShortSerializer(many=True, help_text="The runs under way.")
    fresh = serializers.BooleanField(
        allow_null=True, help_text="Whether the last complete run is recent enough; null where any age will do."
    )
    problems = serializers.DictField(
        child=serializers.CharField(),
        help_text="What is ill, by check (data, schedule, runs, rejected, source), and what to do; empty: all is well.",
    )
