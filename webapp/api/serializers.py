"""The shape of responses, for the schema. `writing` makes the responses: it is several times as fast."""

from datetime import datetime
from typing import Any, ClassVar, cast

from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from webapp.api.writing import COIN, RUN
from webapp.coins.models import FullCoin
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
        help_text="Problems by check (data, schedule, runs, rejected, source), and what to do; empty if all is well.",
    )
