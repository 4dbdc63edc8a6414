"""A user of the API. Each test starts with no calls counted."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from rest_framework.authtoken.models import Token


@pytest.fixture(autouse=True)
def calls() -> Iterator[None]:
    """Clears the counts of calls, because users have the same keys in each test."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def user() -> User:
    return User.objects.create(username="reader")


@pytest.fixture
def token(user: User) -> str:
    return Token.objects.create(user=user).key


@pytest.fixture
def reader(token: str) -> Client:
    return Client(headers={"Authorization": f"Token {token}"})
