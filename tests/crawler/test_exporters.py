"""What is read back from a feed is what the item had, in every format that Scrapy has."""

import csv
import io
import json
import marshal
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from scrapy.settings import Settings, default_settings
from scrapy.utils.misc import load_object

from coincrawl import crawl_settings
from coincrawl.items import CoinItem

MOMENT = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
VALUES: dict[str, Any] = {
    "coin_id": "a",
    "symbol": "",
    "name": 'Ünï "quoted", <&> \u0001\r\n\u2028 \U0001f600',
    "current_price": Decimal("1.50"),
    "market_cap": Decimal("1234567890123456789012345678.000000000000000001"),
    "atl": Decimal("1E-18"),
    "max_supply": None,
    "market_cap_rank": 7,
    "last_updated": MOMENT,
}
TEXTS = {
    name: str(value) if isinstance(value, Decimal) else value.isoformat() if isinstance(value, datetime) else value
    for name, value in VALUES.items()
}


def from_xml(data: bytes) -> dict[str, Any]:
    (item,) = ElementTree.fromstring(data)
    texts = {field.tag: field.text or "" for field in item}
    for field in item:
        if field.get("escaped") == "json":
            texts[field.tag] = json.loads(f'"{field.text}"')
    return texts


def numbers(data: bytes) -> Any:
    return json.loads(data, parse_float=Decimal)


READ: dict[str, Callable[[bytes], dict[str, Any]]] = {
    "json": lambda data: numbers(data)[0],
    **dict.fromkeys(("jsonlines", "jsonl", "jl"), numbers),
    "csv": lambda data: dict(next(csv.DictReader(io.StringIO(data.decode(), newline="")))),
    "xml": from_xml,
    "pickle": pickle.loads,
    "marshal": marshal.loads,
}
AS_READ: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("json", "jsonlines", "jsonl", "jl"), VALUES | {"last_updated": MOMENT.isoformat()}),
    "csv": {name: "" if value is None else str(value) for name, value in TEXTS.items()},
    "xml": {name: str(value) for name, value in TEXTS.items() if value is not None},
    "pickle": VALUES,
    "marshal": TEXTS,
}


def exporters() -> dict[str, Any]:
    settings = Settings({"FEED_EXPORTERS": crawl_settings.FEED_EXPORTERS})
    return dict(settings.getwithbase("FEED_EXPORTERS"))


@pytest.mark.parametrize("form", READ)
def test_a_feed_is_read_back_as_it_was(form: str) -> None:
    file = io.BytesIO()
    exporter = load_object(exporters()[form])(file, encoding="utf-8", fields_to_export=list(VALUES))

    exporter.start_exporting()
    exporter.export_item(CoinItem(**VALUES))
    exporter.finish_exporting()

    assert READ[form](file.getvalue()) == AS_READ[form]


@pytest.mark.parametrize("form", ["json", "jsonl", "xml"])
def test_a_feed_has_letters_as_they_are_and_no_bare_carriage_return(form: str) -> None:
    file = io.BytesIO()
    exporter = load_object(exporters()[form])(file, encoding="utf-8", fields_to_export=["name"], indent=2)

    exporter.start_exporting()
    exporter.export_item(CoinItem(name="\u00dcn\u00ef\r"))
    exporter.finish_exporting()

    assert b"\xc3\x9cn\xc3\xaf" in file.getvalue() or form == "xml"  # where the element is escaped as in JSON
    assert b"\r" not in file.getvalue()
    assert b"\n  " in file.getvalue() or form == "jsonl"


def test_every_format_that_scrapy_has_is_tested() -> None:
    assert {*default_settings.FEED_EXPORTERS_BASE} == {*exporters()} == {*READ}
