"""How a coin is called."""

import pytest

from webapp.coins.models import FullCoin


@pytest.mark.parametrize(
    ("name", "symbol", "title"),
    [
        ("Bitcoin", "btc", "Bitcoin (BTC)"),
        ("Bitcoin", None, "Bitcoin"),
        (None, "btc", "bitcoin (BTC)"),
        ("  ", "", "bitcoin"),
    ],
)
def test_a_coin_is_called_by_its_name_or_else_its_id(name: str | None, symbol: str | None, title: str) -> None:
    assert str(FullCoin(coin_id="bitcoin", name=name, symbol=symbol)) == title
