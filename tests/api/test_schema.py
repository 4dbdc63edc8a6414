"""The schema, and that the read API answers as the schema says."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import Barrier
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from django.db.models import DecimalField, Model
from django.test import Client
from hypothesis import HealthCheck
from rest_framework.authtoken.models import Token
from rest_framework.throttling import SimpleRateThrottle

from tests.support.admin import HOSTILE
from tests.support.factories import NOON, make_coin, make_rejected, make_run
from tests.support.prices import make_bar, make_price
from webapp.api.parameters import CoinsParameters
from webapp.api.schema import made_schema, whole_schema
from webapp.coins.models import FullCoin, Price, PriceBar, PriceHour
from webapp.coins.prices.tiers import Step
from webapp.crawls.models import CrawlRun
from webapp.crawls.verdict import Verdict
from webapp.wsgi import application

pytestmark = pytest.mark.django_db

api = schemathesis.openapi.from_wsgi("/api/schema/", application)


def test_the_schema_is_valid_and_leaves_nothing_to_guess(tmp_path: Path) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yml"))


def test_every_parameter_is_described_with_its_limits() -> None:
    operations = {path: item["get"] for path, item in whole_schema()["paths"].items()}
    parameters = [parameter for operation in operations.values() for parameter in operation.get("parameters", [])]

    for parameter in parameters:
        limits = parameter["schema"].keys() & {"allOf", "items", "pattern", "format", "minimum", "maxLength"}
        assert limits or parameter["schema"]["type"] == "boolean", parameter
        assert parameter.get("description") or parameter["schema"]["maxLength"] == 255, parameter  # a key
    assert {parameter["name"] for parameter in operations["/api/coins/"]["parameters"]} == {
        *CoinsParameters().get_fields()
    }


def test_the_errors_that_can_happen_are_described() -> None:
    described = {path: set(item["get"]["responses"]) for path, item in whole_schema()["paths"].items()}

    everywhere = {"200", "400", "401", "406", "429", "503"}
    assert described == {
        "/api/": everywhere,
        "/api/coins.csv": everywhere,
        "/api/coins/": everywhere | {"404"},
        "/api/coins/{coin_id}/": everywhere | {"404"},
        "/api/coins/{coin_id}/prices/": everywhere | {"404"},
        "/api/health/": everywhere,
        "/api/prices/": everywhere,
        "/api/prices/days/": everywhere,
        "/api/prices/gaps/": everywhere | {"404"},
        "/api/runs/": everywhere | {"404"},
        "/api/runs/{run_id}/": everywhere | {"404"},
    }


def test_the_schema_is_made_once_however_many_ask_at_once() -> None:
    made_schema.cache_clear()
    together = Barrier(4)

    def ask(_: int) -> Any:
        together.wait()
        return whole_schema()

    with ThreadPoolExecutor(4) as threads:
        schemas = list(threads.map(ask, range(4)))

    assert made_schema.cache_info().misses == 1
    assert all(schema is schemas[0] for schema in schemas)


def test_a_token_is_the_first_way_in_and_says_how_it_is_written() -> None:
    ways = whole_schema()["components"]["securitySchemes"]

    by_token, by_session = ways.values()
    assert (by_token["type"], by_token["scheme"]) == ("http", "bearer")
    assert "`Authorization: Bearer ...`" in by_token["description"]
    assert (by_session["in"], by_session["name"]) == ("cookie", "sessionid")


# What clients that are generated need --------------------------------------------------------------
def components() -> dict[str, Any]:
    return whole_schema()["components"]["schemas"]


def properties() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each property of each component, as `Component.property` with its schema."""
    for name, component in components().items():
        for key, schema in component.get("properties", {}).items():
            yield f"{name}.{key}", schema


def test_no_value_is_of_any_type() -> None:
    for name, schema in properties():
        assert schema.keys() & {"type", "allOf", "$ref"}, name
        assert schema.get("type") != "object" or schema["additionalProperties"], name


@pytest.mark.parametrize(
    ("component", "model", "never"),
    [
        pytest.param("Coin", FullCoin, set(), id="coin"),
        pytest.param("Observation", Price, set(), id="observation"),
        pytest.param("Bar", PriceBar, set(), id="bar"),
        pytest.param("CoinObservation", Price, set(), id="observation of a coin"),
        pytest.param("CoinBar", PriceBar, set(), id="bar of a coin"),
        pytest.param("Run", CrawlRun, set(), id="run"),
        pytest.param("RunInShort", CrawlRun, {"started_at"}, id="run that has begun"),
        pytest.param("CompleteRun", CrawlRun, {"finished_at"}, id="run that has ended"),
    ],
)
def test_what_may_be_null_says_so_and_nothing_else_does(component: str, model: type[Model], never: set[str]) -> None:
    described = components()[component]["properties"]

    nullable = {name for name, schema in described.items() if schema.get("nullable")}

    assert nullable == {f.name for f in model._meta.concrete_fields if f.null and f.name in described} - never


def test_numbers_with_a_fraction_are_texts() -> None:
    decimals = {field.name for field in FullCoin._meta.concrete_fields if isinstance(field, DecimalField)}
    parameters = whole_schema()["paths"]["/api/coins/"]["get"]["parameters"]

    values = [schema for name, schema in components()["Coin"]["properties"].items() if name in decimals]
    limits = [
        parameter["schema"] for parameter in parameters if parameter["name"].startswith(("price_", "market_cap_"))
    ]

    assert len(decimals) > 10
    assert len(limits) == 4
    assert {(schema["type"], schema["format"]) for schema in values + limits} == {("string", "decimal")}


def test_each_enumeration_is_one_component_whose_names_do_not_collide() -> None:
    enumerations = {name: schema for name, schema in components().items() if "enum" in schema}
    inline = [name for name, schema in properties() if "enum" in schema]

    assert list(enumerations) == [
        "CoinField",
        "CoinOrdering",
        "GapStep",
        "PriceOrdering",
        "PriceStep",
        "Spider",
        "Verdict",
    ]
    assert inline == []
    for schema in enumerations.values():
        names = schema.get("x-enum-varnames", [value.upper() for value in schema["enum"]])
        assert len(set(names)) == len(schema["enum"])
        assert all(name.isidentifier() for name in names)


def test_operations_are_verbs() -> None:
    operations = [item["get"]["operationId"] for item in whole_schema()["paths"].values()]

    assert operations == [
        "get_addresses",
        "list_coins",
        "export_coins",
        "get_coin",
        "list_coin_prices",
        "get_health",
        "list_prices",
        "list_price_days",
        "list_price_gaps",
        "list_runs",
        "get_run",
    ]


def test_the_page_has_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api/docs/").content.decode() + client.get("/api/docs/?script=").content.decode()

    addresses = re.findall(r'(?:src|href|url)\s*[=:]\s*"([^"]*)"', page)
    ours = "/static/(drf_spectacular_sidecar|coincrawl)/|/api/(schema|docs)/"
    assert len(addresses) == 7  # favicon, two styles, three scripts, and the schema
    assert all(re.match(ours, address) for address in addresses)
    assert '"validatorUrl": null' in page  # else it shows the schema's address to swagger.io, where that has a name


@pytest.fixture
def extremes() -> None:
    """What the database can hold at its widest, and runs of every verdict."""
    whole = 29 if connection.vendor == "sqlite" else 30
    places = {f.name: f.decimal_places for f in FullCoin._meta.concrete_fields if isinstance(f, DecimalField)}
    make_coin(
        "x" * 255,
        name="🚀" * 255,
        symbol="y" * 100,
        image="https://" + "z" * 492,
        market_cap_rank=2**31 - 1,
        last_updated=datetime.max.replace(tzinfo=UTC),
        **{name: Decimal(10) ** (30 + whole - after - 1) for name, after in places.items()},
    )
    make_coin(
        "smallest",
        name="",
        symbol="",
        image='http://a b"<>',
        market_cap_rank=-(2**31),
        last_updated=datetime.min.replace(tzinfo=UTC),
        missing_since=NOON,
        **{name: -Decimal(1).scaleb(-after) for name, after in places.items()},
    )
    for coin_id in [text for text in HOSTILE.values() if text]:
        make_coin(coin_id)
    counts = {"rounded": {"ath": 2**31}, "filled": {"coin_id": 1, "ath": 0}}
    make_run(id="with arguments", arguments={"order": "id_asc", "pages": 1, "share": 0.5, "ids": ["a", "b"]}, **counts)
    for verdict in Verdict:
        begun = None if verdict == Verdict.PENDING else NOON
        make_run(id=f"{verdict}/1", verdict=verdict, started_at=begun, finished_at=begun, reason="<\n>", seen=2**31 - 1)
    make_rejected()
    largest, smallest = Decimal(10) ** (whole - 1), -Decimal(1).scaleb(-30)
    for coin_id in ("bitcoin", "x" * 255):
        make_price(coin_id, time=datetime.max.replace(tzinfo=UTC), price=largest, volume=smallest, rank=-(2**31))
        for step in Step:
            prices = dict.fromkeys(("close", "open", "high", "market_cap"), largest)
            make_bar(coin_id, step, time=datetime(2000, 1, 1, tzinfo=UTC), observations=2**31 - 1, **prices)
    PriceHour.objects.create(time=NOON, changed_at=datetime.max.replace(tzinfo=UTC))


@pytest.fixture
def headers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Those of a reader, who may call as often as it takes, also without them, and on the test's own connection."""
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"user": None, "anon": None})
    token = Token.objects.create(user=User.objects.create(username="reader"))
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield {
        "Authorization": f"Bearer {token.key}",
        "Accept-Encoding": "identity",
    }  # it asks for gzip and does not unpack
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.mark.every_database
@api.parametrize()
@hypothesis.settings(
    max_examples=10,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # reading changes nothing
)
def test_every_answer_is_as_the_schema_says(case: Any, extremes: None, headers: dict[str, str]) -> None:
    case.call_and_validate(headers=headers)
