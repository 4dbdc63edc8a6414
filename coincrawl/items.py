"""CoinItem, whose fields are FullCoin's, and the exporters that write its numbers exactly."""

from datetime import datetime
from typing import Any

import simplejson
from scrapy import Field
from scrapy.exporters import JsonItemExporter, JsonLinesItemExporter
from scrapy_djangoitem import DjangoItem

from webapp.coins.models import FullCoin


class CoinItem(DjangoItem):
    """A record on its way: as it was sent, until CleanPipeline turns it into the values of the model's fields.

    Only the fields are used: DjangoItem's own `save` and validation are one query a coin, and not async.
    """

    django_model = FullCoin

    record = Field()  # as the API sent it
    translated = Field()  # the same under the model's names
    page = Field()  # the page it stood on
    rejection = Field()  # a webapp.coins.cleaning.Rejection, where it cannot be stored


class ExactEncoder(simplejson.JSONEncoder):
    """Decimals as JSON numbers with all their digits, dates in ISO 8601."""

    def default(self, value: Any) -> Any:
        return value.isoformat() if isinstance(value, datetime) else super().default(value)


class ExactJsonItemExporter(JsonItemExporter):
    """`-O coins.json`: Scrapy's exporter would write numbers as texts."""

    encoder: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.encoder = ExactEncoder(use_decimal=True, indent=self.indent or None, ensure_ascii=not self.encoding)


class ExactJsonLinesItemExporter(JsonLinesItemExporter):
    """`-O coins.jsonl`."""

    encoder: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.encoder = ExactEncoder(use_decimal=True, ensure_ascii=not self.encoding)
