"""The format `json`."""

from django.core.serializers import json

from webapp.dumps import ExactMixin


class Serializer(ExactMixin, json.Serializer):
    pass


Deserializer = json.Deserializer
