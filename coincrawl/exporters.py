"""Exporters that write a coin's values exactly, for all formats of Scrapy.

Numbers keep all digits: they are numbers in JSON, texts in CSV, XML and marshal, and Decimals in pickle. Dates are in
ISO 8601. In CSV, an empty text and a null look the same.
"""

import json
import re
from dataclasses import asdict, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from xml.sax.xmlreader import AttributesImpl

import simplejson
from scrapy import exporters

# Characters that XML does not allow, and the carriage return, which its readers turn into a line feed.
NOT_IN_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain(value: Any) -> Any:
    """A value that all formats can hold: Decimals and dates become texts."""
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


class ExactEncoder(simplejson.JSONEncoder):
    """Decimals as JSON numbers with all their digits, dates in ISO 8601."""

    def default(self, value: Any) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
        return value.isoformat() if isinstance(value, datetime) else super().default(value)


class ExactJsonItemExporter(exporters.JsonItemExporter):
    """`-O coins.json`: Scrapy's exporter would write numbers as texts."""

    encoder: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.encoder = ExactEncoder(use_decimal=True, indent=self.indent or None, ensure_ascii=not self.encoding)


class ExactJsonLinesItemExporter(exporters.JsonLinesItemExporter):
    encoder: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.encoder = ExactEncoder(use_decimal=True, ensure_ascii=not self.encoding)


class PlainValues(exporters.BaseItemExporter):
    def serialize_field(self, field: Any, name: str, value: Any) -> Any:
        return plain(value)


class ExactCsvItemExporter(PlainValues, exporters.CsvItemExporter):
    pass


class ExactMarshalItemExporter(PlainValues, exporters.MarshalItemExporter):
    """`-O coins.marshal`, which has no type for decimals and dates."""


class ExactXmlItemExporter(exporters.XmlItemExporter):
    """`-O coins.xml`. A missing element is a null.

    A text with characters that XML does not allow is escaped as in JSON, and its element has `escaped="json"`.
    """

    def _export_xml_field(self, name: str, serialized_value: Any, depth: int) -> None:
        if serialized_value is None:
            return
        text, attributes = str(plain(serialized_value)), dict[str, str]()
        if NOT_IN_XML.search(text):
            text, attributes = json.dumps(text)[1:-1], {"escaped": "json"}
        self._beautify_indent(depth=depth)
        self.xg.startElement(name, AttributesImpl(attributes))
        self.xg.characters(text)
        self.xg.endElement(name)
        self._beautify_newline()
