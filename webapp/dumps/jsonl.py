"""The format `jsonl`."""

from django.core.serializers import jsonl

from webapp.dumps import ExactMixin


class Serializer(ExactMixin, jsonl.Serializer):
    pass


Deserializer = jsonl.Deserializer
