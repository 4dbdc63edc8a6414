"""The catalog: which arguments are taken, as what, and what is said of the others."""

from contextlib import nullcontext
from typing import Any

import pytest

from webapp.crawls.catalog import ORDERS, PLANS, SPIDERS, ArgumentError, check_source, parse_arguments


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({}, {}),
        ({"order": "market_cap_desc", "pages": "1"}, {"order": "market_cap_desc", "pages": 1}),
        ({"pages": "1", "order": "market_cap_desc"}, {"order": "market_cap_desc", "pages": 1}),
        ({"per_page": "250"}, {"per_page": 250}),
        ({"category": "layer-1"}, {"category": "layer-1"}),
        ({"ids": "ethereum, bitcoin,ethereum"}, {"ids": ["bitcoin", "ethereum"]}),
        ({"ids": "bitcoin" + ",bitcoin" * 12_000}, {"ids": ["bitcoin"]}),
    ],
)
def test_right_arguments_become_values(given: dict[str, str], values: dict[str, object]) -> None:
    parsed = parse_arguments("markets", given)

    assert parsed == values
    assert list(parsed) == list(values)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"per_page": "0"}, "per_page=0 is not valid: per_page is a whole number from 1 to 250."),
        ({"per_page": "251"}, "a whole number from 1 to 250"),
        ({"per_page": "ten"}, "a whole number from 1 to 250"),
        ({"per_page": "²"}, "a whole number from 1 to 250"),
        ({"pages": "9" * 5_000}, "a whole number from 1 to 1000"),
        ({"order": "ID_ASC"}, f"order is one of {', '.join(ORDERS)}."),
        ({"category": ""}, "category is one of CoinGecko's category ids, such as layer-1."),
        ({"ids": "bitcoin,,ethereum"}, "ids is coin ids with commas between them, such as bitcoin,ethereum."),
        ({"ids": "a b"}, "coin ids with commas between them"),
        ({"ids": "\udcff"}, "coin ids with commas between them"),
        ({"ids": "x" * 256}, "coin ids with commas between them"),
        ({"ids": ",".join(["é" * 200] * 300)}, "ids is too long: 100,000 bytes are the most."),
        ({"pagez": "1"}, "markets has no argument 'pagez'. Its arguments: order, per_page, pages, category, ids."),
        ({"ids": "a", "category": "b"}, "ids and category cannot be given together: leave one out."),
    ],
)
def test_wrong_arguments_are_named_with_what_would_be_right(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        parse_arguments("markets", given)

    assert sentence in str(raised.value)


def test_past_prices_need_the_coins_to_be_named() -> None:
    with pytest.raises(ArgumentError, match=r"^history needs -a ids=..., top=... or only=...$"):
        parse_arguments("history", {"days": "7"})

    assert parse_arguments("history", {"only": "gaps", "top": "7"}) == {"top": 7, "only": "gaps"}


@pytest.mark.parametrize(
    "url",
    [
        "http://coins.example/api/coins/",
        "https://user:hidden@coins.example/api/coins/",
        "https://coins.example/api/coins/?api_key=hidden",
        "",
    ],
)
def test_an_address_that_cannot_be_asked_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ArgumentError, match=r"url is the address of a list of coins, such as") as raised:
        parse_arguments("mirror", {"url": url})

    assert "hidden" not in str(raised.value)


def test_an_only_choice_is_named() -> None:
    with pytest.raises(ArgumentError, match=r"only=chnged is not valid: only is changed\."):
        parse_arguments("mirror", {"only": "chnged"})


@pytest.mark.parametrize(
    "url", ["https://coins.example/api/coins/?category=a", "http://127.0.0.1:8000/", "http://web/"]
)
def test_an_address_that_can_be_asked_is_taken(url: str, settings: Any) -> None:
    settings.PLAIN_HTTP_HOSTS = ["web"]

    assert parse_arguments("mirror", {"only": "changed", "url": url}) == {"url": url, "only": "changed"}


@pytest.mark.parametrize(
    ("spider", "given", "settings", "sentence"),
    [
        ("markets", {}, {}, ""),
        ("mirror", {}, {}, "mirror needs -a url=..., or MIRROR_URL in the environment."),
        ("mirror", {}, {"MIRROR_URL": "x"}, ""),
        ("mirror", {"url"}, {}, ""),
        ("mirror", {}, {"MIRROR_URL": "x", "API_TOKEN": "y"}, ""),
        (
            "mirror",
            {"url"},
            {"API_TOKEN": "y"},
            "API_TOKEN is sent to the address in MIRROR_URL alone, and there is none",
        ),
    ],
    ids=["none needed", "none", "in the settings", "given", "with a token", "a token for none"],
)
def test_a_spider_needs_an_address_and_a_token_the_one_in_the_settings(
    spider: str, given: set[str], settings: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ArgumentError, match=sentence) if sentence else nullcontext():
        check_source(spider, given, settings.get)


def test_an_unknown_spider_is_told_which_there_are() -> None:
    with pytest.raises(ArgumentError) as raised:
        parse_arguments("market", {})

    assert str(raised.value) == f"There is no spider 'market'. Spiders: {', '.join(SPIDERS)}."


def test_every_spider_of_the_catalog_exists_and_every_spider_is_in_it() -> None:
    from scrapy.spiderloader import SpiderLoader
    from scrapy.utils.project import get_project_settings

    assert set(SpiderLoader.from_settings(get_project_settings()).list()) == set(SPIDERS)


def test_every_paid_plan_asks_the_paid_host_with_the_paid_header() -> None:
    assert {name: (plan.url.split("/")[2], plan.key_header) for name, plan in PLANS.items()} == {
        "keyless": ("api.coingecko.com", None),
        "demo": ("api.coingecko.com", "x-cg-demo-api-key"),
        **dict.fromkeys(("basic", "analyst", "lite", "enterprise"), ("pro-api.coingecko.com", "x-cg-pro-api-key")),
    }
