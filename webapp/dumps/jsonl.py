"""The format `jsonl`."""

from django.core.serializers import jsonl

from . import ExactMixin


class Serializer(ExactMixin, jsonl.Serializer):
    pass


Deserializer = jsonl.Deserializer
