"""The format `json`."""

from django.core.serializers import json

from . import ExactMixin


class Serializer(ExactMixin, json.Serializer):
    pass


Deserializer = json.Deserializer
