"""Answers to HEAD, as a server gets them from Django. Its test client would remove their bodies itself."""

from contextlib import closing

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from rest_framework.authtoken.models import Token

from tests.support.factories import make_coin
from webapp.wsgi import application

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "address",
    [
        "/healthz",
        "/admin/login/",
        "/api/coins.csv",
        "/api/coins/",
        "/api/coins/nothing/",
        "/api/docs/",
        "/nowhere",
        "/static/admin/css/base.css",
    ],
)
def test_head_has_the_headers_of_get_and_no_body(address: str) -> None:
    make_coin()
    token = Token.objects.create(user=User.objects.create_user("reader"))
    headers = {"Authorization": f"Token {token.key}"}

    head = application.get_response(RequestFactory(headers=headers).head(address))

    with closing(Client(headers=headers).get(address)) as get:
        length = len(b"".join(get))
    assert (head.status_code, head.headers["Content-Length"]) == (get.status_code, str(length))
    assert (length > 0, b"".join(head)) == (True, b"")
