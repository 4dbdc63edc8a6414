"""A market, and the API that has it."""

from collections.abc import Iterator

import pytest

from fake_api import FakeAPI, Market


@pytest.fixture
def market() -> Market:
    return Market(coins=300)


@pytest.fixture
def api(market: Market) -> Iterator[FakeAPI]:
    with FakeAPI(market) as api:
        yield api
