"""The schema, and the read API against it: whatever it allows is answered as it says, and nothing else is."""

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
from django.db.models import DecimalField
from django.test import Client
from hypothesis import HealthCheck
from rest_framework.authtoken.models import Token
from rest_framework.throttling import SimpleRateThrottle

from tests.test_admin import HOSTILE, NOON, make_coin, make_rejected, make_run
from webapp.coins.api.filters import CoinsParameters
from webapp.coins.api.schema import made_schema, whole_schema
from webapp.coins.models import FullCoin, Verdict
from webapp.wsgi import application

pytestmark = pytest.mark.django_db

api = schemathesis.openapi.from_wsgi("/api/schema/", application)


def test_the_schema_is_valid_and_leaves_nothing_to_guess(tmp_path: Path) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yml"))


def test_every_parameter_is_described_with_its_limits() -> None:
    operations = {path: item["get"] for path, item in whole_schema()["paths"].items()}
    parameters = [parameter for operation in operations.values() for parameter in operation.get("parameters", [])]

    for parameter in parameters:
        limits = parameter["schema"].keys() & {"enum", "items", "pattern", "format", "minimum", "maxLength"}
        assert limits or parameter["schema"]["type"] == "boolean", parameter
        assert parameter.get("description") or parameter["schema"]["maxLength"] == 255, parameter  # a key
    assert {parameter["name"] for parameter in operations["/api/coins/"]["parameters"]} == {
        *CoinsParameters.base_filters
    }


def test_the_errors_that_can_happen_are_described() -> None:
    described = {path: set(item["get"]["responses"]) for path, item in whole_schema()["paths"].items()}

    everywhere = {"200", "304", "400", "401", "406", "412", "429"}
    assert described == {
        "/api/": everywhere,
        "/api/coins/": everywhere | {"404"},
        "/api/coins/{coin_id}/": everywhere | {"404"},
        "/api/health/": everywhere,
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

    assert [(way["in"], way["name"]) for way in ways.values()] == [("header", "Authorization"), ("cookie", "sessionid")]
    assert "`Token `" in next(iter(ways.values()))["description"]


def test_the_page_has_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api/docs/").content.decode()

    addresses = re.findall(r'(?:src|href|url)\s*[=:]\s*"([^"]*)"', page)
    assert len(addresses) == 5  # favicon, style, two scripts, and the schema
    assert all(re.match("/static/drf_spectacular_sidecar/|/api/schema/", address) for address in addresses)
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
    for verdict in Verdict:
        begun = None if verdict == Verdict.PENDING else NOON
        make_run(id=f"{verdict}/1", verdict=verdict, started_at=begun, finished_at=begun, reason="<\n>", seen=2**31 - 1)
    make_rejected()


@pytest.fixture
def headers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Those of a reader, who may call as often as it takes, also without them, and on the test's own connection."""
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"user": None, "anon": None})
    token = Token.objects.create(user=User.objects.create(username="reader"))
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield {"Authorization": f"Token {token.key}", "Accept-Encoding": "identity"}  # it asks for gzip and does not unpack
    for signal in signals:
        signal.connect(close_old_connections)


@api.parametrize()
@hypothesis.settings(
    max_examples=20,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # reading changes nothing
)
def test_every_answer_is_as_the_schema_says(case: Any, extremes: None, headers: dict[str, str]) -> None:
    case.call_and_validate(headers=headers)
