"""Which addresses may be asked, and how they are shown."""

import pytest

from webapp.crawls.addresses import is_source, looks_secret, publishable


@pytest.mark.parametrize(
    "url",
    [
        "https://coins.example/api/coins/",
        "https://coins.example:8443/api/coins/?category=layer-1&author=a",
        "https://coins.example/@me/coins/",
        "https://coins.example/coins?by=a@b",
        "http://127.0.0.1:8000/",
        "http://[::1]:8000/",
        "http://localhost/x",
        "http://web:8000/api/coins/",
    ],
)
def test_an_address_without_secrets_may_be_asked(url: str) -> None:
    assert is_source(url, ["web"])


@pytest.mark.parametrize(
    "url",
    [
        "http://coins.example/api/coins/",
        "http://web.example/",
        "http://127.0.0.1.example/",
        "https://user:hidden@coins.example/",
        "https://user@coins.example/",
        "https://coins.example/?api_key=hidden",
        "https://coins.example/?page=1&accessToken=",
        "https://coins.example/?api%5Fkey=hidden",
        "https://coins.example/?x=1;token=hidden",
        "https://coins.example/#a",
        "https://coins.example:port/",
        "https://m\u00fcnchen.example/",
        "https://coins.example/\t",
        "https://[::1/",
        "ftp://coins.example/",
        "coins.example",
        "",
    ],
)
def test_no_other_may(url: str) -> None:
    assert not is_source(url, ["web"])


@pytest.mark.parametrize(
    "name",
    [
        *("key", "API_KEY", "apikey", "x-api-key", "accessToken", "token", "auth", "Authorization", "password"),
        *("mySecret", "sessiontoken", "consumerkey", "licensekey", "AccessKeyId", "userkey", "subscription-key"),
        *("sig", "signature", "pwd", "credentials", "dbpassword", "sharedsecret"),
    ],
)
def test_a_parameter_with_such_a_name_looks_secret(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name", ["author", "authority", "keyword", "monkey", "hotkey", "design", "tokenize", "compass", "category"]
)
def test_a_word_that_only_has_such_a_name_in_it_does_not(name: str) -> None:
    assert not looks_secret(name)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:hid/den@coins.example/?a=b", "https://***@coins.example/?a=b"),
        ("https://coins.example/?a=b&api_key=hidden#x", "https://coins.example/?a=b&api_key=***#x"),
        ("api%5Fkey=hidden", "api%5Fkey=***"),
        ("https://coins.example/coins", "https://coins.example/coins"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert publishable(url) == shown
